"""Where a training stands: everything that a checkpoint must hold so that the run ends with the same bits.

Weights, optimizer state, position, best score and best weights, history, and what this epoch has summed up so far. No
generator state: whatever is random is a function of (seed, epoch, step).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Record = dict[str, Any]  # the numbers of one epoch; see `quickdraw.engine.train`
Saved = tuple[Mapping[str, Tensor], Mapping[str, Any]]  # tensors, and a JSON value
OF_THIS_EPOCH = ("losses", "correct", "grad_norms")  # attributes of State with one number a step


@dataclass
class Position:
    """The part of the state that is plain values."""

    epoch: int = 0
    step: int = 0  # steps done in this epoch
    epoch_s: float = 0.0  # time spent in this epoch
    best_epoch: int = -1
    best_score: float | None = None
    history: list[Record] = field(default_factory=list)


class State:
    """The network, its optimizer and where they stand.

    `losses`, `correct` and `grad_norms` hold one number a step of this epoch, the first two summed over its batch: they
    stay on the device, so that no step waits for one.
    """

    def __init__(self, net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        device = next(net.parameters()).device
        self.net = net
        self.optimizer = optimizer
        self.best = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
        self.losses = torch.zeros(steps, device=device)
        self.correct = torch.zeros(steps, dtype=torch.int64, device=device)
        self.grad_norms = torch.zeros(steps, device=device)
        self.at = Position()

    def keep_best(self, score: float) -> None:
        """Remember the weights as the best ones, if no earlier epoch had as good a score."""
        if self.at.best_score is None or score > self.at.best_score:
            self.at.best_score, self.at.best_epoch = score, self.at.epoch
            for name, tensor in self.net.state_dict().items():
                self.best[name].copy_(tensor)

    def collect(self) -> Saved:
        """Return all of it as named tensors and a JSON value."""
        tensors = {f"net/{name}": tensor for name, tensor in self.net.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        tensors |= {name: getattr(self, name) for name in OF_THIS_EPOCH}
        plain = []
        for index, values in self.optimizer.state_dict()["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{index}/{name}"] = value
                else:
                    plain.append([index, name, value])
        return tensors, {"position": asdict(self.at), "optimizer": plain}

    def restore(self, saved: Saved) -> None:
        """Continue from what `collect` returned. The optimizer's settings stay those it was built with."""
        tensors, values = saved
        self.at = Position(**values["position"])
        self.net.load_state_dict({name: tensors[f"net/{name}"] for name in self.best})
        for name, tensor in self.best.items():
            tensor.copy_(tensors[f"best/{name}"])
        for name in OF_THIS_EPOCH:
            getattr(self, name).copy_(tensors[name])
        state: dict[int, dict[str, Any]] = {}
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        for key, tensor in tensors.items():
            if key.startswith("optimizer/"):
                _, index, name = key.split("/", 2)
                parameter = parameters[int(index)]
                if tensor.shape == parameter.shape:  # a fused optimizer pairs numbers by their places in memory
                    tensor = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
                state.setdefault(int(index), {})[name] = tensor
        for index, name, value in values["optimizer"]:
            state.setdefault(index, {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
