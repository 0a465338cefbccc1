"""Training steps as graphs, rehearsed on the CPU: all but the capture, for which a stand-in calls the step again."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from quickdraw import seeding
from quickdraw.data.batches import Batches
from quickdraw.data.resident import in_large_batches, on_device, ungathered
from quickdraw.errors import is_out_of_memory
from quickdraw.learning_rate import LearningRate
from quickdraw.model.convnet import ConvNet
from quickdraw.schedule import constant, one_cycle, warmup_cosine
from tests.support.graphs import LR, MODELS, OPTIMIZERS, assert_same, eager_lines, rounded, trained, with_graphs
from tests.support.training import Optimizer, Watched, network, same, saved, weights


@pytest.fixture
def batches(train_batches: Batches, val_batches: Batches) -> tuple[Batches, Batches]:
    """100 training drawings in three batches of 32 and one of 4, and 80 others, all resident."""
    return on_device(train_batches, "cpu"), on_device(val_batches, "cpu")


def both(monkeypatch: pytest.MonkeyPatch, train: Callable[[], Watched]) -> Watched:
    """Train eagerly and in graphs; the same bits are left. Return the second."""
    eager = train()
    recorder = with_graphs(monkeypatch)
    graphed = train()
    assert recorder.made[0].calls["replay"] == 6
    assert_same(graphed, eager)
    for step, data in eager.saves.items():
        assert same(dict(saved(graphed.saves[step]).tensors), dict(saved(data).tensors)), step
    return graphed


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_graphs_leave_the_bits_of_eager_steps(
    batches: tuple[Batches, Batches], optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(monkeypatch, lambda: trained(batches, optimizer))


@pytest.mark.parametrize("schedule", [constant, one_cycle, warmup_cosine])
def test_each_schedule_reaches_the_graph(
    batches: tuple[Batches, Batches], schedule: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    both(monkeypatch, lambda: trained(batches, schedule=rounded(schedule)))


@pytest.mark.parametrize(
    "model",
    [pytest.param(model, id=name, marks=[pytest.mark.stress] * (name == "resnet18")) for name, model in MODELS.items()],
)
def test_each_model_can_be_captured(
    files: list[np.ndarray], model: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = on_device(Batches(files, np.arange(0, 180, 13), batch_size=4), "cpu")  # 14: three batches of 4 and one of 2

    def train() -> Watched:
        torch.manual_seed(0)
        return trained((few, few), net=model(num_classes=3), save=None)

    both(monkeypatch, train)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("settings", [{"precision": "bfloat16", "grad_clip": 0.1}, {"label_smoothing": 0.2}])
def test_moved_and_balanced_drawings_reach_the_graph_wherever_they_lie(
    train_batches: Batches,
    batches: tuple[Batches, Batches],
    resident: bool,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = batches[0] if resident else train_batches
    train.augment, train.balance = 0.5, True
    train.indices = np.sort(train.indices)
    graphed = both(monkeypatch, lambda: trained((train, batches[1]), **settings))
    train.augment = 0
    assert not same(weights(trained((train, batches[1]), **settings).net), weights(graphed.net))


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_training_goes_on_with_or_without_graphs_from_any_step_of_either(
    batches: tuple[Batches, Batches], optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager = trained(batches, optimizer)
    with monkeypatch.context() as patch:
        with_graphs(patch)
        graphed = trained(batches, optimizer)
        for step in (1, 3, 4, 6, 11):
            rest = trained(batches, optimizer, network(1), resume_from=saved(eager.saves[step]))
            assert_same(rest, eager)
            assert rest.saves.keys() == set(range(step + 1, 13))
    rest = trained(batches, optimizer, network(1), resume_from=saved(graphed.saves[7]))
    assert_same(rest, eager)


def test_masks_that_a_device_makes_are_those_of_each_step(
    batches: tuple[Batches, Batches], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_host = trained(batches)
    monkeypatch.setattr(seeding, "ON_HOST", frozenset())
    graphed = both(monkeypatch, lambda: trained(batches))
    assert not same(weights(graphed.net), weights(on_host.net))


def test_each_batch_size_is_captured_after_its_third_step(
    batches: tuple[Batches, Batches], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = with_graphs(monkeypatch)
    trained(batches, epochs=4)
    assert [made.calls for made in recorder.made] == [
        {"run": 2 + 2, "watch": 2, "capture": 2, "replay": 9 + 1, "step": 16}
    ]


@pytest.mark.parametrize(
    ("faults", "captures", "words"),
    [
        ({"waits": True}, 0, "the network or the optimizer waits for the device in each step"),
        ({"fails_at": 1}, 1, "CUDA error: operation not permitted when stream is capturing"),
        ({"fails_at": 2}, 2, "CUDA error: operation not permitted when stream is capturing"),
    ],
)
def test_a_step_that_cannot_be_captured_runs_eagerly_and_says_so_once(
    batches: tuple[Batches, Batches],
    faults: dict[str, Any],
    captures: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    eager = trained(batches, epochs=5)
    assert eager_lines(caplog) == []
    recorder = with_graphs(monkeypatch, **faults)
    assert_same(trained(batches, epochs=5), eager)
    calls = recorder.made[0].calls
    assert calls["capture"] == captures
    assert calls["replay"] == (6 if faults.get("fails_at") == 2 else 0)  # until the capture that failed, and no more
    assert eager_lines(caplog) == [f"training steps run without a CUDA graph: {words}"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_capture_that_lacks_memory_ends_the_training(
    error: RuntimeError,
    batches: tuple[Batches, Batches],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with_graphs(monkeypatch, fails_at=1, fails_with=error)
    with pytest.raises(type(error)) as raised:
        trained(batches)
    assert raised.value is error
    assert is_out_of_memory(error)
    assert eager_lines(caplog) == []


class OwnOptimizer(torch.optim.Optimizer):
    """Signs of gradients: an optimizer of a user's own, which says nothing of captures."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * parameter.grad.sign()


class Stubborn(ConvNet):
    """A network that knows that it cannot be captured."""

    capturable = False


@pytest.mark.parametrize(
    ("optimizer", "model", "words"),
    [
        (lambda p: torch.optim.Adagrad(p, lr=LR), ConvNet, "Adagrad cannot be captured; AdamW can"),
        (lambda p: torch.optim.SGD(p, lr=LR), ConvNet, "SGD cannot be captured; AdamW can, and SGD with"),
        (lambda p: OwnOptimizer(p, lr=LR), ConvNet, "OwnOptimizer cannot be captured"),
        (OPTIMIZERS["adamw"], Stubborn, "Stubborn.capturable is False"),
    ],
)
def test_what_is_known_not_to_be_captured_is_not_tried(
    batches: tuple[Batches, Batches],
    optimizer: Optimizer,
    model: type[ConvNet],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def train() -> Watched:
        torch.manual_seed(0)
        return trained(batches, optimizer, model(num_classes=3))

    caplog.set_level(logging.INFO)
    eager = train()
    recorder = with_graphs(monkeypatch)
    assert_same(train(), eager)
    assert recorder.made == []
    (line,) = eager_lines(caplog)
    assert words in line


def test_rates_on_the_device_stay_in_their_tensors() -> None:
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": 0.5}, {"params": [nn.Parameter(torch.ones(2))], "lr": 2}]
    optimizer = torch.optim.SGD(groups)
    rate = LearningRate(optimizer, lambda done: 1 - done, 4, on_device=True)
    tensors = [group["lr"] for group in optimizer.param_groups]
    for step, factor in enumerate((1, 0.75, 0.5)):
        rate.set(step)
        assert [tensor.item() for tensor in tensors] == [0.5 * factor, 2 * factor]
        assert rate.at(step) == 0.5 * factor
    assert all(group["lr"] is tensor for group, tensor in zip(optimizer.param_groups, tensors, strict=True))
    again = LearningRate(optimizer, constant, 4)  # the optimizer trains once more
    assert again.full == [0.25, 1.0]


def test_places_are_gathered_to_the_batches_of_the_epoch(batches: tuple[Batches, Batches]) -> None:
    places, gather = ungathered(batches[0])
    expected = list(batches[0].epoch(3, 1, start=1))
    served = [gather(*each) for each in places.epoch(3, 1, start=1)]
    assert len(served) == 3
    for (images, labels), (own_images, own_labels) in zip(served, expected, strict=True):
        assert torch.equal(images, own_images)
        assert torch.equal(labels, own_labels)


def test_validation_and_test_are_served_in_large_batches_on_a_gpu(val_batches: Batches) -> None:
    cuda = torch.device("cuda")
    (batch,) = in_large_batches(val_batches, cuda)
    assert torch.equal(batch[0], torch.cat([images for images, _ in val_batches]))
    val_batches.batch_size = 2000
    assert in_large_batches(val_batches, cuda) is val_batches
    assert in_large_batches(val_batches, torch.device("cpu")) is val_batches


def test_networks_side_by_side_are_served_less_each(files: list[np.ndarray]) -> None:
    cuda, val_batches = torch.device("cuda"), Batches(files, np.arange(180), batch_size=32)
    for networks, size in ((8, 1024), (64, 256), (256, 64), (1000, 32)):
        assert in_large_batches(val_batches, cuda, networks).batch_size == size
