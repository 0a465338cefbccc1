"""Official 28x28 bitmaps, one `.npy` a class: checked by their headers, mapped, split, served in batches."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from quickdraw.data.batches import Batches
from quickdraw.data.fetch.official import class_names, expand_classes
from quickdraw.data.fingerprint import fingerprint
from quickdraw.data.names import DEFAULT_CLASSES, download_command, find_class_file
from quickdraw.data.split import cached_split
from quickdraw.errors import DataError
from quickdraw.files import remove_leftovers

PIXELS = 28 * 28
MOST_NAMED = 10  # missing files, of 345 perhaps
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
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
        paths = find_files(Path(root), self.classes)
        rows = [file[:limit_per_class] for file in open_files(Path(root), paths)]
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


def find_files(
    root: Path, classes: Sequence[str], endings: Sequence[str] = (".npy",), kind: str = "bitmap"
) -> dict[str, Path]:
    """Return each class's file below `root`, of the first of the `endings` that there is.

    Raises one DataError that lists all that are missing, and the command that fetches files of that kind.
    """
    either = " or ".join(endings)
    if not root.is_dir():
        raise DataError(
            f"data.root={root}: no such folder; put the classes' {either} files there, or try data=synthetic"
        )
    found = {
        name: next((path for ending in endings if (path := find_class_file(root, name, ending))), None)
        for name in classes
    }
    missing = [name for name, path in found.items() if path is None]
    if missing:
        wanted = ", ".join(str(root / f"{name}{either}") for name in missing[:MOST_NAMED])
        wanted += f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        everything = len(missing) > MOST_NAMED and set(classes) == set(class_names())
        command = download_command(["--all"] if everything else missing, root, kind)  # it leaves alone what is there
        raise DataError(
            f"{len(missing)} of {len(classes)} class files are missing: {wanted}\n"
            f"fetch them: {command}   (or, without any data: data=synthetic)"
        )
    return {name: path for name, path in found.items() if path is not None}


def open_files(root: Path, paths: Mapping[str, Path]) -> list[np.ndarray]:
    """Map each file as `open_bitmaps` does; raises one DataError that lists all that are bad."""
    files, bad, complaints = [], [], []
    for name, path in paths.items():
        try:
            files.append(open_bitmaps(path))
        except DataError as error:
            bad.append(name)
            complaints.append(str(error))
    if complaints:
        raise DataError("; ".join(complaints) + f"\nremove and fetch again: {download_command(bad, root)}")
    return files


def open_bitmaps(path: Path) -> np.ndarray:
    """Return the file as uint8 [N, 784], mapped read-only.

    Only the header is read, by numpy's own parser, which takes it for a literal and runs nothing. Raises DataError when
    it is not the header of a C-ordered uint8 [N, 784] or the file's size is not what the header promises.
    """
    try:
        with path.open("rb") as file:
            read_header = HEADERS[np.lib.format.read_magic(file)]
            with warnings.catch_warnings(action="ignore"):  # Python's parser comments on what is nearly a literal
                shape, fortran_order, dtype = read_header(file)
            offset = file.tell()
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # whatever numpy's parser raises on bytes that are no header
        raise DataError(f"{path}: expected an .npy file of drawings, but its header is none") from error
    if dtype != np.uint8 or len(shape) != 2 or shape[1] != PIXELS or fortran_order:
        order = " in Fortran order" if fortran_order else ""
        raise DataError(f"{path}: expected uint8 [N, {PIXELS}], got {dtype} {list(shape)}{order}")
    if size != offset + shape[0] * PIXELS:
        raise DataError(
            f"{path}: expected {offset + shape[0] * PIXELS:,} bytes for {shape[0]:,} drawings, got {size:,} bytes"
        )
    if not shape[0]:
        raise DataError(f"{path}: expected drawings, got none")
    return np.asarray(np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape))  # indexes 4 times as fast
