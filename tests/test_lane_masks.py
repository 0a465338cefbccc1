"""What lanes share with a training alone, the masks; and who may have a lane."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from quickdraw import seeding
from quickdraw.errors import ConfigError
from quickdraw.lanes import Pack, may_share
from quickdraw.lanes.networks import Networks
from quickdraw.model.layers import Dropout
from quickdraw.model.mlp import MLP
from quickdraw.model.small_resnet import SmallResNet
from tests.support.packs import Job, Split
from tests.support.training import sgd


class TwoDropouts(nn.Module):
    """A network with a dropout before and after its only layer."""

    may_share_lanes = True

    def __init__(self, first: float, second: float) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.first, self.second = Dropout(first), Dropout(second)
        self.layer = nn.Linear(784, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.layer(self.first(self.flatten(x))))


@pytest.mark.parametrize("on_host", [{"cpu"}, {}], ids=["drawn on the host", "hashed on the device"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_lanes_masks_are_those_of_a_training_alone(
    on_host: set[str], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "ON_HOST", on_host)
    rates = [(0.5, 0.5), (0.0, 0.3), (0.9, 0.0), (0.7, 0.2)]
    nets = [TwoDropouts(*pair) for pair in rates]
    networks = Networks(nets[0], width=5)
    places = {0: 2, 1: 0, 2: 4, 3: 1}  # net: lane; one lane is idle
    for number, net in enumerate(nets):
        nn.init.constant_(net.layer.weight, 1 / 784)
        nn.init.constant_(net.layer.bias, number)
        networks.take(places[number], net)
    images = torch.rand((5, 6, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    weights = {name: torch.zeros(5, *tensor.shape) for name, tensor in nets[0].named_parameters()}
    for number, net in enumerate(nets):
        for name, parameter in net.named_parameters():
            weights[name][places[number]] = parameter.detach()
    weights = {name: tensor.to(dtype) for name, tensor in weights.items()}
    networks.streams.begin_epoch({lane: (number, 3) for number, lane in places.items()}, steps=9)
    for step in (0, 8):
        networks.streams.begin_step(step)
        logits = networks(weights, images.to(dtype))
        for number, net in enumerate(nets):
            seeding.seed_step(number, 3, step)
            alone = net.to(dtype)(images[places[number]].to(dtype))
            assert torch.equal(logits[places[number]] == 0, alone == 0)
            torch.testing.assert_close(logits[places[number]], alone)


def test_models_with_batch_norm_and_other_optimizers_may_not_share() -> None:
    def adamw(net: nn.Module, **settings: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(net.parameters(), **settings)

    resnet, mlp = SmallResNet(), MLP()
    assert may_share(mlp, adamw(mlp)) == ""
    assert "SmallResNet does not say" in may_share(resnet, adamw(resnet))
    assert "amsgrad=True" in may_share(mlp, adamw(mlp, amsgrad=True))
    assert "RMSprop is not among" in may_share(mlp, torch.optim.RMSprop(mlp.parameters()))
    assert "dampening=0.1" in may_share(mlp, torch.optim.SGD(mlp.parameters(), momentum=0.9, dampening=0.1))
    assert "one group" in may_share(mlp, torch.optim.SGD(mlp.output.parameters()))
    assert "0.001 is too small" in may_share(MLP(dropout_rate=0.001), adamw(mlp))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: Job(1, sgd(0.1)), "optimizer: expected AdamW as in the pack, got SGD"),
        (
            lambda: Job(1, net=MLP(num_classes=3)),
            r"conv1.bias: expected torch.float32 \[16\] as in the pack, got nothing",
        ),
        (lambda: Job(1, precision="bfloat16"), "precision: expected float32 as in the pack, got bfloat16"),
    ],
)
def test_a_training_of_another_shape_is_refused(other: Any, words: str, split: Split) -> None:
    pack = Pack(2, *split)
    pack.admit(Job(0).training)
    with pytest.raises(ConfigError, match=words):
        pack.admit(other().training)
    assert pack.free == 1
    pack.admit(Job(2).training)
    with pytest.raises(ConfigError, match="expected a free lane, got none of 2"):
        pack.admit(Job(3).training)
