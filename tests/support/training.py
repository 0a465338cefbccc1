"""Small trainings in this process: a network, optimizers, and a training that remembers what it did."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from quickdraw import engine
from quickdraw.data.batches import Batches
from quickdraw.model.convnet import ConvNet
from quickdraw.run.checkpoint import decode, encode
from quickdraw.state import EpochRecord, Snapshot

Weights = dict[str, Tensor]
Optimizer = Callable[..., torch.optim.Optimizer]

OPTIMIZERS: dict[str, Optimizer] = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=3e-3),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True),
}


def network(seed: int = 0, dropout_rate: float = 0.5) -> ConvNet:
    torch.manual_seed(seed)
    return ConvNet(dropout_rate, num_classes=3)


def weights(net: nn.Module) -> Weights:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(some: Weights, others: Weights) -> bool:
    return all(torch.equal(some[name], others[name]) for name in some | others)


class Watched:
    """Trains silently, remembering what was there at the end of each epoch and what was saved."""

    def __init__(self, net: nn.Module, make_optimizer: Optimizer, *batches: Batches, **settings: Any) -> None:
        self.net = net
        self.epochs: list[Weights] = []
        self.modes: list[bool] = []
        self.saves: dict[int, bytes] = {}
        self.history: list[EpochRecord] = []
        defaults = {"epochs": 2, "progress": False, "save": self.save, "on_epoch": self.on_epoch}
        self.history = engine.train(net, make_optimizer(net.parameters()), *batches, **(defaults | settings))

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(weights(self.net))
        self.modes.append(self.net.training)

    def save(self, step: int, snapshot: Snapshot) -> None:
        self.saves[step] = encode(snapshot.tensors, snapshot.values)


def saved(data: bytes) -> Snapshot:
    return Snapshot(*decode(data))


def without_times(history: list[EpochRecord]) -> list[EpochRecord]:
    return [{key: value for key, value in record.items() if not key.endswith("_s")} for record in history]


def sgd(lr: float) -> Optimizer:
    return lambda parameters: torch.optim.SGD(parameters, lr=lr)
