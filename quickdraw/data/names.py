"""How classes are spelt: the default classes, one spelling for many, the nearest real name, the command that fetches.

The same drawing file goes by many names: `alarm clock.npy`, `alarm_clock.npy`, `alarm%20clock.npy`, by a browser with
one already `alarm clock (1).npy`, by the storage console `full_numpy_bitmap_alarm clock.npy`; with more drawings it is
`alarm clock.full.npz`. `class_files` finds all of them.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from quickdraw.program import module_command

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

# What the storage console, which puts the folder of a file before its name, makes of the official ones.
CONSOLE_PREFIXES = {
    ".npy": ("full numpy bitmap ",),
    ".ndjson": ("full simplified ", "full raw "),
    ".npz": ("sketchrnn ",),
}
COPY = re.compile(r"(.+?) ?\(\d+\)")  # a browser's name for a second download


def fold(name: str) -> str:
    """Spell a class or file name the one way that all its spellings share: `Alarm%20Clock` becomes `alarm clock`."""
    composed = unicodedata.normalize("NFC", unquote(name))  # macOS writes an accent apart from its letter
    return re.sub(r"[\s_/-]+", " ", composed).strip().casefold()


def is_spelt(stem: str, name: str, ending: str) -> bool:
    """Whether a file's name without its ending may be meant for that class."""
    wanted, found = fold(name), fold(stem)
    copy = COPY.fullmatch(found)
    for spelling in [found, copy[1] if copy else found]:
        plain = spelling.removesuffix(".full") if ending == ".npz" else spelling
        for prefix in ("", *CONSOLE_PREFIXES.get(ending, ())):
            if wanted in (spelling, plain.removeprefix(prefix)):
                return True
    return False


def is_raw(path: Path) -> bool:
    """Whether a file is named as the official raw strokes, which nobody has simplified."""
    return fold(path.name).startswith("full raw ")


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
    return " ".join([module_command("quickdraw.data.download"), *map(_quoted, words)])


def _quoted(word: str) -> str:
    return f'"{word}"' if re.search(r"[^\w./\\:-]", word) else word
