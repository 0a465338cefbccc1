"""The settings of a sweep as columns: each value by its name, in order, and which run has which."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from quickdraw.run.listing import Run

MOST_VALUES = 8  # a number with more values is a range that was searched: it is cut into as many parts as PARTS
PARTS = 4


@dataclass(frozen=True)
class Column:
    """One setting: its values in order, and the place among them of each run's, int64 [N]."""

    values: list[str]
    codes: np.ndarray

    def of(self, rows: np.ndarray) -> "Column":
        """The column of some runs, by their places or as bool [N]."""
        return Column(self.values, self.codes[rows])

    @property
    def varies(self) -> bool:
        """Whether two runs differ."""
        return len(np.unique(self.codes)) > 1

    def coded(self) -> np.ndarray:
        """One column for each value, 1 where a run has it, float64 [N, values]."""
        return np.eye(len(self.values))[self.codes]


def column(runs: Sequence[Run], key: str) -> Column:
    """The column of one setting. Numbers are in order of size, other values in that of the runs.

    A number with more than MOST_VALUES values is cut at its quartiles, as `0.001..0.004`.
    """
    texts = [run.display(key) for run in runs]
    values = [run.settings.get(key) for run in runs]
    if not all(map(is_number, values)):
        return coded(texts, list(dict.fromkeys(texts)))
    numbers = np.array(values, dtype=float)
    if len({*texts}) > MOST_VALUES and np.isfinite(numbers).all():
        return cut(numbers)
    size = dict(zip(texts, numbers.tolist(), strict=True))
    return coded(texts, sorted(size, key=lambda text: size[text]))


def coded(texts: Sequence[str], values: list[str]) -> Column:
    """The column of texts that are all among some values."""
    places = dict(zip(values, range(len(values)), strict=True))
    return Column(values, np.array([places[text] for text in texts], dtype=np.int64))


def cut(numbers: np.ndarray) -> Column:
    """The column of numbers [N] cut at their quartiles."""
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, PARTS + 1)))
    names: list[str] = []
    for number, (low, high) in enumerate(pairwise(edges), 1):
        name = f"{low:.3g}..{high:.3g}"
        if name in names:  # no two values may have the same name
            name = f"{name} ({number})"
        names.append(name)
    codes = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(names) - 1)
    return Column(names, codes)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
