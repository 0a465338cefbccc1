"""Trainings with steps that are captured; and a stand-in for a GPU's captures, whose replay calls the step again."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from quickdraw import graphs, seeding
from quickdraw.data.batches import Batches
from quickdraw.model.convnet import ConvNet
from quickdraw.model.mlp import MLP
from quickdraw.model.resnet18 import ResNet18
from quickdraw.model.small_resnet import SmallResNet
from quickdraw.schedule import one_cycle
from tests.support.training import Optimizer, Watched, network, same, weights, without_times

REFUSAL = RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore of it")
LR = 2**-7  # times a factor of 24 bits, a rate that is the same number on the host and on the device
OPTIMIZERS: dict[str, Optimizer] = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=LR, fused=True),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=LR, weight_decay=0.1, fused=True),
    "amsgrad": lambda parameters: torch.optim.AdamW(parameters, lr=LR, amsgrad=True, fused=True),
    "nesterov": lambda parameters: torch.optim.SGD(parameters, lr=LR, momentum=0.9, nesterov=True, fused=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=LR, fused=True),
}
MODELS: dict[str, Callable[..., nn.Module]] = {
    "convnet": ConvNet,
    "mlp": MLP,
    "small_resnet": lambda num_classes: SmallResNet(width=4, num_classes=num_classes),
    "resnet18": ResNet18,
}


def rounded(schedule: Callable[[float], float]) -> Callable[[float], float]:
    return lambda done: float(np.float32(schedule(done)))


def trained(
    batches: tuple[Batches, Batches],
    optimizer: Optimizer = OPTIMIZERS["adamw"],
    net: nn.Module | None = None,
    **settings: Any,
) -> Watched:
    settings = {"epochs": 3, "schedule": rounded(one_cycle), "checkpoint_every_s": 0, "seed": 5} | settings
    return Watched(net or network(), optimizer, *batches, **settings)


def assert_same(some: Watched, other: Watched) -> None:
    assert same(weights(some.net), weights(other.net))
    assert without_times(some.history) == without_times(other.history)


def eager_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "without a CUDA graph" in record.message]


class StandIn:
    """Notes what is asked of it; `made` are all of them, in order."""

    made: list["StandIn"]
    waits = False  # whether a step is said to wait for the device
    fails_at = 0  # the number of the capture that fails, counted from 1
    fails_with: Exception = REFUSAL

    def __init__(self, device: torch.device) -> None:
        self.calls: Counter[str] = Counter()
        self.made.append(self)

    def run(self, function: Callable[[], Tensor]) -> Tensor:
        self.calls["run"] += 1
        return function()

    def watch(self, function: Callable[[], Tensor]) -> tuple[Tensor, bool]:
        self.calls["watch"] += 1
        return function(), self.waits

    def capture(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.calls["capture"] += 1
        taken = seeding._words  # what the host counts stays in a graph as it was
        if self.calls["capture"] == self.fails_at:
            raise self.fails_with

        def replay() -> Tensor:
            self.calls["replay"] += 1
            seeding._words = taken
            return function()

        return replay

    def keep_pace(self) -> None:
        self.calls["step"] += 1


def with_graphs(monkeypatch: pytest.MonkeyPatch, **faults: Any) -> type[StandIn]:
    """Let steps on the CPU be captured by a stand-in from now on; its faults are attributes of StandIn."""
    own = type("Own", (StandIn,), {"made": [], **faults})
    monkeypatch.setitem(graphs.RECORDERS, "cpu", own)
    return own
