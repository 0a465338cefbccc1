"""One training as a lane takes it: what `engine.train` is given, and how it ended."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from quickdraw.lanes.optimizers import RULES
from quickdraw.model.layers import ALL, Dropout, kept_of_all
from quickdraw.schedule import constant
from quickdraw.state import EpochRecord, Snapshot


@dataclass(frozen=True)
class Settings:
    """The settings of a training that a lane has for itself, but for `precision`: the keys of conf/trainer."""

    epochs: int = 10
    schedule: Callable[[float], float] = constant
    precision: str = "float32"
    label_smoothing: float = 0.0
    grad_clip: float = math.inf
    monitor: str = "val_accuracy"
    patience: float = math.inf
    checkpoint_every_s: float = 30.0
    progress: bool | None = None


@dataclass
class Training:
    """What `engine.train` takes, for one lane; `trainer` are its keywords by name.

    When it has left its lane, `history` has one record an epoch, and `error` is what ended it, unless it finished:
    PrunedError, DivergedError, Interrupted, any other of its own `on_epoch` or `save`. The network then holds the
    weights of the best epoch, after an error the latest ones.
    """

    name: str
    net: nn.Module
    optimizer: torch.optim.Optimizer
    seed: int
    trainer: Mapping[str, Any]
    on_epoch: Callable[[EpochRecord], None]
    save: Callable[[int, Snapshot], None] | None
    resume_from: Snapshot | None = None
    error: BaseException | None = None
    history: list[EpochRecord] = field(default_factory=list)

    def settings(self) -> Settings:
        """The settings, those left out as `engine.train` has them."""
        return Settings(**self.trainer)


def may_share(net: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """Why a network and its optimizer may not have a lane; "" if they may."""
    model, kind = type(net).__name__, type(optimizer).__name__
    if not getattr(net, "may_share_lanes", False):
        return f"{model} does not say that its trainings may share lanes (may_share_lanes)"
    if type(optimizer) not in RULES:
        known = ", ".join(known.__name__ for known in RULES)
        return f"{kind} is not among the optimizers of lanes: {known}"
    if len(optimizer.param_groups) != 1 or len(optimizer.param_groups[0]["params"]) != len(list(net.parameters())):
        return "the optimizer does not have all of the network's parameters in one group"
    (group,) = optimizer.param_groups
    for switch in RULES[type(optimizer)].refused:
        if group.get(switch):
            return f"{kind} with {switch}={group[switch]} is not done in lanes"
    if len({(parameter.dtype, parameter.requires_grad) for parameter in net.parameters()}) != 1:
        return f"the parameters of {model} are of several types, or not all are learnt"
    for module in net.modules():
        if isinstance(module, Dropout) and module.p > 0 and kept_of_all(module.p) == ALL:
            return f"a dropout rate of {module.p} is too small for the masks of lanes, whose smallest is 1/256"
    return ""


def architecture(training: Training) -> dict[str, str]:
    """What all trainings of a pack have in common, by name: layers but for their dropout rates, shapes, optimizer."""
    net = training.net
    common = {"optimizer": type(training.optimizer).__name__, "precision": training.settings().precision}
    for name, module in net.named_modules():
        settings = "" if isinstance(module, Dropout) else module.extra_repr()
        common[f"layer {name}"] = f"{type(module).__name__}({settings})"
    for name, tensor in (*net.named_parameters(), *net.named_buffers()):
        common[name] = f"{tensor.dtype} {list(tensor.shape)}"
    return common
