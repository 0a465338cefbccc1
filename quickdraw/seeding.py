"""Whatever is random is a function of (seed, epoch, step): no generator state is ever saved, and none is needed."""

import numpy as np
import torch

MASK = 2**64 - 1
_step = np.random.SFC64(0)  # of the present training step


def seed_everything(seed: int) -> None:
    """Seed torch's generators, for the initial weights."""
    torch.manual_seed(seed)


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Seed whatever is random in one training step: `step_bytes` and torch's generators.

    `torch.manual_seed` costs 74 us a call, seeding the generators themselves 1 us.
    """
    global _step  # noqa: PLW0603 - there is one step at a time, and a layer cannot be given one
    _step = np.random.SFC64([seed, epoch, step])
    value = mix(seed, epoch, step)
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(value)


def step_bytes(count: int) -> np.ndarray:
    """The next random bytes of the present step, uint8 [count]."""
    return _step.random_raw(-(-count // 8)).view(np.uint8)[:count]


def shuffled(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The indices in the order of that epoch."""
    return np.random.Generator(np.random.SFC64([seed, epoch])).permutation(indices)


def mix(*numbers: int) -> int:
    """64 well-mixed bits of some non-negative numbers: the finaliser of SplitMix64 after each.

    Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (2014).
    """
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state
