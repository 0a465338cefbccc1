"""The networks, and the weights that are handed on."""

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from torch import Tensor, nn

from quickdraw.errors import WeightsError
from quickdraw.model.convnet import ConvNet, load_weights
from quickdraw.model.layers import Dropout
from quickdraw.model.mlp import MLP
from quickdraw.model.resnet18 import ResNet18
from quickdraw.seeding import seed_step
from quickdraw.vision import import_torchvision
from quickdraw.weights_file import write_weights
from tests.support.program import ROOT

MODELS = sorted(path.stem for path in (ROOT / "conf" / "model").glob("*.yaml"))
CLASSES = ["cat", "moon", "door"]


def picture(count: int = 4) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_convnet_is_the_course_network() -> None:
    net = ConvNet()
    assert [name for name, _ in net.named_children()] == ["conv1", "pool1", "conv2", "pool2", "dropout", "fc1", "fc2"]
    assert sum(parameter.numel() for parameter in net.parameters()) == 108_618
    assert net.dropout.p == 0.5


def test_convnet_computes_what_the_course_wrote_down() -> None:
    net, x = ConvNet().eval(), picture()
    w = net.state_dict()
    x = F.max_pool2d(F.relu(F.conv2d(x, w["conv1.weight"], w["conv1.bias"])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w["conv2.weight"], w["conv2.bias"])), 2)
    features = x.reshape(-1, 800)
    hidden = F.relu(F.linear(features, w["fc1.weight"], w["fc1.bias"]))
    torch.testing.assert_close(net.get_features(picture()), features)
    torch.testing.assert_close(net(picture()), F.linear(hidden, w["fc2.weight"], w["fc2.bias"]))


@pytest.mark.parametrize("num_classes", [2, 345])
@pytest.mark.parametrize("model", MODELS)
def test_every_model_learns_and_gives_features(
    composed: Callable[..., dict[str, Any]], model: str, num_classes: int
) -> None:
    torch.manual_seed(0)
    net: nn.Module = instantiate(composed(f"model={model}", "dropout_rate=0")["model"])(num_classes=num_classes)
    labels = torch.tensor([0, num_classes - 1, 0, 1])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = list[float]()
    net.train()
    for _ in range(10):
        logits = net(picture())
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in net.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert logits.shape == net.eval()(picture()).shape == (4, num_classes)
    assert losses[-1] < 0.9 * losses[0]
    features = net.get_features(picture())  # type: ignore[operator]
    assert features.ndim == 2
    assert len(features) == 4


@pytest.mark.parametrize("model", MODELS)
def test_a_models_file_tells_its_number_of_parameters(composed: Callable[..., dict[str, Any]], model: str) -> None:
    net: nn.Module = instantiate(composed(f"model={model}")["model"])(num_classes=10)
    first_line = (ROOT / "conf" / "model" / f"{model}.yaml").read_text().splitlines()[0]
    assert f" {sum(parameter.numel() for parameter in net.parameters()):,} parameters for ten classes" in first_line


def test_resnet18_is_torchvisions_but_for_its_stem() -> None:
    torch.manual_seed(0)
    net = ResNet18(num_classes=10).eval()
    theirs = import_torchvision().models.resnet18(num_classes=10).eval()
    theirs.conv1, theirs.maxpool = net.stem[0], nn.Identity()
    for name in ("bn1", "layer1", "layer2", "layer3", "layer4", "fc"):
        own = {"bn1": net.stem[1], "fc": net.output}
        getattr(theirs, name).load_state_dict((own.get(name) or net.stages[int(name[-1]) - 1]).state_dict())
    torch.testing.assert_close(net(picture()), theirs(picture()))


@pytest.mark.parametrize(("stride", "sides"), [(1, [28, 28, 14, 7, 4]), (2, [14, 14, 7, 4, 2])])
def test_resnet18_keeps_the_resolution_that_is_asked_for(stride: int, sides: list[int]) -> None:
    net, x = ResNet18(stem_stride=stride), picture(1)
    shapes = [(x := module(x)).shape[-1] for module in (net.stem, *net.stages)]
    assert shapes == sides


@pytest.mark.parametrize("model", MODELS)
def test_dropout_acts_in_train_mode_alone(composed: Callable[..., dict[str, Any]], model: str) -> None:
    net: nn.Module = instantiate(composed(f"model={model}", "dropout_rate=0.5")["model"])()
    x = picture()
    assert not torch.equal(net.train()(x), net(x))
    assert torch.equal(net.eval()(x), net(x))


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_dropout_keeps_its_share_and_the_mean(rate: float) -> None:
    seed_step(0, 0, 0)
    dropped = Dropout(rate)(torch.ones(400, 1000))
    kept = (dropped > 0).double().mean().item()
    assert kept == pytest.approx(1 - rate, abs=1 / 256)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / kept] if rate else [1], rel=0.1)
    assert dropped.mean().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(("rate", "kept"), [(0.1, 230), (0.5, 128), (0.9, 26)])
def test_dropouts_scale_is_exactly_that_of_the_rate_rounded_to_a_256th(rate: float, kept: int) -> None:
    seed_step(0, 0, 0)
    dropped = Dropout(rate)(torch.ones(1000))
    assert dropped.unique().tolist() == [0, torch.tensor(256 / kept).item()]


def test_dropout_is_a_function_of_seed_epoch_and_step() -> None:
    def dropped(*step: int) -> Tensor:
        seed_step(*step)
        return Dropout(0.5)(torch.ones(1000))

    first = dropped(1, 2, 3)
    torch.rand(1)
    assert torch.equal(dropped(1, 2, 3), first)
    assert not any(torch.equal(dropped(*other), first) for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0)))
    assert not torch.equal(Dropout(0.5)(torch.ones(1000)), dropped(1, 2, 0)), "the next mask of a step is another one"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The weights of a ConvNet for three classes, as a run leaves them."""
    path = tmp_path / "weights" / "some_net.pth"
    write_weights(path, ConvNet(num_classes=3), {"classes": CLASSES, "model": "quickdraw.model.convnet.ConvNet"})
    return path


class CreatesFolder:
    """A pickle that creates a folder where it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, ("was-run",)


def describe(path: Path, **changes: Any) -> None:
    """Change the json beside the weights; it always holds their true sha256 unless that is changed."""
    description = json.loads(path.with_suffix(".json").read_bytes())
    description |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} | changes
    path.with_suffix(".json").write_text(json.dumps(description))


def one_bit_wrong(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9] + bytes([path.read_bytes()[-9] ^ 1]) + path.read_bytes()[-8:])


def weights_of_an_mlp(path: Path, **changes: Any) -> None:
    torch.save(MLP(num_classes=3).state_dict(), path)
    describe(path, **changes)


def hostile(path: Path) -> None:
    path.write_bytes(pickle.dumps(CreatesFolder()))
    describe(path)


def hostile_archive(path: Path) -> None:
    torch.save({"conv1.weight": CreatesFolder()}, path)
    describe(path)


SPOILT = {
    "no weights": (lambda path: path.unlink(), r"some_net\.pth: cannot be read"),
    "no json": (lambda path: path.with_suffix(".json").unlink(), r"some_net\.json: cannot be read"),
    "json that is none": (
        lambda path: path.with_suffix(".json").write_text("{"),
        "damaged: expected JSON",
    ),
    "json of something else": (lambda path: path.with_suffix(".json").write_text("[]"), r"expected the description"),
    "one bit wrong": (one_bit_wrong, "does not match the sha256"),
    "another's sha256": (lambda path: describe(path, sha256="0" * 64), "does not match the sha256"),
    "an MLP": (lambda path: weights_of_an_mlp(path, model="quickdraw.model.mlp.MLP"), r"got those of quickdraw.*MLP"),
    "an MLP that claims to be a ConvNet": (weights_of_an_mlp, "some_net"),
    "other classes": (lambda path: describe(path, classes=[*CLASSES, "eye"]), "some_net"),
    "no list of classes": (lambda path: describe(path, classes=3), "some_net"),
    "hostile pickle": (hostile, "expected weights written by torch.save"),
    "hostile archive": (hostile_archive, "expected weights written by torch.save"),
    "no pickle": (lambda path: (path.write_bytes(b"PK"), describe(path)), "expected weights written by torch.save"),
}


def test_weights_give_the_network_in_eval_mode_and_its_classes(weights: Path) -> None:
    net, classes = load_weights(weights)
    assert classes == CLASSES
    assert not net.training
    written = torch.load(weights, weights_only=True)
    assert all(torch.equal(tensor, written[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize(("spoil", "words"), SPOILT.values(), ids=SPOILT)
def test_weights_that_are_not_as_described_are_refused_and_run_nothing(
    weights: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], Any], words: str
) -> None:
    spoil(weights)
    monkeypatch.chdir(weights.parent)
    with pytest.raises(WeightsError, match=words):
        load_weights(weights)
    assert not (weights.parent / "was-run").exists()
