"""The steps of torch's optimizers, for all lanes at once, each lane with its own settings.

Weights, gradients and what an optimizer keeps (its moments) are float [W, P], a lane a row. An update uses sums,
products, quotients and roots only, one a kernel: each is rounded once, so the bits of a number do not depend on where
in its tensor it lies. The kernels that do two at once (addcmul, lerp) round otherwise in the last few numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


class Rule(Protocol):
    """What a step of one class of optimizers is, for lanes."""

    moments: Sequence[str]  # what it keeps of each weight, by the names in its state
    refused: Sequence[str]  # its switches that are not done here

    def kept(self, group: Mapping[str, Any]) -> Sequence[str]:
        """The names in its state, with these settings."""

    def numbers(self, group: Mapping[str, Any], rates: np.ndarray, first: int) -> list[Any]:
        """What `update` computes steps of one lane with: each a float, or one a step.

        `rates` are the learning rates of these steps, `first` the number of steps before them.
        """

    def update(self, weights: Tensor, gradients: Tensor, moments: Sequence[Tensor], numbers: Sequence[Tensor]) -> None:
        """Change weights and moments [W, P] by one step; each of the numbers is [W, 1]."""


class Adam:
    """torch.optim.Adam. Source: Kingma and Ba, Adam (2015)."""

    moments: Sequence[str] = ("exp_avg", "exp_avg_sq")
    refused: Sequence[str] = ("amsgrad", "maximize", "differentiable")

    def kept(self, group: Mapping[str, Any]) -> Sequence[str]:
        return ("step", *self.moments)

    def numbers(self, group: Mapping[str, Any], rates: np.ndarray, first: int) -> list[Any]:
        beta1, beta2 = group["betas"]
        steps = np.arange(first + 1, first + 1 + len(rates))
        size, root = rates / (1 - beta1**steps), np.sqrt(1 - beta2**steps)
        return [self.decay(group, rates), beta1, 1 - beta1, beta2, 1 - beta2, size, root, group["eps"]]

    def update(self, weights: Tensor, gradients: Tensor, moments: Sequence[Tensor], numbers: Sequence[Tensor]) -> None:
        mean, square = moments
        decay, beta1, rest1, beta2, rest2, size, root, eps = numbers
        self.shrink(weights, gradients, decay)
        mean.mul_(beta1).add_(gradients * rest1)
        square.mul_(beta2).add_(gradients * gradients * rest2)
        weights.sub_(mean * size / (square.sqrt().div_(root).add_(eps)))

    def decay(self, group: Mapping[str, Any], rates: np.ndarray) -> Any:
        """The number that `shrink` takes."""
        return group["weight_decay"]

    def shrink(self, weights: Tensor, gradients: Tensor, decay: Tensor) -> None:
        """Apply the weight decay: here the gradient of a penalty."""
        gradients.add_(weights * decay)


class AdamW(Adam):
    """torch.optim.AdamW. Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019)."""

    def decay(self, group: Mapping[str, Any], rates: np.ndarray) -> Any:
        return 1 - rates * group["weight_decay"]

    def shrink(self, weights: Tensor, gradients: Tensor, decay: Tensor) -> None:
        weights.mul_(decay)


class SGD:
    """torch.optim.SGD, with momentum, Nesterov's too. Source: Sutskever et al. (2013), as torch has it.

    The moment begins with zeros, which is the first gradient after the first step, as in torch.
    """

    moments: Sequence[str] = ("momentum_buffer",)
    refused: Sequence[str] = ("dampening", "maximize", "differentiable")

    def kept(self, group: Mapping[str, Any]) -> Sequence[str]:
        return self.moments if group["momentum"] else ()

    def numbers(self, group: Mapping[str, Any], rates: np.ndarray, first: int) -> list[Any]:
        return [group["weight_decay"], group["momentum"], float(group["nesterov"]), rates]

    def update(self, weights: Tensor, gradients: Tensor, moments: Sequence[Tensor], numbers: Sequence[Tensor]) -> None:
        (moment,) = moments
        decay, momentum, nesterov, rate = numbers
        gradients.add_(weights * decay)
        moment.mul_(momentum).add_(gradients)
        ahead = (moment * momentum).add_(gradients)
        weights.sub_(torch.where(nesterov > 0, ahead, moment) * rate)


RULES: Mapping[type, Rule] = {torch.optim.Adam: Adam(), torch.optim.AdamW: AdamW(), torch.optim.SGD: SGD()}
