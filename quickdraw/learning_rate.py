"""The learning rate of every step: the optimizer's own, times a schedule's factor."""

from collections.abc import Callable

import torch


class LearningRate:
    """Sets an optimizer's learning rates step by step; `schedule` maps the fraction of training done to a factor."""

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Callable[[float], float], steps: int) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.steps = steps  # of the whole training
        self.full = [group["lr"] for group in optimizer.param_groups]

    def set(self, step: int) -> None:
        """Give the optimizer the rates of a step, counted from 0 over the whole training."""
        factor = self.schedule(step / self.steps)
        for group, rate in zip(self.optimizer.param_groups, self.full, strict=True):
            group["lr"] = rate * factor

    def at(self, step: int) -> float:
        """The rate of a step: the first group's, if there are several."""
        return self.full[0] * self.schedule(step / self.steps)
