"""What was published: kinds of files, classes, sizes and MD5, and what a whole file of each kind looks like."""

import ast
import csv
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from quickdraw.data.names import fold, nearest_names
from quickdraw.errors import ConfigError, DataError

BASE_URL = "https://storage.googleapis.com/quickdraw_dataset"
BYTES_PER_DRAWING = 28 * 28
NPY_MAGIC = b"\x93NUMPY"
OFFICIAL_TABLE = Path(__file__).with_name("official_files.tsv")
LONGEST_HEADER = 4096  # a bitmap file's npy header takes 80 or 128 bytes; whatever claims more than this is none


@dataclass(frozen=True)
class Kind:
    """One form in which the drawings were published."""

    name: str
    folder: str  # below the base URL
    ending: str
    magic: bytes  # what every file of this kind begins with


KINDS = {
    kind.name: kind
    for kind in (
        Kind("bitmap", "full/numpy_bitmap", ".npy", NPY_MAGIC),
        Kind("simplified", "full/simplified", ".ndjson", b"{"),
        Kind("sketchrnn", "sketchrnn", ".npz", b"PK"),
    )
}


@dataclass(frozen=True)
class OfficialFile:
    """What a whole file must be. None where nobody published it: then only the server's own word is checked."""

    size: int | None = None
    md5: str | None = None


Table = Mapping[tuple[str, str], OfficialFile]  # by kind and class


@cache
def read_table(path: Path = OFFICIAL_TABLE) -> Table:
    """Read a table of kind, class, bytes and md5. Raises ConfigError when there is no such table."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return {
                (row["kind"], row["class"]): OfficialFile(
                    int(row["bytes"]) if row["bytes"] else None, row["md5"] or None
                )
                for row in csv.DictReader(file, delimiter="\t")
            }
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: expected a table of kind, class, bytes and md5, came {error!r}") from error


def class_names(table: Table | None = None) -> list[str]:
    """Return the names of all classes (345 in the official table), in alphabetical order."""
    return sorted({name for _, name in table or read_table()}, key=str.casefold)


def expand_classes(classes: Sequence[str] | str) -> list[str]:
    """Return what `data.classes` means: a list of names as it is, and `all` as the official 345.

    Raises ConfigError for another word, which is no list.
    """
    if classes == "all":
        return class_names()
    if isinstance(classes, str):
        raise ConfigError(f"data.classes: expected a list of class names or all, got {classes!r}")
    return list(classes)


def resolve_classes(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the real names of the `wanted` classes, in order, without repeats; `alarm_clock` is `alarm clock`.

    Raises ConfigError that lists every name there is no class for, with the nearest real ones.
    """
    known = list(known)
    real = {fold(name): name for name in known}
    strangers = [name for name in wanted if fold(name) not in real]
    if strangers:
        guesses = [f'"{name}" (nearest: {", ".join(nearest_names(name, known)) or "none"})' for name in strangers]
        raise ConfigError(f"expected one of the {len(known)} classes, came {'; '.join(guesses)}; choose a real one")
    return list(dict.fromkeys(real[fold(name)] for name in wanted))


def read_bitmap_header(head: bytes) -> tuple[int, int] | None:
    """Return (bytes of the npy header, number of drawings), or None when `head` ends before the header does.

    The header is read as text, so nothing is ever unpickled. Raises DataError when it is no header of uint8 [N, 784].
    """
    if not NPY_MAGIC.startswith(head[:6]):
        raise DataError(f"expected an npy file, came {head[:16]!r}")
    size_bytes = 2 if head[6:7] == b"\x01" else 4  # format 1.0 against 2.0 and 3.0
    if len(head) < 8 + size_bytes:
        return None
    start = 8 + size_bytes
    length = start + int.from_bytes(head[8:start], "little")
    if length > LONGEST_HEADER:
        raise DataError(f"expected an npy header of at most {LONGEST_HEADER} bytes, came one of {length}")
    if len(head) < length:
        return None
    try:
        fields = ast.literal_eval(head[start:length].decode("latin-1").strip())
        rows, columns = fields["shape"]
        if (fields["descr"].lstrip("|<>="), fields["fortran_order"], columns) != ("u1", False, 784) or rows < 1:
            raise DataError(f"expected uint8 [N, 784], came {fields['descr']} {fields['shape']}")
    except (ValueError, SyntaxError, TypeError, KeyError, AttributeError, MemoryError, RecursionError) as error:
        raise DataError(f"expected an npy header, came {head[start:length][:40]!r}") from error
    return length, int(rows)


def write_bitmap_header(length: int, rows: int) -> bytes:
    """Return an npy header of exactly `length` bytes that announces `rows` drawings."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, 784), }}"
    return NPY_MAGIC + b"\x01\x00" + (length - 10).to_bytes(2, "little") + text.ljust(length - 11).encode() + b"\n"


def count_drawings(path: Path) -> int:
    """Return how many drawings a bitmap file holds. Raises DataError when header and size do not tell the same."""
    with open(path, "rb") as file:
        header = read_bitmap_header(file.read(LONGEST_HEADER))
    size = path.stat().st_size
    if header is None or header[0] + BYTES_PER_DRAWING * header[1] != size:
        raise DataError(f"expected the bytes that the header tells, came {size:,}")
    return header[1]


def check_whole(path: Path, kind: Kind, *, every_byte: bool) -> None:
    """Raise DataError when the file at `path` is cut off or is no file of this kind, as far as it can tell itself.

    `every_byte` takes the time to read the whole of an npz file; the others hold nothing to check their bytes by.
    """
    if kind.ending == ".npy":
        count_drawings(path)
    elif kind.ending == ".npz":
        try:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip() if every_byte else None  # every member carries a CRC
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
            raise DataError(f"expected an npz file, came {error}") from error
        if broken is not None:
            raise DataError(f"expected an npz file, its member {broken} is damaged")
    else:
        with open(path, "rb") as file:
            first = file.read(1)
            file.seek(-min(path.stat().st_size, 2), 2)
            last = file.read()
        if first != b"{" or last.rstrip()[-1:] != b"}":
            raise DataError("expected lines of JSON, came something else or a part of it")
