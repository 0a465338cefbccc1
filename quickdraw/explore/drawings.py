"""Measures of drawings: ink, brightness, the mean of a class, which are nearly identical.

All functions take mapped files, uint8 [n, 784] (0 paper, 255 ink), and copy them in pieces, if at all.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from quickdraw.data.class_files import find_class_file, open_class_file
from quickdraw.data.drawings import Drawings
from quickdraw.data.names import DEFAULT_CLASSES

PIECE = 16_384  # drawings copied at once: 13 MB
BLOCK = 512  # drawings compared with all others at once
CELLS = 14  # a side, of the coarse picture in which drawings are compared


def find_drawings(
    *folders: str | os.PathLike[str], classes: Sequence[str] = DEFAULT_CLASSES
) -> tuple[Path, list[str]] | None:
    """The first folder that holds drawings of at least two of the classes, and those; None if there is none."""
    for folder in map(Path, folders):
        found = [name for name in classes if find_class_file(folder, name)]
        if len(found) > 1:
            return folder, found
    return None


def file_table(paths: Mapping[str, Path]) -> pd.DataFrame:
    """The content of each class's file, read off its header: one row a class, the largest first."""
    rows = {}
    for name, path in paths.items():
        file = open_class_file(path)
        rows[name] = {
            "drawings": len(file),
            "shape": str(list(file.shape)),
            "dtype": str(file.dtype),
            "MB": path.stat().st_size / 1e6,
            "MB as float32": file.size * 4 / 1e6,
        }
    table = pd.DataFrame(list(rows.values()), index=list(rows))
    table.insert(1, "share", table["drawings"] / table["drawings"].sum())
    return table.sort_values("drawings", ascending=False, kind="stable")


def pick(files: Sequence[np.ndarray], indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """The drawings at these places, counted through all files in order: uint8 [len(indices), 784]."""
    return Drawings(files)[np.asarray(indices, dtype=np.int64)]


def some_of_each(files: Sequence[np.ndarray], count: int, seed: int = 0) -> list[np.ndarray]:
    """`count` drawings of each class by chance, uint8 [count, 784], fewer where there are fewer."""
    random = np.random.default_rng(seed)
    chosen = []
    for file in files:
        places = random.choice(len(file), min(count, len(file)), replace=False)
        chosen.append(file[np.sort(places)])
    return chosen


def ink(rows: np.ndarray) -> np.ndarray:
    """The share of pixels that the pen touched, float64 [n] in [0, 1]."""
    return np.concatenate([(piece > 0).mean(axis=1) for piece in pieces(rows)])


def brightness(rows: np.ndarray) -> np.ndarray:
    """The mean of the pixels that a network is fed, float64 [n]: 0 a white sheet, 1 a black one."""
    return np.concatenate([piece.mean(axis=1) / 255 for piece in pieces(rows)])


def mean_image(rows: np.ndarray) -> np.ndarray:
    """The mean of a class's drawings, float64 [784] in [0, 1]."""
    total = np.zeros(rows.shape[1])
    for piece in pieces(rows):
        total += piece.sum(axis=0, dtype=np.int64)
    return total / (255 * len(rows))


def pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield all rows, some at a time."""
    for start in range(0, len(rows), PIECE):
        yield rows[start : start + PIECE]


@dataclass(frozen=True)
class Nearest:
    """Of each drawing looked at, the one most like it: arrays [n], places counted through all files in order."""

    index: np.ndarray  # int64
    other: np.ndarray  # int64
    likeness: np.ndarray  # float32: inked cells that both share, of those that either has
    label: np.ndarray  # int64
    other_label: np.ndarray  # int64

    def pairs(self, least: float, across: bool) -> np.ndarray:
        """The pairs at least that alike, int64 [k, 2], each once, the most alike first.

        With `across` those of different classes, otherwise those of one.
        """
        chosen = (self.likeness >= least) & ((self.label != self.other_label) == across)
        places = np.flatnonzero(chosen)[np.argsort(-self.likeness[chosen], kind="stable")]
        ends = np.sort(np.stack([self.index[places], self.other[places]], axis=1), axis=1)
        _, first = np.unique(ends, axis=0, return_index=True)
        return ends[np.sort(first)]

    def table(self, classes: Sequence[str], least: float) -> pd.DataFrame:
        """The number of drawings of each class that have one at least that alike: of the same class, of another."""
        rows = []
        for label in range(len(classes)):
            own = self.label == label
            alike = self.likeness[own] >= least
            across = self.other_label[own] != label
            rows.append(
                {
                    "looked at": int(own.sum()),
                    "like one of its class": int((alike & ~across).sum()),
                    "like one of another class": int((alike & across).sum()),
                    "share": float(alike.mean()) if len(alike) else float("nan"),
                }
            )
        return pd.DataFrame(rows, index=list(classes)).sort_values("share", ascending=False, kind="stable")


def nearest(files: Sequence[np.ndarray], most: int = 8000, seed: int = 0) -> Nearest:
    """Find for each of up to `most` drawings, taken by chance, the one among them that is most like it.

    Drawings are compared as 14x14 black and white cells, black where one of the four pixels is dark: a line that is one
    pixel off is still the same. Likeness is the Jaccard index: cells black in both, of those black in either. All pairs
    are counted exactly, in blocks: 8,000 drawings take a second on one core, and 60 MB.
    """
    drawings = Drawings(files)
    count = min(most, len(drawings))
    index = np.sort(np.random.default_rng(seed).choice(len(drawings), count, replace=False))
    black = coarse(drawings[index])
    area = black.sum(axis=1)
    other, likeness = np.empty(len(index), dtype=np.int64), np.empty(len(index), dtype=np.float32)
    for start in range(0, len(index), BLOCK):
        here = slice(start, start + BLOCK)
        jaccard = black[here] @ black.T
        either = np.add.outer(area[here], area)
        either -= jaccard
        jaccard /= np.maximum(either, 1, out=either)  # two empty sheets share nothing
        jaccard[np.arange(len(jaccard)), np.arange(start, start + len(jaccard))] = -1  # not with itself
        other[here], likeness[here] = jaccard.argmax(axis=1), jaccard.max(axis=1)
    label = drawings.labels(index)
    return Nearest(index, index[other], likeness, label, label[other])


def coarse(rows: np.ndarray) -> np.ndarray:
    """Drawings uint8 [n, 784] as 14x14 cells, 1 where a pixel is darker than half, float32 [n, 196]."""
    side = 28 // CELLS
    cells = rows.reshape(-1, CELLS, side, CELLS, side).max(axis=(2, 4)) > 127
    return cells.reshape(len(rows), -1).astype(np.float32)
