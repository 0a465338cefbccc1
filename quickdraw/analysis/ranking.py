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
    def half_width(self) -> float:
        """Half the 95 % interval of the mean, by Student's t; nan for fewer than two seeds."""
        return half_width(list(self.scores.values()))

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


def verdict(settings: Sequence[Setting]) -> str:
    """Whether the best setting can be distinguished from the next one, in words; empty if there are no two to compare.

    Over the seeds that both have, the differences are compared with zero by Student's t at 95 % (paired: a seed shares
    initial weights, order and dropout masks, so luck cancels in part); with fewer than two common seeds, by Welch's.
    """
    if len(settings) < 2 or not settings[0].scores:
        return ""
    best, second = settings[0], settings[1]

    # A setting that diverges more often is worse, whatever its other seeds reach.
    if best.diverged_fraction < second.diverged_fraction:
        return (
            f"{second.name} diverged with {second.diverged} of {len(second.runs)} seeds, "
            f"{best.name} with {best.diverged} of {len(best.runs)}."
        )

    # The difference, and half of its 95 % interval.
    common = sorted(best.scores.keys() & second.scores.keys())
    difference = best.mean - second.mean
    if len(common) > 1:
        paired = [best.scores[seed] - second.scores[seed] for seed in common]
        difference, margin, how = fmean(paired), half_width(paired), f"paired over {len(common)} seeds"
    elif min(len(best.scores), len(second.scores)) > 1:
        margin, how = welch_half_width(list(best.scores.values()), list(second.scores.values())), "unpaired, by Welch"
    else:
        return (
            f"{best.name} leads {second.name} by {difference:.4f}, with one seed: that may be luck. "
            "Use more seeds to decide: seed=0,1,2,3,4"
        )

    # What it means. Two seeds on few drawings often differ by exactly as much: a spread of zero is not certainty.
    interval = f"by {difference:.4f} (95 %: {difference - margin:+.4f} to {difference + margin:+.4f}, {how})"
    if difference > margin > 0:
        return f"{best.name} is better than {second.name} {interval}."
    undecided = f"{best.name} leads {second.name} {interval}: the two cannot be distinguished."
    if margin == 0:
        undecided += " The seeds do not differ at all: use more drawings or more seeds to decide."
    return undecided


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


def half_width(values: Sequence[float]) -> float:
    """Half the 95 % interval of the mean of some values, by Student's t; nan for fewer than two."""
    count = len(values)
    if count < 2:
        return math.nan
    return t_quantile(count - 1) * stdev(values) / math.sqrt(count)


def welch_half_width(first: Sequence[float], second: Sequence[float]) -> float:
    """Half the 95 % interval of the difference of two means with unequal variances.

    Source: Welch (1947), with the degrees of freedom of Satterthwaite (1946).
    """
    a = stdev(first) ** 2 / len(first)
    b = stdev(second) ** 2 / len(second)
    if a + b == 0:
        return 0.0
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    return t_quantile(freedom) * math.sqrt(a + b)


def t_quantile(freedom: float) -> float:
    """The two-sided 95 % quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
