"""Dropout of all lanes at once: each lane has the masks that it would have alone, at its own rate."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from quickdraw import seeding
from quickdraw.model.layers import ALL, kept_of_all
from quickdraw.seeding import BYTES, hashed_bytes, mix, next_bytes


class Streams:
    """The random bytes of all lanes, step by step: on the CPU of a generator each, on a GPU hashed there."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.width = width
        self.device = device
        self.on_host = device.type in seeding.ON_HOST
        self.seeds: Mapping[int, tuple[int, int]] = {}  # (seed, epoch) of the lanes in use
        self.generators: dict[int, np.random.SFC64] = {}
        self.keys = torch.zeros(width, dtype=torch.int64, device=device)  # of this step, filled in place for each
        self.table = self.keys[None]  # of each step of the epoch
        self.step = 0
        self.words = 0  # how many numbers of each lane's stream this step has taken

    def begin_epoch(self, seeds: Mapping[int, tuple[int, int]], steps: int) -> None:
        """Begin an epoch of so many steps with the (seed, epoch) of each lane in use."""
        self.seeds = seeds
        if not self.on_host:
            keys = np.zeros((steps, self.width), dtype=np.uint64)
            for lane, (seed, epoch) in seeds.items():
                keys[:, lane] = mix(seed, epoch, np.arange(steps, dtype=np.uint64))
            self.table = torch.from_numpy(keys.view(np.int64)).to(self.device)

    def begin_step(self, step: int) -> None:
        """Begin a step of this epoch."""
        self.step, self.words = step, 0
        if self.on_host:
            for lane, (seed, epoch) in self.seeds.items():
                self.generators[lane] = np.random.SFC64([seed, epoch, step])
        else:
            self.keys.copy_(self.table[step])

    def draw(self, count: int, lanes: Sequence[bool]) -> Tensor:
        """The next random bytes of each lane, uint8 [W, count]; only those of some `lanes` are needed.

        On the CPU only those are drawn, because a layer with rate 0 draws none there either.
        """
        if not self.on_host:
            taken, self.words = self.words, self.words + -(-count // BYTES)
            return hashed_bytes(self.keys, taken, count)
        drawn = np.zeros((self.width, count), dtype=np.uint8)
        for lane in self.seeds:
            if lanes[lane]:
                drawn[lane] = next_bytes(self.generators[lane], count)
        return torch.from_numpy(drawn)


class LaneDropout(nn.Module):
    """Stands for the Dropout of all lanes in the network that `torch.func.vmap` calls for all of them at once.

    A lane knows its row by `lane` and its rate by `last`, the last value of a byte that keeps a feature: both are
    stacked [W, 1], and [1] within vmap.
    """

    lane: Tensor
    last: Tensor

    def __init__(self, streams: Streams) -> None:
        super().__init__()
        self.streams = streams
        self.drops = [False] * streams.width
        self.register_buffer("lane", torch.arange(streams.width, device=streams.device)[:, None])
        self.register_buffer("last", torch.full((streams.width, 1), ALL - 1, dtype=torch.uint8, device=streams.device))

    def set_rate(self, lane: int, rate: float) -> None:
        """Give a lane its dropout rate."""
        last = kept_of_all(rate) - 1
        self.drops[lane] = last < ALL - 1
        self.last[lane] = last

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        drawn = self.streams.draw(math.prod(x.shape), self.drops)
        mask = drawn.index_select(0, self.lane).view(x.shape) <= self.last
        scale = ALL / (self.last.float() + 1)
        return x * (mask.to(x.dtype) * scale.to(x.dtype))
