"""Official 28x28 bitmaps, one `.npy` a class: checked by their headers, mapped, split, served in batches."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from quickdraw.data.batches import Batches
from quickdraw.data.class_files import find_class_files, open_class_files
from quickdraw.data.fetch.official import expand_classes
from quickdraw.data.fingerprint import fingerprint
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.data.split import cached_split
from quickdraw.files import remove_leftovers

ABANDONED_S = 3600  # a temporary file in the cache that is older than this is nobody's any more


class Bitmaps:
    """The drawings of some classes, split into train, val and test.

    `root` holds one file a class, in any of the spellings of `find_class_file`. `limit_per_class` takes the first rows
    of each (None: all); `classes` may be "all", the official 345; `download` fetches what is missing; with `balance`
    a training epoch draws every class equally often; `augment` in [0, 1] is the strength of its small movements, as in
    `quickdraw.data.augment`. The split depends on the drawings and `split_seed` alone, so every run sees the same test
    drawings. What is expensive to find out about a file (its sha256, identical
    drawings) is kept in the folder `cache`.

    Raises DataError that names every missing or bad file, and the remedy.

    Attributes: `classes`, the names in the order of the labels; `train`, `val` and `test`, Batches; `copies`, how many
    drawings are identical to an earlier one; `paths`, each class's file; `fingerprints`, its sha256.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = "data",
        classes: Sequence[str] | str = DEFAULT_CLASSES,
        batch_size: int = 128,
        limit_per_class: int | None = None,
        split_seed: int = 42,
        download: bool = False,
        balance: bool = False,
        augment: float = 0.0,
        cache: str | os.PathLike[str] = "outputs/.cache",
    ) -> None:
        self.classes = expand_classes(classes)
        if download:
            from quickdraw.data.download import download as fetch

            fetch(self.classes, Path(root))
        paths = find_class_files(Path(root), self.classes)
        rows = [file[:limit_per_class] for file in open_class_files(Path(root), paths)]
        self._divide(rows, paths, batch_size, split_seed, balance, augment, Path(cache))

    def _divide(
        self,
        rows: Sequence[np.ndarray],
        paths: Mapping[str, Path],
        batch_size: int,
        split_seed: int,
        balance: bool,
        augment: float,
        cache: Path,
        own_split: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """Split the mapped drawings of the classes' files, by `split_seed` or as their publisher did."""
        remove_leftovers(cache, older_than_s=ABANDONED_S)
        self.paths = dict(paths)
        self.fingerprints = {name: fingerprint(path, cache) for name, path in paths.items()}
        (train, val, test), self.copies = cached_split(
            rows, self.classes, split_seed, list(self.fingerprints.values()), cache, own_split
        )
        self.train = Batches(rows, train, batch_size, balance, augment)
        self.val, self.test = Batches(rows, val, batch_size), Batches(rows, test, batch_size)

    def __str__(self) -> str:
        sizes = self.counts()
        copies = f"; {self.copies:,} identical to an earlier one, kept in its split" if self.copies else ""
        return (
            f"{sizes['total']:,} drawings of {len(self.classes)} classes: {sizes['train']:,} train, "
            f"{sizes['val']:,} val, {sizes['test']:,} test{copies}"
        )

    def counts(self) -> dict[str, int]:
        """Return the number of drawings: `train`, `val`, `test`, `total`, `copies`."""
        sizes = {"train": len(self.train.indices), "val": len(self.val.indices), "test": len(self.test.indices)}
        return sizes | {"total": sum(sizes.values()), "copies": self.copies}
