"""Drawings in the memory of a GPU: gathered there, so that no step waits for the host."""

import copy
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickdraw.data.batches import Batches
from quickdraw.data.drawings import Drawings

log = logging.getLogger(__name__)

CHUNK = 65_536  # drawings copied at once: 51 MB
LARGE = 1024  # drawings in a batch that nothing is learnt from
LARGE_IN_ALL = 16_384  # the same, counted in each of the networks that look at it side by side
LARGEST_SHARE = 0.5  # of the GPU's free memory; the rest is the network's


class ResidentDrawings(Drawings):
    """The drawings at some indices of others, with their pixels and labels on a device.

    Takes 800 bytes a drawing there. The order of an epoch is the host's, copied once an epoch.
    """

    def __init__(self, drawings: Drawings, indices: np.ndarray, device: str | torch.device) -> None:
        super().__init__(drawings.files)
        self.device = torch.device(device)
        ascending = np.sort(indices)
        self.ascending = torch.from_numpy(ascending.astype(np.int64)).to(self.device)
        self.pixels = torch.empty((len(indices), 28 * 28), dtype=torch.uint8, device=self.device)
        self.targets = torch.from_numpy(drawings.labels(ascending)).to(self.device)
        for first in range(0, len(indices), CHUNK):
            part = slice(first, first + CHUNK)
            self.pixels[part] = torch.from_numpy(drawings[ascending[part]]).to(self.device)

    def places(self, indices: np.ndarray) -> Tensor:
        """The rows of `pixels` that hold these indices, of one training or [L, N] of several, looked up there."""
        return torch.searchsorted(self.ascending, torch.from_numpy(indices.astype(np.int64)).to(self.device))

    def gather(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """(Pixels uint8 [B, 784], labels int64 [B]) on the device."""
        return self.pixels.index_select(0, places), self.targets.index_select(0, places)


def resident(batches: Batches, device: str) -> Batches:
    """The batches as a device wants them: on a CUDA device with room for them resident, otherwise as they are."""
    if not device.startswith("cuda"):
        return batches
    free, _total = torch.cuda.mem_get_info(device)
    if len(batches.indices) * 28 * 28 > LARGEST_SHARE * free:
        log.info("%s has too little memory for %d drawings; each batch is copied", device, len(batches.indices))
        return batches
    return on_device(batches, device)


def on_device(batches: Batches, device: str | torch.device) -> Batches:
    """The same batches, with their drawings in the device's memory."""
    served = copy.copy(batches)
    served.drawings = ResidentDrawings(batches.drawings, batches.indices, device)
    return served


class Places(Batches):
    """Batches of resident drawings that are yet to be gathered: each is the places of its drawings, int64 [B]."""

    def _gather(self, places: Any) -> tuple[Any, ...]:
        return (places,)

    def gather(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """The batch at these places."""
        return super()._gather(places)


def ungathered(batches: Batches) -> tuple[Batches, Callable[..., tuple[Tensor, Tensor]]]:
    """The batches for a step that gathers its own, and how it does; those that are not resident as they are."""
    if not isinstance(batches.drawings, ResidentDrawings):
        return batches, lambda images, labels: (images, labels)
    places = Places(batches.drawings, batches.indices, batches.batch_size, batches.balance, batches.augment)
    return places, places.gather


def in_large_batches(batches: Batches, device: torch.device, networks: int = 1) -> Batches:
    """The same drawings for validation and test: on a CUDA device in batches that keep it busy."""
    large = min(LARGE, LARGE_IN_ALL // networks)
    if device.type != "cuda" or batches.batch_size >= large:
        return batches
    served = copy.copy(batches)
    served.batch_size = large
    return served
