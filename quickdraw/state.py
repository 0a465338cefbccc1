"""Where a training stands: everything that a checkpoint must hold so that the run ends with the same bits.

Weights, optimizer state, position, best weights, history, and what this epoch has summed up so far. No generator
state: whatever is random is a function of (seed, epoch, step).
"""

import contextlib
import copy
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from quickdraw import metrics, per_example
from quickdraw.errors import ConfigError, DivergedError, WeightsError
from quickdraw.learning_rate import LearningRate

# The numbers of one epoch, the columns of metrics.csv: epoch, step, train_loss, train_accuracy, val_loss and the other
# metrics, lr, grad_norm, train_s, samples_per_s. A dict, because metrics may be added.
EpochRecord = dict[str, Any]

OF_THIS_EPOCH = ("losses", "correct", "grad_norms")  # attributes of State with one number a step


@dataclass(frozen=True)
class Snapshot:
    """A state as it is saved: named tensors, and the plain values as JSON holds them."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]

    @property
    def history(self) -> list[EpochRecord]:
        """One record for each finished epoch."""
        return self.values["position"]["history"]


@dataclass
class Position:
    """The part of the state that is plain values."""

    epoch: int = 0  # epochs done
    step: int = 0  # steps done in this epoch
    epoch_s: float = 0.0  # time spent in this epoch
    best_epoch: int = -1
    history: list[EpochRecord] = field(default_factory=list)


class State:
    """The network, its optimizer and where they stand, in a training of epochs of `steps` steps on `drawings` drawings.

    `losses`, `correct` and `grad_norms` hold one number a step of this epoch, the first two summed over its batch: they
    stay on the device, so that no step waits for one. `best` are the weights of the best epoch.
    """

    def __init__(self, net: nn.Module, optimizer: torch.optim.Optimizer, steps: int, drawings: int) -> None:
        device = next(net.parameters()).device
        self.net = net
        self.optimizer = optimizer
        self.steps = steps
        self.drawings = drawings
        self.best = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
        self.losses = torch.zeros(steps, device=device)
        self.correct = torch.zeros(steps, dtype=torch.int64, device=device)
        self.grad_norms = torch.zeros(steps, device=device)
        self.position = Position()
        self.at = torch.zeros(1, dtype=torch.int64, device=device)  # this epoch's step, where a captured one counts it
        self.began = 0.0  # when this epoch began, or would have if it had not been interrupted

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.position.epoch

    @property
    def step(self) -> int:
        """Steps done in this epoch."""
        return self.position.step

    @property
    def steps_done(self) -> int:
        """Steps done in all."""
        return self.position.epoch * self.steps + self.position.step

    @property
    def epochs_without_better(self) -> int:
        """Epochs done since the best one."""
        return self.position.epoch - self.position.best_epoch - 1

    @property
    def history(self) -> list[EpochRecord]:
        """One record for each finished epoch."""
        return self.position.history

    def start_clock(self) -> None:
        """Count the time from now on as this epoch's."""
        self.began = time.perf_counter() - self.position.epoch_s

    def stop_clock(self) -> None:
        """Take the time until now as this epoch's."""
        self.position.epoch_s = time.perf_counter() - self.began

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time of the block, and of the steps in it, as this epoch's."""
        self.at.fill_(self.position.step)
        self.start_clock()
        yield
        self.stop_clock()

    def sum_up(self, logits: Tensor, labels: Tensor, loss: Tensor, grad_norm: Tensor) -> None:
        """Note one step: its batch's logits [B, C] and labels [B], their mean loss, and the gradient's norm.

        All on the device, so that it can be a part of a captured step.
        """
        correct = per_example.accuracy(logits, labels).sum()
        for sums, value in ((self.losses, loss * len(labels)), (self.correct, correct), (self.grad_norms, grad_norm)):
            sums.index_copy_(0, self.at, value.to(sums.dtype).view(1))
        self.at.add_(1)

    def count_step(self) -> None:
        """Count one step whose numbers are in `losses`, `correct` and `grad_norms`."""
        self.position.step += 1
        self.stop_clock()

    def check_finite(self, rate: LearningRate) -> None:
        """Raise DivergedError if a loss of this epoch is not finite; it names the first such step and its rate."""
        bad = (~torch.isfinite(self.losses[: self.step])).nonzero()
        if len(bad):
            first = int(bad[0])
            raise diverged("training", float(self.losses[first]), self.epoch * self.steps + first, rate)

    def end_epoch(self, validation: Mapping[str, float], rate: LearningRate) -> EpochRecord:
        """Go on to the next epoch and return the record of this one; raises DivergedError for a loss not finite."""
        position = self.position
        last = self.steps_done - 1
        if not math.isfinite(validation["loss"]):
            raise diverged("validation", validation["loss"], last, rate)
        for name, value in validation.items():
            if not math.isfinite(value):
                raise ConfigError(f"metric {name}: expected a finite number, got {value}")
        record = {
            "epoch": position.epoch + 1,
            "step": self.steps_done,
            "train_loss": self.losses.double().sum().item() / self.drawings,
            "train_accuracy": self.correct.sum().item() / self.drawings,
            **{f"val_{name}": value for name, value in validation.items()},
            "lr": rate.at(last),  # the optimizer forgot it if the run was continued after the last step
            "grad_norm": self.grad_norms.nan_to_num().double().mean().item(),  # JSON has no infinity
            "train_s": position.epoch_s,
            "samples_per_s": self.drawings / position.epoch_s,
        }
        position.history.append(record)
        position.epoch, position.step, position.epoch_s = position.epoch + 1, 0, 0.0
        return record

    def keep_best(self, record: EpochRecord, monitor: str) -> None:
        """Remember the weights as the best ones if this latest epoch is the best of all by the score `monitor`."""
        if metrics.best(self.history, monitor) is record:
            self.position.best_epoch = record["epoch"] - 1
            for name, tensor in self.net.state_dict().items():
                self.best[name].copy_(tensor)

    def snapshot(self) -> Snapshot:
        """All of the state. Its tensors are the live ones: it is to be saved before the next step."""
        tensors = {name: getattr(self, name) for name in OF_THIS_EPOCH}
        tensors |= {f"net/{name}": tensor for name, tensor in self.net.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        plain = []
        for index, values in self.optimizer.state_dict()["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{index}/{name}"] = value
                else:
                    plain.append([index, name, value])
        return Snapshot(tensors, {"position": asdict(self.position), "optimizer": plain})

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot. The optimizer's settings stay those it was built with.

        Raises WeightsError, before anything is changed, when a tensor is not of the shape and type that it has here.
        """
        self._check_tensors(snapshot)
        tensors = snapshot.tensors
        position = dict(snapshot.values["position"])
        position.pop("best_score", None)  # of checkpoints that an earlier version wrote: the history says it too
        if position["step"] > self.steps:
            raise WeightsError(f"checkpoint: expected at most {self.steps} steps in an epoch, got {position['step']}")
        self.position = Position(**position)
        self.net.load_state_dict({name: tensors[f"net/{name}"] for name in self.best})
        for name, tensor in self.best.items():
            tensor.copy_(tensors[f"best/{name}"])
        for name in OF_THIS_EPOCH:
            getattr(self, name).copy_(tensors[name])
        self._restore_optimizer(snapshot)

    def _check_tensors(self, snapshot: Snapshot) -> None:
        """Raise WeightsError for a tensor that does not fit: a fused optimizer would write past its end."""
        # The network, its best weights, and the numbers of this epoch.
        for name, own in self.snapshot().tensors.items():
            check_alike(name, snapshot.tensors.get(name), own)

        # What the optimizer keeps for a parameter: all that it keeps after a step, or nothing before its first.
        saved: dict[str, dict[str, Tensor]] = {}
        for key, tensor in snapshot.tensors.items():
            if key.startswith("optimizer/"):
                index, _, name = key.removeprefix("optimizer/").partition("/")
                saved.setdefault(index, {})[name] = tensor
        kept = kept_after_a_step(self.optimizer) if saved else {}
        for index, tensors in saved.items():
            own_tensors = kept.get(index, {})
            for name in sorted({*tensors, *own_tensors}):
                check_alike(f"optimizer/{index}/{name}", tensors.get(name), own_tensors.get(name))

    def _restore_optimizer(self, snapshot: Snapshot) -> None:
        state: dict[int, dict[str, Any]] = {}
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        for key, tensor in snapshot.tensors.items():
            if key.startswith("optimizer/"):
                _, index, name = key.split("/", 2)
                parameter = parameters[int(index)]
                if tensor.shape == parameter.shape:  # a fused optimizer pairs numbers by their places in memory
                    tensor = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
                state.setdefault(int(index), {})[name] = tensor
        for index, name, value in snapshot.values["optimizer"]:
            state.setdefault(index, {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def kept_after_a_step(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """The tensors that an optimizer keeps for each parameter, by its index: found by a step of a copy of it."""
    trial = copy.deepcopy(optimizer)
    trial._warned_capturable_if_run_uncaptured = True  # torch says it of copies: this step is not captured, others are
    for group in trial.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    trial.step()
    kept: dict[str, dict[str, Tensor]] = {}
    for index, values in trial.state_dict()["state"].items():
        kept[str(index)] = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    return kept


def check_alike(name: str, tensor: Tensor | None, own: Tensor | None) -> None:
    """Raise WeightsError if a saved tensor is not of the shape and type of this training's own, or one is missing."""
    expected, got = described(own), described(tensor)
    if got != expected:
        raise WeightsError(
            f"checkpoint: {name}: expected {expected}, got {got}; it is of another training: remove the folder "
            "checkpoint/ to train this run again from step 0"
        )


def described(tensor: Tensor | None) -> str:
    """The type and shape of a tensor, as an error shows them."""
    if tensor is None:
        return "nothing"
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def diverged(split: str, loss: float, step: int, rate: LearningRate) -> DivergedError:
    """The error that says which loss, after which step (counted from 0), is no longer finite."""
    return DivergedError(
        f"the {split} loss became {loss} at step {step + 1} with a learning rate of {rate.at(step):.3g}; "
        "lower optimizer.lr, or set trainer.grad_clip=1"
    )
