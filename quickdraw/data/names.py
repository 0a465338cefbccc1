"""How classes and their files are spelt: the default classes, files found as they are, the nearest real name.

The same drawing file goes by many names: `alarm clock.npy`, `alarm_clock.npy`, `alarm%20clock.npy`, and
`full_numpy_bitmap_alarm clock.npy` when it comes from the storage console. All of them are found.
"""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from quickdraw.errors import DataError

DEFAULT_CLASSES = (
    "cat",
    "dolphin",
    "moon",
    "alarm clock",
    "banana",
    "airplane",
    "circle",
    "door",
    "donut",
    "eye",
)

# The storage console puts the file's folder before its name, with underscores for slashes.
CONSOLE_PREFIXES = {".npy": "full_numpy_bitmap_", ".ndjson": "full_simplified_", ".npz": "sketchrnn_"}


def fold(name: str) -> str:
    """Spell a class or file name the one way that all its spellings share: `Alarm%20Clock` becomes `alarm clock`."""
    return re.sub(r"[\s_/-]+", " ", unquote(name)).strip().casefold()


def find_class_file(root: str | Path, name: str, ending: str = ".npy") -> Path | None:
    """Return the file in `root` that holds class `name`, whatever its spelling, or None.

    `<name><ending>` wins, then a spelling with the same capitals, then the first one in alphabetical order. Only names
    are looked at, not contents. Raises DataError when the folder cannot be read.
    """
    root = Path(root)
    try:
        exact = root / f"{name}{ending}"
        if exact.is_file():
            return exact
        spellings = {fold(name), fold(CONSOLE_PREFIXES.get(ending, "") + name)}
        found = [
            path
            for path in root.iterdir()
            if path.name.casefold().endswith(ending) and fold(path.name[: -len(ending)]) in spellings and path.is_file()
        ]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(
            f"{root}: cannot be read ({error.strerror}); choose another folder: data.root=FOLDER"
        ) from error
    same_capitals = re.sub(r"[\s_-]", "", name)
    return min(
        found,
        key=lambda path: (same_capitals not in re.sub(r"[\s_-]", "", unquote(path.name)), path.name),
        default=None,
    )


def nearest_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` of the `known` names that look most like `name`, best first; maybe none."""
    likeness = {each: _likeness(fold(name), fold(each)) for each in known}
    best = sorted(likeness, key=lambda each: -likeness[each])[:count]
    return [each for each in best if likeness[each] >= 0.6]


def _likeness(wanted: str, name: str) -> float:
    """Return 0 to 1. One word counts nearly as much as all: people remember `eifel`, not "The Eiffel Tower"."""
    whole = difflib.SequenceMatcher(None, wanted, name).ratio()
    return max(whole, *(0.9 * difflib.SequenceMatcher(None, wanted, word).ratio() for word in name.split()))


def download_command(names: Iterable[str], root: str | Path = "data", kind: str = "bitmap") -> str:
    """Return the command that fetches these classes into `root`, ready to paste into any shell."""
    names = list(names)
    words = [] if names == list(DEFAULT_CLASSES) else names
    words += ["--kind", kind] if kind != "bitmap" else []
    words += ["--root", str(root)] if Path(root) != Path("data") else []
    quoted = (f'"{word}"' if re.search(r"[^\w./\\:-]", word) else word for word in words)
    return " ".join(["python -m quickdraw.data.download", *quoted])
