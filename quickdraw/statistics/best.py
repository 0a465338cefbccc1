"""Which settings may be the best: multiple comparisons with the best. Sources: Hsu (1984), Edwards and Hsu (1983).

Each setting is compared with the best of all others at once. A setting is out when some other is better by more than
Dunnett's critical value times the standard error. With 95 % the best one is not out, and every true distance from the
best of the others lies in its interval, all together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quickdraw.statistics.scores import Floats, Scores, ScoreTable, score_table
from quickdraw.statistics.variance import Pairs, pairs
from quickdraw.statistics.winner import shrunken_means


@dataclass(frozen=True)
class Standing:
    """One setting: its mean over the seeds in [low, high], nan where nothing is known of it.

    Its true distance from the best of the others, negative if it is worse, lies in [distance_low, distance_high].
    """

    name: str
    seeds: int
    diverged: int
    mean: float
    low: float
    high: float
    distance_low: float
    distance_high: float
    may_be_best: bool


@dataclass(frozen=True)
class Margin:
    """By how much the leader is better than the next: `difference`, true with the confidence in [low, high]."""

    leader: str
    second: str
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What the scores of a sweep show; `standings` are best first. `outcome` is one of

    "nothing": no setting has a score; "one setting"; "one seed": nothing can be shown; "no spread": all seeds agree,
    so their luck is not known; "diverged": one setting is left because all others diverged more often; "one best";
    "several": more than one may be the best.

    `deviation` is that of a score over seeds, pooled over the settings (nan if not known). `corrected` is the leader's
    mean without what it gains by having been chosen for it.
    """

    outcome: str
    standings: tuple[Standing, ...]
    confidence: float
    deviation: float = math.nan
    margin: Margin | None = None
    corrected: float = math.nan

    @property
    def may_be_best(self) -> tuple[str, ...]:
        """The settings that may be the best, best first."""
        return tuple(each.name for each in self.standings if each.may_be_best)

    @property
    def best(self) -> str | None:
        """The setting that is the best, if it is shown that one is."""
        return self.standings[0].name if self.outcome in ("one best", "diverged") else None


def compare_with_best(
    scores: Scores, confidence: float = 0.95, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Verdict:
    """Compare every setting with the best of the others.

    Seeds may be missing. A setting that diverged with a larger part of its seeds is worse. Scores lie within `bounds`
    (0 and 1 for accuracies), and so do all intervals.
    """
    table = score_table(scores)
    table = table.of(np.logical_or.reduce(table.trained, axis=1))
    counts = np.isfinite(table.values).sum(axis=1)
    scored = counts > 0
    if not scored.any():
        return Verdict("nothing", _unscored(table), confidence)

    # Who diverged more often than another is not the best; its scores still help to know the luck of seeds.
    steady = table.diverged_fraction == table.diverged_fraction.min()
    candidates = scored & steady
    compared = pairs(table.values[scored])
    rivals = compared.of(candidates[scored])
    outcome = _outcome(table, candidates, rivals, counts)

    # The distances of the candidates, and the settings that may be the best.
    widest = float(bounds[1] - bounds[0])
    low, high = np.full(len(counts), -widest), np.where(steady, widest, 0.0)
    may_be_best = candidates.copy()
    if len(rivals.means) > 1 and rivals.known:
        low[candidates], high[candidates], may_be_best[candidates] = distances(rivals, confidence)
    if outcome == "several" and may_be_best.sum() == 1:
        outcome = "one best"

    # The means, their intervals, and the order.
    means = np.where(scored, _own_means(table.values), np.nan)
    half, deviation = mean_half_widths(table.values, confidence)
    order = sorted(
        range(len(counts)),
        key=lambda row: (table.diverged_fraction[row], -np.nan_to_num(means[row], nan=-np.inf), table.names[row]),
    )
    standings = []
    for row in order:
        ends = np.clip([means[row] - half[row], means[row] + half[row]], *bounds)
        distance = np.clip([low[row], high[row]], -widest, widest)
        standings.append(
            Standing(
                name=table.names[row],
                seeds=int(table.trained[row].sum()),
                diverged=int(table.diverged[row].sum()),
                mean=float(means[row]),
                low=float(ends[0]),
                high=float(ends[1]),
                distance_low=float(distance[0]),
                distance_high=float(distance[1]),
                may_be_best=bool(may_be_best[row]),
            )
        )
    margin = _margin(table, candidates, rivals, confidence, outcome == "one best", widest)
    corrected = math.nan
    if rivals.known:
        corrected = float(np.clip(shrunken_means(rivals.means, rivals.mean_variance).max(), *bounds))
    return Verdict(outcome, tuple(standings), confidence, deviation, margin, corrected)


def distances(rivals: Pairs, confidence: float) -> tuple[Floats, Floats, np.ndarray]:
    """Intervals of each setting's distance from the best of the others, low [K] and high [K], and who may be best [K].

    Hsu's constrained intervals: that of a setting which is not shown to be worse reaches above 0, and that of one which
    is not shown to be the best below it.
    """
    ahead = -rivals.difference
    margins = rivals.margins(1 - confidence)
    same = np.eye(len(rivals.means), dtype=bool)
    highest = np.where(same, np.inf, ahead + margins).min(axis=1)
    may_be_best = highest > 0
    against = may_be_best[None, :] & ~same
    lowest = np.where(against, ahead - margins.T, np.inf).min(axis=1)
    low = np.where(against.any(axis=1), np.minimum(lowest, 0.0), 0.0)
    return low, np.maximum(highest, 0.0), may_be_best


def mean_half_widths(values: Floats, confidence: float) -> tuple[Floats, float]:
    """Half the interval of each setting's own mean [K], by the deviation over seeds that all settings show together.

    What a seed does to all settings alike is part of that luck. A setting that varies plainly more than the others has
    its own deviation (F-test at 5 %). Also that pooled deviation; nan and infinite widths without two seeds.
    """
    from scipy.special import fdtri, stdtrit

    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=1), 1)
    centred = np.where(known, values - _own_means(values)[:, None], 0.0)
    squares, freedom = (centred**2).sum(axis=1), (counts - 1).astype(float)
    total = freedom.sum()
    if not (total and squares.sum()):
        return np.full(len(values), np.inf), math.nan
    variance = np.full(len(values), squares.sum() / total)
    df = np.full(len(values), total)
    own = squares / np.maximum(freedom, 1)
    plain = (freedom > 0) & (own > variance * fdtri(np.maximum(freedom, 1), total, 0.95))
    variance, df = np.where(plain, own, variance), np.where(plain, freedom, df)
    half = stdtrit(df, (1 + confidence) / 2) * np.sqrt(variance / counts)
    return half, math.sqrt(squares.sum() / total)


def mean_intervals(
    groups: Sequence[Sequence[float]], bounds: tuple[float, float], confidence: float = 0.95
) -> list[tuple[float, float]]:
    """The interval of the mean of each group of scores, by the deviation of all groups together, within `bounds`.

    Nan where it is not known: in an empty group, and where no group has two scores that differ.
    """
    values = np.full((len(groups), max(map(len, groups), default=0)), np.nan)
    for row, group in enumerate(groups):
        values[row, : len(group)] = group
    half, _ = mean_half_widths(values, confidence)
    means = _own_means(values)
    known = np.isfinite(half) & np.isfinite(values).any(axis=1)
    low = np.where(known, np.clip(means - half, *bounds), np.nan)
    high = np.where(known, np.clip(means + half, *bounds), np.nan)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _own_means(values: Floats) -> Floats:
    """Mean of each row's finite values [K]; 0 for a row without any."""
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _outcome(table: ScoreTable, candidates: np.ndarray, rivals: Pairs, counts: np.ndarray) -> str:
    if len(table.names) == 1:
        return "one setting"
    if candidates.sum() < 2:
        return "diverged"
    if rivals.known:
        return "several"
    return "one seed" if counts[counts > 0].max() == 1 else "no spread"


def _margin(
    table: ScoreTable, candidates: np.ndarray, rivals: Pairs, confidence: float, shown: bool, widest: float
) -> Margin | None:
    """The leader's lead over the next setting, in Dunnett's two-sided interval; from 0 up if it is shown to be best."""
    if len(rivals.means) < 2:
        return None
    leader, second = np.argsort(-rivals.means, kind="stable")[:2]
    names = [table.names[row] for row in np.flatnonzero(candidates)]
    difference = float(rivals.difference[second, leader])
    half = math.inf
    if rivals.known:
        half = float(rivals.half_widths(int(leader), 1 - confidence)[second])
    low, high = max(difference - half, -widest), min(difference + half, widest)
    if shown:
        low = max(low, 0.0)
    return Margin(names[leader], names[second], difference, low, high)


def _unscored(table: ScoreTable) -> tuple[Standing, ...]:
    """The standings where every training diverged."""
    standings = []
    for name, own in zip(table.names, table.diverged, strict=True):
        seeds = int(own.sum())
        standings.append(Standing(name, seeds, seeds, math.nan, math.nan, math.nan, math.nan, math.nan, False))
    return tuple(standings)
