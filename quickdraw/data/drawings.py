"""Several mapped files seen as one array of drawings."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class Drawings:
    """The drawings of some files, uint8 [n, 784], one a class: `len`, `labels(indices)`, `[indices]`.

    Indices count through all files in order; nothing is copied but the drawings asked for.
    """

    def __init__(self, files: Sequence[np.ndarray]) -> None:
        self.files = files
        self.starts = np.cumsum(
            [0, *map(len, files)]
        )  # file k holds the indices from starts[k] to before starts[k + 1]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The drawings at these indices [B], uint8 [B, 784]."""
        return self.gather(self.places(indices))[0]

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """The file of each index, int64 [B]."""
        return np.searchsorted(self.starts, indices, side="right") - 1

    def places(self, indices: np.ndarray) -> Any:
        """The indices as `gather` takes them: here as they are. Called once an epoch."""
        return indices

    def gather(self, places: Any) -> tuple[Any, Any]:
        """(Pixels uint8 [B, 784], labels int64 [B]) of some `places`; numpy arrays here, tensors where a device is."""
        labels = self.labels(places)
        rows = places - self.starts[labels]
        pixels = np.empty((len(places), 28 * 28), dtype=np.uint8)
        for i, (label, row) in enumerate(zip(labels.tolist(), rows.tolist(), strict=True)):
            pixels[i] = self.files[label][row]
        return pixels, labels
