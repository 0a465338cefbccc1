"""The learning rate of every step: the optimizer's own, times a schedule's factor."""

from collections.abc import Callable

import torch
from torch import Tensor


class LearningRate:
    """Sets an optimizer's learning rates step by step; `schedule` maps the fraction of training done to a factor.

    With `on_device` the rates are float32 tensors beside the parameters, which a captured step reads anew each time.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedule: Callable[[float], float],
        steps: int,
        on_device: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.steps = steps  # of the whole training
        self.full = [float(group["lr"]) for group in optimizer.param_groups]
        if on_device:
            for group in optimizer.param_groups:
                group["lr"] = torch.zeros((), device=group["params"][0].device)

    def set(self, step: int) -> None:
        """Give the optimizer the rates of a step, counted from 0 over the whole training."""
        factor = self.schedule(step / self.steps)
        for group, full in zip(self.optimizer.param_groups, self.full, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(full * factor)
            else:
                group["lr"] = full * factor

    def at(self, step: int) -> float:
        """The rate of a step: the first group's, if there are several."""
        return self.full[0] * self.schedule(step / self.steps)
