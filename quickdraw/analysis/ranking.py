"""Which setting is really better: settings that differ only in their seed are one row, with its spread."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from quickdraw.run.listing import Run, setting_text

SAME = "(all the same)"


@dataclass(frozen=True)
class Setting:
    """The runs of one setting, one a seed. `name` is what differs from the other settings."""

    name: str
    runs: list[Run]

    @property
    def label(self) -> str:
        """The name, or what a table shows where nothing differs."""
        return self.name or SAME

    @cached_property
    def scores(self) -> dict[int, float]:
        """The validation scores by seed, higher is better."""
        return {run.settings.get("seed", 0): run.score for run in self.runs if run.score is not None}

    @property
    def mean(self) -> float:
        """Mean over the seeds; nan if none was completed."""
        return mean(list(self.scores.values()))

    @property
    def deviation(self) -> float:
        """Standard deviation over the seeds; nan for fewer than two."""
        return deviation(list(self.scores.values()))

    @property
    def diverged(self) -> int:
        """How many seeds diverged. Their scores would be the worst of all, so the mean of the others flatters."""
        return sum(run.state == "diverged" for run in self.runs)

    @property
    def diverged_fraction(self) -> float:
        """The same as a fraction of the finished seeds."""
        return self.diverged / len(self.runs)

    def test_accuracy(self) -> float:
        """Mean over the seeds. For the record: it ranks nothing."""
        return self.result_mean("test_accuracy")

    def result_mean(self, key: str) -> float:
        """Mean of a number of the results over the seeds; nan if none has it."""
        return mean([run.result[key] for run in self.runs if key in run.result])


def rank(runs: Sequence[Run], keys: Mapping[str, str]) -> list[Setting]:
    """The settings of the finished runs, best mean validation score first.

    `keys` are the settings that vary, without the seed, and the names of their columns. A setting comes after all that
    diverged with fewer of their seeds.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.score is not None or run.state == "diverged":
            groups.setdefault(setting_text(run, keys), []).append(run)
    return sorted(map(Setting, groups.keys(), groups.values()), key=place)


def place(setting: Setting) -> tuple[float, float]:
    """What settings are sorted by, the best first."""
    return setting.diverged_fraction, -setting.mean if setting.scores else 0.0


def best_first(runs: Sequence[Run]) -> list[Run]:
    """The runs that have a score, the best first."""
    scored = [run for run in runs if run.score is not None]
    return sorted(scored, key=lambda run: run.score or 0.0, reverse=True)


def mean(values: Sequence[float]) -> float:
    """Mean; nan of no values."""
    if not values:
        return math.nan
    return fmean(values)


def deviation(values: Sequence[float]) -> float:
    """Standard deviation; nan for fewer than two values."""
    if len(values) < 2:
        return math.nan
    return stdev(values)
