"""One split of the drawings, served in batches.

Batches are gathered and scaled in the main process, without loader workers: that takes 0.2 ms for 128 drawings out of
mapped files, of a training step of 9 ms or more. A worker would have to pickle and send each batch; the plain loop of
`benchmarks/plain_loop.py` trains faster without its worker than with it.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickdraw.data.drawings import Drawings
from quickdraw.errors import DataError
from quickdraw.seeding import shuffled


class Batches:
    """Drawings out of some mapped files, in batches of `batch_size` (the last one may be smaller).

    `files` are uint8 [n, 784], one a class, or the `Drawings` in them; `indices` [N] count through all of them. A batch
    is (images float32 [B, 1, 28, 28] in [0, 1], labels int64 [B]). With `balance` a training epoch draws every class
    equally often; `augment` says how strongly training is to move them (`quickdraw.data.augment`), which is done where
    the network is and not here.
    """

    def __init__(
        self,
        files: Sequence[np.ndarray] | Drawings,
        indices: np.ndarray,
        batch_size: int,
        balance: bool = False,
        augment: float = 0.0,
    ) -> None:
        self.drawings = files if isinstance(files, Drawings) else Drawings(files)
        self.indices = indices
        self.batch_size = batch_size
        self.balance = balance
        self.augment = augment

    @classmethod
    def from_arrays(cls, images: Any, labels: Any, batch_size: int) -> "Batches":
        """Serve drawings that lie in memory, numpy arrays or torch tensors: for data prepared by hand.

        `images` are uint8 [N, 784], [N, 28, 28] or [N, 1, 28, 28], 0 paper, 255 ink; `labels` are whole numbers [N],
        0 for the first class. They are served in their order. Raises DataError for anything else.
        """
        images, labels = np.asarray(images), np.asarray(labels)
        if images.dtype != np.uint8 or images.shape[1:] not in ((784,), (28, 28), (1, 28, 28)) or not len(images):
            raise DataError(
                f"expected images uint8 [N, 784] or [N, 28, 28], got {images.dtype} {list(images.shape)}; "
                "leave the pixels 0 to 255, each batch is scaled to [0, 1] as it is served"
            )
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1] or labels.min(initial=0) < 0:
            got = f"{labels.dtype} {list(labels.shape)}"
            if labels.dtype.kind == "i" and labels.min(initial=0) < 0:
                got += f", one of them {labels.min()}"
            raise DataError(f"expected {len(images)} labels, whole numbers from 0 on, got {got}")
        order = np.argsort(labels, kind="stable")  # a file holds one class, so the drawings are sorted into files
        counts = np.bincount(labels)
        places = np.empty(len(order), dtype=np.uint32)
        places[order] = np.arange(len(order))
        return cls(np.split(images.reshape(-1, 784)[order], np.cumsum(counts)[:-1]), places, batch_size)

    @property
    def files(self) -> Sequence[np.ndarray]:
        """The files that the drawings lie in, uint8 [n, 784] each."""
        return self.drawings.files

    def __len__(self) -> int:
        """The number of batches in one pass."""
        return math.ceil(len(self.indices) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every drawing once, in order: for validation and test."""
        return self._serve(self.indices, 0)

    def epoch(self, seed: int, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every drawing once, in that epoch's order, from batch number `start` on: for training.

        With `balance`, as many drawings, but of each class the same number.
        """
        return self._serve(self.order(seed, epoch), start)

    def order(self, seed: int, epoch: int) -> np.ndarray:
        """The indices of a training epoch in their order, [N]."""
        if self.balance:
            return balanced(self.indices, self.drawings.starts, seed, epoch)
        return shuffled(self.indices, seed, epoch)

    def side_by_side(self, orders: Sequence[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of several trainings at once, one after the other in each: [L * B, ...], by L orders."""
        places = self.drawings.places(np.stack(orders))
        for first in range(0, len(self.indices), self.batch_size):
            yield self._gather(places[:, first : first + self.batch_size].reshape(-1))

    def labels(self) -> np.ndarray:
        """The label of each drawing in order, int64 [N]."""
        return self.drawings.labels(self.indices)

    def take(self, positions: np.ndarray) -> tuple[Tensor, Tensor]:
        """The drawings at these positions of the split, as one batch."""
        return self._gather(self.drawings.places(self.indices[positions]))

    def _serve(self, indices: np.ndarray, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        places = self.drawings.places(indices)
        for first in range(start * self.batch_size, len(indices), self.batch_size):
            yield self._gather(places[first : first + self.batch_size])

    def _gather(self, places: Any) -> tuple[Tensor, Tensor]:
        pixels, labels = self.drawings.gather(places)
        images = torch.as_tensor(pixels).view(-1, 1, 28, 28).float().div_(255)
        return images, torch.as_tensor(labels)


def balanced(indices: np.ndarray, starts: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """N indices in the order of that epoch, of each class equally many, give or take one.

    `indices` [N] ascend, and those of class k lie between starts[k] and starts[k + 1]. A class with fewer drawings than
    its share gives each of them equally often, give or take one; a class with more gives others in every epoch.
    """
    random = np.random.Generator(np.random.SFC64([seed, epoch]))
    bounds = np.searchsorted(indices, starts[1:-1].astype(indices.dtype))  # of another type, it would copy them all
    classes = [own for own in np.split(indices, bounds) if len(own)]
    ends = len(indices) * np.arange(len(classes) + 1) // len(classes)
    order = np.empty_like(indices)
    chance = random.permutation(len(classes))  # decides which classes give one more than others
    for own, (start, end) in zip(chance, pairwise(ends), strict=True):
        order[start:end] = np.resize(random.permutation(classes[own]), end - start)
    random.shuffle(order)
    return order
