"""One split of the drawings in the memory of a GPU: gathered there, so that no step waits for the host."""

import logging
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from quickdraw.data.batches import Batches

log = logging.getLogger(__name__)

CHUNK = 65_536  # drawings copied at once: 51 MB
LARGEST_SHARE = 0.5  # of the GPU's free memory; the rest is the network's


class ResidentBatches(Batches):
    """The same batches as those it is made from, but with the pixels, labels and order of the split on a device.

    Takes 792 bytes a drawing there. The order of an epoch is the host's, copied once an epoch.
    """

    def __init__(self, batches: Batches, device: str | torch.device) -> None:
        self.__dict__.update(vars(batches))
        self.device = torch.device(device)
        self.ascending = np.sort(self.indices)
        labels = self._labels(self.ascending)
        self.pixels = torch.empty((len(labels), 28 * 28), dtype=torch.uint8, device=self.device)
        self.targets = torch.from_numpy(labels).to(self.device)
        for first in range(0, len(labels), CHUNK):
            part = slice(first, first + CHUNK)
            self.pixels[part] = torch.from_numpy(self._pixels(self.ascending[part], labels[part])).to(self.device)

    def _serve(self, indices: np.ndarray, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        positions = torch.from_numpy(np.searchsorted(self.ascending, indices)).to(self.device)
        for first in range(start * self.batch_size, len(indices), self.batch_size):
            own = positions[first : first + self.batch_size]
            images = self.pixels.index_select(0, own).view(-1, 1, 28, 28).float().div_(255)
            yield images, self.targets.index_select(0, own)


def resident(batches: Batches, device: str) -> Batches:
    """Return the batches as a device wants them: on a CUDA device with room for them resident, else as they are."""
    if not device.startswith("cuda"):
        return batches
    free, _total = torch.cuda.mem_get_info(device)
    if len(batches.indices) * 28 * 28 > LARGEST_SHARE * free:
        log.info("%s has too little memory for %d drawings; each batch is copied", device, len(batches.indices))
        return batches
    return ResidentBatches(batches, device)
