"""What was published: kinds of files, classes, sizes and MD5."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from quickdraw.data.names import fold, nearest_names
from quickdraw.errors import ConfigError

BASE_URL = "https://storage.googleapis.com/quickdraw_dataset"
OFFICIAL_TABLE = Path(__file__).with_name("official_files.tsv")


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
        Kind("bitmap", "full/numpy_bitmap", ".npy", b"\x93NUMPY"),
        Kind("simplified", "full/simplified", ".ndjson", b"{"),
        Kind("sketchrnn", "sketchrnn", ".npz", b"PK"),
    )
}


@dataclass(frozen=True)
class OfficialFile:
    """What a whole file must be. None where nobody published it: then only what the server says is checked."""

    size: int | None = None
    md5: str | None = None


Table = Mapping[tuple[str, str], OfficialFile]  # by kind and class


@cache
def read_table(path: Path = OFFICIAL_TABLE) -> Table:
    """Read a table of kind, class, bytes and md5.

    Raises ConfigError when there is no such table, or when a class has no name that a file can have: a table may come
    from anywhere, and `../x` would be written outside the data's folder.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            table = {}
            for row in csv.DictReader(file, delimiter="\t"):
                if set(row["class"]) & set("/\\\0") or row["class"].strip() in ("", ".", ".."):
                    raise ValueError(f"the class {row['class']!r:.40}, which names no file")
                size = int(row["bytes"]) if row["bytes"] else None
                table[row["kind"], row["class"]] = OfficialFile(size, row["md5"] or None)
            return table
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: expected a table of kind, class, bytes and md5, got {error!r}") from error


def class_names(table: Table | None = None) -> list[str]:
    """The names of all classes (345 in the official table), in alphabetical order."""
    return sorted({name for _, name in table or read_table()}, key=str.casefold)


def expand_classes(classes: Sequence[str] | str) -> list[str]:
    """The class names that `data.classes` means: a list as it is, `all` as the official 345.

    Raises ConfigError for another word, which is no list.
    """
    if classes == "all":
        return class_names()
    if isinstance(classes, str):
        raise ConfigError(f"data.classes: expected a list of class names or all, got {classes!r}")
    return list(classes)


def resolve_classes(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    """The real names of the `wanted` classes, in order, without repeats; `alarm_clock` is `alarm clock`.

    Raises ConfigError that lists every name there is no class for, with the nearest real ones.
    """
    real = {fold(name): name for name in known}
    found: list[str] = []
    unknown: list[str] = []
    for name in wanted:
        if fold(name) not in real:
            nearest = ", ".join(nearest_names(name, real.values())) or "none"
            unknown.append(f'"{name}" (nearest: {nearest})')
        elif real[fold(name)] not in found:
            found.append(real[fold(name)])
    if unknown:
        raise ConfigError(f"expected one of the {len(real)} classes, got {'; '.join(unknown)}; choose a real one")
    return found
