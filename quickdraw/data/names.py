"""How classes are spelt: the default classes, one spelling for many, the nearest real name, the command that fetches.

The same drawing file goes by many names: `alarm clock.npy`, `alarm_clock.npy`, `alarm%20clock.npy`, and
`full_numpy_bitmap_alarm clock.npy` when it is fetched by the storage console. `class_files` finds all of them.
"""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

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


def nearest_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` of the `known` names that look most like `name`, best first; maybe none."""
    likeness = {each: _likeness(fold(name), fold(each)) for each in known}
    best = sorted(likeness, key=lambda each: -likeness[each])[:count]
    return [each for each in best if likeness[each] >= 0.6]


def _likeness(wanted: str, name: str) -> float:
    """From 0 to 1. One word counts nearly as much as all: people remember `eifel`, not "The Eiffel Tower"."""
    whole = difflib.SequenceMatcher(None, wanted, name).ratio()
    return max(whole, *(0.9 * difflib.SequenceMatcher(None, wanted, word).ratio() for word in name.split()))


def download_command(names: Iterable[str], root: str | Path = "data", kind: str = "bitmap") -> str:
    """The command that fetches these classes into `root`, ready to paste into any shell."""
    words = list(names)
    if words == list(DEFAULT_CLASSES):
        words = []
    if kind != "bitmap":
        words += ["--kind", kind]
    if Path(root) != Path("data"):
        words += ["--root", str(root)]
    return " ".join(["python -m quickdraw.data.download", *map(_quoted, words)])


def _quoted(word: str) -> str:
    return f'"{word}"' if re.search(r"[^\w./\\:-]", word) else word
