"""Which setting is really better: settings that differ only in their seed are one row, with its spread."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from quickdraw.analysis.runs import Run, varied
from quickdraw.settings import shown


@dataclass(frozen=True)
class Setting:
    """The runs of one setting. `name` is what differs, as it would be typed; `scores` are by seed, higher is better."""

    name: str
    runs: list[Run]
    scores: dict[int, float]

    @property
    def mean(self) -> float:
        return fmean(self.scores.values())

    @property
    def deviation(self) -> float:
        """Standard deviation over the seeds; nan for a single one."""
        return stdev(self.scores.values()) if len(self.scores) > 1 else math.nan

    @property
    def half_width(self) -> float:
        """Half the 95 % interval of the mean, by Student's t; nan for a single seed."""
        return half_width(list(self.scores.values()))

    def test_accuracy(self) -> float:
        """Mean over the seeds. For the record: it ranks nothing."""
        return fmean(run.result["test_accuracy"] for run in self.runs)


def rank(runs: Sequence[Run]) -> list[Setting]:
    """Return the settings of the completed runs, best mean validation score first."""
    completed = [run for run in runs if run.score is not None]
    keys = [key for key in varied(runs) if key != "seed"]
    groups: dict[str, list[Run]] = {}
    for run in completed:
        name = " ".join(f"{key}={shown(run.settings[key])}" for key in keys if key in run.settings)
        groups.setdefault(name, []).append(run)
    settings = [
        Setting(name, group, {run.settings.get("seed", 0): run.score for run in group if run.score is not None})
        for name, group in groups.items()
    ]
    return sorted(settings, key=lambda setting: -setting.mean)


def verdict(settings: Sequence[Setting]) -> str:
    """Say in words whether the best setting can be told from the next one.

    Over the seeds that both have, the differences are compared with zero by Student's t at 95 % (paired: a seed shares
    initial weights, order and dropout masks, so luck cancels in part); with fewer than two common seeds, by Welch's.
    """
    if len(settings) < 2:
        return ""
    best, second = settings[0], settings[1]
    common = sorted(best.scores.keys() & second.scores.keys())
    difference = best.mean - second.mean
    if len(common) > 1:
        paired = [best.scores[seed] - second.scores[seed] for seed in common]
        difference, margin, how = fmean(paired), half_width(paired), f"paired over {len(common)} seeds"
    elif min(len(best.scores), len(second.scores)) > 1:
        margin, how = welch_half_width(list(best.scores.values()), list(second.scores.values())), "unpaired"
    else:
        return (
            f"{best.name} leads {second.name} by {difference:.4f}, with one seed: that may be luck. "
            "Add seeds to know: seed=0,1,2,3,4"
        )
    interval = f"{difference:+.4f} (95 %: {difference - margin:+.4f} to {difference + margin:+.4f}, {how})"
    if difference > margin:
        return f"{best.name} is better than {second.name}: {interval}."
    return f"{best.name} cannot be told from {second.name}: {interval}."


def half_width(values: Sequence[float]) -> float:
    """Return half the 95 % interval of the mean of some values, by Student's t; nan for fewer than two."""
    count = len(values)
    return t_quantile(count - 1) * stdev(values) / math.sqrt(count) if count > 1 else math.nan


def welch_half_width(first: Sequence[float], second: Sequence[float]) -> float:
    """Return half the 95 % interval of the difference of two means with unequal variances.

    Source: Welch (1947), with the degrees of freedom of Satterthwaite (1946).
    """
    a, b = (stdev(values) ** 2 / len(values) for values in (first, second))
    if a + b == 0:
        return 0.0
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    return t_quantile(freedom) * math.sqrt(a + b)


def t_quantile(freedom: float) -> float:
    """Return the two-sided 95 % quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
