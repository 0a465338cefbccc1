"""The scores of a sweep by setting and seed, as arrays. Higher is better: a loss comes with its sign turned."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Scores = Mapping[str, Mapping[int, float]]  # setting -> seed -> score; nan or -inf for a training that diverged


@dataclass(frozen=True)
class ScoreTable:
    """Settings by seeds, both in order, whatever the order in which they were given.

    `values` is nan where a training is missing or diverged, float64 [K, N]; `diverged` says which, bool [K, N].
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    values: Floats
    diverged: Bools

    @property
    def trained(self) -> Bools:
        """Finished trainings, bool [K, N]."""
        return self.diverged | np.isfinite(self.values)

    @property
    def diverged_fraction(self) -> Floats:
        """The part of each setting's trainings that diverged, float64 [K]; 0 for one without trainings."""
        return self.diverged.sum(axis=1) / np.maximum(self.trained.sum(axis=1), 1)

    def of(self, chosen: Bools) -> "ScoreTable":
        """The table of some of the settings, bool [K]."""
        names = tuple(np.array(self.names, dtype=object)[chosen])
        return ScoreTable(names, self.seeds, self.values[chosen], self.diverged[chosen])


def score_table(scores: Scores, seeds: Iterable[int] | None = None) -> ScoreTable:
    """The table of some scores; its seeds are those that any setting was trained with, unless they are given."""
    names = tuple(sorted(scores))
    known = {seed for own in scores.values() for seed in own}
    columns = tuple(sorted(known) if seeds is None else seeds)
    place = {seed: column for column, seed in enumerate(columns)}
    values = np.full((len(names), len(columns)), np.nan)
    diverged = np.zeros(values.shape, dtype=bool)
    for row, name in enumerate(names):
        for seed, score in scores[name].items():
            if seed not in place:
                continue
            if math.isfinite(score):
                values[row, place[seed]] = score
            else:
                diverged[row, place[seed]] = True
    return ScoreTable(names, columns, values, diverged)
