"""Whatever is random is a function of (seed, epoch, step): no generator state is ever saved, and none is needed."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

MASK = 2**64 - 1
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # of SplitMix64
BYTES = 8  # of one of its numbers
ON_HOST = frozenset({"cpu"})  # devices whose random bytes the host draws; others make their own

_step = np.random.SFC64(0)  # of the present training step
_key = 0  # the same step's, of the bytes that are made on a device
_keys: dict[torch.device, Tensor] = {}  # that key where each device reads it: int64 [1], filled anew for every step
_words = 0  # how many numbers of the device's stream this step has taken


def seed_everything(seed: int) -> None:
    """Seed torch's generators, for the initial weights."""
    torch.manual_seed(seed)


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Seed whatever is random in one training step: `step_bytes`, `device_bytes` and torch's generators.

    The keys that devices read are filled in place, so a CUDA graph that is replayed after this has this step's bytes.
    `torch.manual_seed` costs 74 us a call, seeding the generators themselves 1 us.
    """
    global _step, _key, _words  # noqa: PLW0603 - there is one step at a time, and a layer cannot be given one
    _step = np.random.SFC64([seed, epoch, step])
    _key = mix(seed, epoch, step)
    _words = 0
    torch.default_generator.manual_seed(_key)
    if torch.cuda.is_initialized():
        current = torch.cuda.current_device()
        torch.cuda.default_generators[current].manual_seed(_key)
        device_key(torch.device("cuda", current))  # made here, because while a graph is captured it is too late
    for key in _keys.values():
        key.fill_(signed(_key))


def step_bytes(count: int) -> np.ndarray:
    """The next random bytes of the present step, uint8 [count], for a network on the CPU."""
    return next_bytes(_step, count)


def next_bytes(generator: np.random.SFC64, count: int) -> np.ndarray:
    """The next random bytes of a generator, uint8 [count]."""
    return generator.random_raw(-(-count // BYTES)).view(np.uint8)[:count]


def device_bytes(count: int, device: torch.device) -> Tensor:
    """The next random bytes of the present step, uint8 [count], made on a device: nothing is copied there."""
    global _words
    taken, _words = _words, _words + -(-count // BYTES)
    return hashed_bytes(device_key(device), taken, count)[0]


def device_key(device: torch.device) -> Tensor:
    """The key of the present step as a device reads it, int64 [1]: one tensor as long as the process lives."""
    if device not in _keys:
        _keys[device] = torch.full((1,), signed(_key), device=device)
    return _keys[device]


def hashed_bytes(keys: Tensor, taken: int, count: int) -> Tensor:
    """Random bytes of several streams, uint8 [L, count]: SplitMix64, seeded with `keys` int64 [L].

    A number of it is a hash of its place, and `taken` of them are passed over. int64 wraps as uint64 does, but shifts
    its sign in, which the masks take away.
    """
    places = torch.arange(taken + 1, taken + 1 - (-count // BYTES), device=keys.device)
    state = keys[:, None] + places * signed(GOLDEN)
    state = (state ^ ((state >> 30) & (MASK >> 30))) * signed(FIRST)
    state = (state ^ ((state >> 27) & (MASK >> 27))) * signed(SECOND)
    state = state ^ ((state >> 31) & (MASK >> 31))
    return state.view(torch.uint8)[:, :count]


def shuffled(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The indices in the order of that epoch."""
    return np.random.Generator(np.random.SFC64([seed, epoch])).permutation(indices)


def mix(*numbers: Any) -> Any:
    """64 well-mixed bits of some non-negative numbers: the finaliser of SplitMix64 after each.

    The last one may be an array, uint64. Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators
    (2014).
    """
    state: Any = 0
    for number in numbers:
        state = (number + state + GOLDEN) & MASK
        state = ((state ^ (state >> 30)) * FIRST) & MASK
        state = ((state ^ (state >> 27)) * SECOND) & MASK
        state = state ^ (state >> 31)
    return state


def signed(number: int) -> int:
    """The int64 with the bits of a uint64."""
    return number - 2**64 if number >= 2**63 else number
