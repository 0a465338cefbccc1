"""Class files: found in any spelling, checked by their headers, mapped.

A bitmap file is an `.npy` of uint8 [N, 784]. A download needs all but the mapping, and no numpy.
"""

import errno
import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from quickdraw.data.fetch.official import class_names, read_table
from quickdraw.data.names import download_command, is_raw, is_spelt
from quickdraw.data.npy_header import LONGEST_HEADER, NPY_MAGIC, read_header
from quickdraw.errors import DataError, RunError
from quickdraw.files import allow_open_files

if TYPE_CHECKING:
    import numpy as np

PIXELS = 28 * 28
BYTES_PER_DRAWING = PIXELS
MOST_NAMED = 10  # missing files, of 345 perhaps


def read_bitmap_header(head: bytes) -> tuple[int, int] | None:
    """(Bytes of the header, drawings) of a bitmap file that begins with `head`; None when `head` ends too early.

    Raises DataError when it is not the header of a C-ordered uint8 [N, 784].
    """
    header = read_header(head)
    if header is None:
        return None
    if (header.dtype, header.shape[1:], header.fortran_order) != ("uint8", (PIXELS,), False) or header.shape[0] < 0:
        order = " in Fortran order" if header.fortran_order else ""
        raise DataError(f"expected uint8 [N, {PIXELS}], got {header.dtype} {list(header.shape)}{order}")
    if header.shape[0] == 0:
        raise DataError("expected drawings, got none")
    return header.length, header.shape[0]


def write_bitmap_header(length: int, rows: int) -> bytes:
    """A header of exactly `length` bytes that announces `rows` drawings."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, {PIXELS}), }}"
    return NPY_MAGIC + b"\x01\x00" + (length - 10).to_bytes(2, "little") + text.ljust(length - 11).encode() + b"\n"


def check_bitmap_file(path: Path) -> tuple[int, int]:
    """(Bytes of the header, drawings) of a bitmap file, of which only the header is read.

    Raises DataError when it is no such file, or its size is not what the header announces.
    """
    with path.open("rb") as file:
        header = read_bitmap_header(file.read(LONGEST_HEADER))
        size = os.fstat(file.fileno()).st_size
    if header is None:
        raise DataError(f"not an .npy file (it ends within its header, after {size:,} bytes)")
    length, rows = header
    expected = length + BYTES_PER_DRAWING * rows
    if size != expected:
        raise DataError(f"expected {expected:,} bytes for {rows:,} drawings, got {size:,} bytes")
    return header


def count_drawings(path: Path) -> int:
    """The number of drawings in a bitmap file. Raises DataError as `check_bitmap_file` does."""
    return check_bitmap_file(path)[1]


def is_whole(path: Path) -> bool:
    """Whether there is such a file, and it is a bitmap file of the size that its header announces."""
    try:
        check_bitmap_file(path)
    except (OSError, DataError):
        return False
    return True


def check_whole(path: Path, ending: str, *, every_byte: bool) -> None:
    """Raise DataError when a file of this ending is cut off or something else, as far as it shows by itself.

    `every_byte` takes the time to read the whole of an .npz; the others hold nothing to check their bytes by.
    """
    if ending == ".npy":
        check_bitmap_file(path)
    elif ending == ".npz":
        try:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip() if every_byte else None  # every member carries a CRC
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
            raise DataError(f"expected an npz file, got {error}") from error
        if broken is not None:
            raise DataError(f"expected an npz file, its member {broken} is damaged")
    else:
        with path.open("rb") as file:
            first = file.read(1)
            file.seek(-min(path.stat().st_size, 2), 2)
            last = file.read()
        if first != b"{" or last.rstrip()[-1:] != b"}":
            raise DataError("expected lines of JSON, got something else or a part of it")


def map_class_file(path: Path) -> "np.ndarray":
    """The drawings of a bitmap file, uint8 [N, 784], mapped read-only. Raises DataError that names the file."""
    import numpy as np  # 0.1 s

    try:
        length, rows = check_bitmap_file(path)
        mapped = np.memmap(path, dtype=np.uint8, mode="r", offset=length, shape=(rows, PIXELS))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.EMFILE:
            raise RunError(f"{path}: too many open files; raise the limit in this shell: ulimit -n 1024") from error
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return np.asarray(mapped)  # indexes 4 times as fast


def map_class_files(paths: Iterable[Path]) -> list["np.ndarray"]:
    """Map some files as `map_class_file` does; each stays open."""
    paths = list(paths)
    allow_open_files(len(paths))
    return list(map(map_class_file, paths))


def open_class_file(path: Path) -> "np.ndarray":
    """The drawings of a bitmap file as `map_class_file` gives them, once some were seen to be ink on paper.

    Raises DataError that names the file and, where its array can be made into drawings, how.
    """
    from quickdraw.data.pixel_check import THE_ARRAY, conversion, pixel_fault  # numpy

    try:
        rows = map_class_file(path)
    except DataError as error:
        made = conversion(path)
        advice = f"save {made}{THE_ARRAY}" if made else "copy it or make it again"
        raise DataError(f"{error}; {advice}") from error
    fault = pixel_fault(rows)
    if fault:
        raise DataError(f"{path}: {fault}")
    return rows


def open_class_files(root: Path, paths: Mapping[str, Path]) -> list["np.ndarray"]:
    """Open each class's file as `open_class_file` does. Raises one DataError that lists all that are bad.

    It advises to fetch a class only where there is one of that name and its file may be a damaged official one: what
    is somebody's own stays theirs.
    """
    from quickdraw.data.pixel_check import fainter

    allow_open_files(len(paths))
    files: dict[str, np.ndarray] = {}
    fetchable, complaints = [], []
    for name, path in paths.items():
        try:
            files[name] = open_class_file(path)
        except DataError as error:
            complaints.append(str(error))
            if may_be_official(name, path):
                fetchable.append(name)
    if not complaints:
        complaints = [f"{paths[name]}: {fault}" for name, fault in fainter(files).items()]
    if not complaints:
        return list(files.values())
    advice = ""
    if fetchable:
        advice = f"\nor fetch again, which keeps the old file as .damaged: {download_command(fetchable, root)}"
    raise DataError("; ".join(complaints) + advice)


def may_be_official(name: str, path: Path) -> bool:
    """Whether a file that cannot be used may be the official one of that class, damaged: nothing in it denies it."""
    published = read_table().get(("bitmap", name))
    if published is None or not path.is_file() or is_whole(path):
        return False
    try:
        with path.open("rb") as file:
            header = read_header(file.read(LONGEST_HEADER))
    except OSError:
        return False
    except DataError:
        return True  # a web page, say
    if header is None:
        return True  # it ends within its header
    is_bitmaps = (header.dtype, header.shape[1:], header.fortran_order) == ("uint8", (PIXELS,), False)
    return is_bitmaps and header.shape[0] * PIXELS <= (published.size or 0)


def find_class_files(
    root: Path, classes: Sequence[str], endings: Sequence[str] = (".npy",), kind: str = "bitmap"
) -> dict[str, Path]:
    """Each class's file below `root`, of the first of the `endings` that there is.

    Raises one DataError that lists all that are missing, and the command that fetches files of that kind.
    """
    either = " or ".join(endings)
    if not root.is_dir():
        raise DataError(
            f"data.root={root}: no such folder; put the classes' {either} files there, name another: "
            "data.root=FOLDER, or try data=synthetic"
        )
    found: dict[str, Path] = {}
    missing: list[str] = []
    for name in classes:
        for ending in endings:
            path = find_class_file(root, name, ending)
            if path:
                found[name] = path
                break
        else:
            missing.append(name)
    if missing:
        raise DataError(_missing(root, classes, missing, either, kind))
    check_apart(found)
    return found


def check_apart(paths: Mapping[str, Path]) -> None:
    """Raise DataError if two classes, spelt differently or linked, share one file."""
    owners: dict[tuple[int, int], str] = {}
    for name, path in paths.items():
        status = path.stat()
        owner = owners.setdefault((status.st_dev, status.st_ino), name)
        if owner != name:
            raise DataError(
                f"data.classes: expected a file for each class, got {path} for '{owner}' and for '{name}'; "
                "leave one of them out"
            )


def _missing(root: Path, classes: Sequence[str], missing: Sequence[str], either: str, kind: str) -> str:
    """Say which files are missing, and the command that fetches them."""
    wanted = ", ".join(f"{root / name}{either}" for name in missing[:MOST_NAMED])
    wanted_of_download = list(missing)
    if len(missing) > MOST_NAMED:
        wanted += f" and {len(missing) - MOST_NAMED} more"
        if set(classes) == set(class_names()):
            wanted_of_download = ["--all"]  # which leaves alone what is there
    return (
        f"{len(missing)} of {len(classes)} class files are missing: {wanted}\n"
        f"fetch them: {download_command(wanted_of_download, root, kind)}   (or, without any data: data=synthetic)"
    )


def find_class_file(root: str | Path, name: str, ending: str = ".npy") -> Path | None:
    """The file in `root` that holds class `name`, whatever its spelling, or None.

    `<name><ending>` wins, then what is not raw, then a spelling with the same capitals, then the shortest name. Nothing
    but names is looked at. Raises DataError when the folder cannot be read.
    """
    root = Path(root)
    found = []
    try:
        exact = root / f"{name}{ending}"
        if exact.is_file():
            return exact
        for path in root.iterdir():
            stem, its_ending = path.name[: -len(ending)], path.name[-len(ending) :]
            if its_ending.casefold() == ending and is_spelt(stem, name, ending) and path.is_file():
                found.append(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(
            f"{root}: cannot be read ({error.strerror}); choose another folder: data.root=FOLDER"
        ) from error
    same_capitals = re.sub(r"[\s_-]", "", name)

    def rank(path: Path) -> tuple[bool, bool, int, str]:
        other_capitals = same_capitals not in re.sub(r"[\s_-]", "", unquote(path.name))
        return is_raw(path), other_capitals, len(unquote(path.name)), path.name

    return min(found, key=rank, default=None)
