"""What mattered: how much of the spread of the scores each setting explains.

The scores are explained by an additive model, a mean and an effect for each value of each setting, fitted by least
squares; so a sweep need not be a full grid. A setting's share is what the fit loses without it, less what chance alone
would give it: Kelley's epsilon squared (1935). `p` is Fisher's F-test of the same loss.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quickdraw.analysis.columns import Column, coded
from quickdraw.analysis.ranking import mean
from quickdraw.statistics.best import mean_intervals
from quickdraw.statistics.holm import holm


@dataclass(frozen=True)
class Value:
    """One value of one setting: how many runs were completed with it, the mean of their scores, its 95 % interval.

    The interval is by the deviation of all runs from the mean of their value. `diverged` is how many runs diverged with
    it; they have no score.
    """

    setting: str
    value: str
    runs: int
    mean: float
    low: float
    high: float
    diverged: int


@dataclass(frozen=True)
class Effect:
    """What one setting did. `share` is the fraction of the scores' spread that it explains.

    `p` is the chance of such a share if no setting did anything, corrected for the number of settings by Holm (both nan
    where no two runs separate chance from effect); `difference` is from the worst value's mean to the best one's.
    """

    setting: str
    share: float
    p: float
    difference: float
    best: str
    worst: str


@dataclass(frozen=True)
class Interaction:
    """Two settings together: the mean score for each value of the first (rows) with each of the second, nan for no run.

    `share` is the fraction of the spread that the two explain beyond the sum of each, `p` the chance of that.
    """

    first: str
    second: str
    rows: list[str]
    columns: list[str]
    means: np.ndarray
    share: float
    p: float


def value_means(
    columns: Mapping[str, Column], scores: np.ndarray, diverged: np.ndarray, bounds: tuple[float, float]
) -> list[Value]:
    """Each value of each setting, by the scores [N] of the runs (nan for one without) and which of them diverged.

    The scores, and so the intervals, lie within `bounds`.
    """
    values = []
    for setting, column in columns.items():
        masks = [column.codes == code for code in range(len(column.values))]
        groups = [scores[own & ~np.isnan(scores)].tolist() for own in masks]
        intervals = mean_intervals(groups, bounds)
        for name, own, known, (low, high) in zip(column.values, masks, groups, intervals, strict=True):
            values.append(Value(setting, name, len(known), mean(known), low, high, int(diverged[own].sum())))
    return values


def effects(
    columns: Mapping[str, Column], scores: np.ndarray, values: Sequence[Value], lower_is_better: bool
) -> list[Effect]:
    """What each setting did that differs between completed runs, by their scores [N], what explains most first."""
    varying = {name: column for name, column in columns.items() if column.varies}
    found = []
    for name, column in varying.items():
        others = [other for other in varying.values() if other is not column]
        share, p = explained(scores, others, column)
        own = [value for value in values if value.setting == name and not math.isnan(value.mean)]
        own.sort(key=lambda value: value.mean, reverse=not lower_is_better)
        best, worst = own[0], own[-1]
        found.append(Effect(name, share, p, abs(best.mean - worst.mean), best.value, worst.value))
    adjusted = holm({effect.setting: effect.p for effect in found})
    return sorted((replace(effect, p=adjusted[effect.setting]) for effect in found), key=place)


def place(effect: Effect) -> tuple[bool, float, float]:
    """What effects are sorted by: those without a share come last."""
    if math.isnan(effect.share):
        return True, 0.0, -effect.difference
    return False, -effect.share, -effect.difference


def interaction(settings: Mapping[str, Column], scores: np.ndarray, first: str, second: str) -> Interaction:
    """Two settings together, by the scores [N] of completed runs."""
    a, b = settings[first], settings[second]
    pairs = list(zip(a.codes.tolist(), b.codes.tolist(), strict=True))

    # The mean of each pair, and the values that a completed run has.
    means = np.full((len(a.values), len(b.values)), np.nan)
    for row, column in {*pairs}:
        means[row, column] = scores[(a.codes == row) & (b.codes == column)].mean()
    rows, columns = np.unique(a.codes), np.unique(b.codes)

    # What a value for each pair explains beyond all settings.
    names = list(map(str, pairs))
    varying = [setting for setting in settings.values() if setting.varies]
    share, p = explained(scores, varying, coded(names, sorted({*names})))
    row_names, column_names = np.array(a.values)[rows].tolist(), np.array(b.values)[columns].tolist()
    return Interaction(first, second, row_names, column_names, means[np.ix_(rows, columns)], share, p)


def explained(y: np.ndarray, others: Sequence[Column], own: Column) -> tuple[float, float]:
    """The share of the spread of y [N] that a setting explains beyond the others, and the p of its F-test.

    Both are nan when the runs are too few for an error to be left over.
    """
    from scipy.special import fdtrc

    if not len(y) or (y == y[0]).all():
        return math.nan, math.nan
    total = float(((y - y.mean()) ** 2).sum())
    without, rank_without = residual(y, others)
    error, rank = residual(y, [*others, own])
    gained, left = rank - rank_without, len(y) - rank
    if left < 1 or gained < 1:
        return math.nan, math.nan
    variance = error / left
    share = max(0.0, (without - error - gained * variance) / total)
    if variance <= 1e-12 * total:
        return share, 0.0
    return share, float(fdtrc(gained, left, max(0.0, (without - error) / gained / variance)))


def residual(y: np.ndarray, columns: Sequence[Column]) -> tuple[float, int]:
    """What least squares leave of y [N], as a sum of squares, and the rank of the model."""
    design = np.hstack([np.ones((len(y), 1)), *(column.coded() for column in columns)])
    fitted, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    return float(((y - design @ fitted) ** 2).sum()), int(rank)
