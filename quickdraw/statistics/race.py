"""A race: every setting gets a few seeds, those shown to be worse get no more, the rest go on.

`decide` is a pure function of the scores, so whoever stopped a race, at any moment and in any way, finds it again. A
setting is dropped when the leader is better by more than Dunnett's critical value times the standard error, at the
level that its look may spend (`spending`): the truly best setting is lost in at most `alpha` of all races.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from quickdraw.statistics.best import Margin
from quickdraw.statistics.dunnett import critical_value
from quickdraw.statistics.scores import Bools, Floats, Scores, ScoreTable, score_table
from quickdraw.statistics.spending import as_looks, nominal_levels
from quickdraw.statistics.variance import Pairs, pairs

POWER = 0.8  # chance of separating two settings for which a number of seeds is called enough
MOST_SEEDS = 1000  # more than these are not counted


@dataclass(frozen=True)
class Dropped:
    """A setting that got no more seeds: when, why ("worse" or "diverged"), and behind which one it was.

    It is worse by `difference`, in [low, high] at the race's level: two-sided, for all settings and looks at once.
    """

    name: str
    seeds: int
    why: str
    leader: str
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Round:
    """A look at the race: after how many seeds, and who was left then, best first."""

    seeds: int
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """How a race stands. `kept`, best first, holds the best setting; `why` a race ended, "" while it goes on:

    "one left"; "tolerance": none of the rest is worse than the best by more; "futility": the seeds that are left would
    probably show no more; "max_seeds"; "max_jobs". `best` is known in the first two cases. `needed` are the trainings
    that the next look waits for, `jobs` those that the race has used. `enough_seeds` would probably separate the two
    best; None if nothing suggests a number. `margin` is the first one's lead over the second.
    """

    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    rounds: tuple[Round, ...]
    why: str
    best: str | None
    seeds: int
    jobs: int
    needed: tuple[tuple[str, int], ...] = ()
    enough_seeds: int | None = None
    margin: Margin | None = None

    @property
    def finished(self) -> bool:
        """Whether no more trainings are wanted."""
        return bool(self.why)


@dataclass
class _State:
    """A race between two looks: who is left, the seeds that each setting got, and what was recorded."""

    table: ScoreTable
    active: Bools
    used: Floats
    dropped: list[Dropped] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    seeds: int = 0
    jobs: int = 0

    def compared(self) -> Pairs | None:
        """The settings that are left, two by two, by the scores that the race has used; None without any score."""
        within = np.arange(len(self.table.seeds)) < self.used[:, None]
        values = np.where(within, self.table.values, np.nan)
        scored = np.logical_or.reduce(np.isfinite(values), axis=1)
        if not (scored.any() and scored[self.active].all()):
            return None
        return pairs(values[scored]).of(self.active[scored])

    def kept(self, compared: Pairs | None) -> tuple[str, ...]:
        """The settings that are left, best first; in the order of their names where nothing else is known."""
        places = np.flatnonzero(self.active)
        if compared is not None:
            places = places[np.argsort(-compared.means, kind="stable")]
        return tuple(self.table.names[place] for place in places)


def decide(
    scores: Scores,
    *,
    max_seeds: int = 20,
    max_jobs: int | None = None,
    tolerance: float = 0.0,
    futility: float = 0.1,
    alpha: float = 0.05,
    looks: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
) -> Decision:
    """How a race stands by the scores so far, of all settings that entered it (an empty mapping before its first seed).

    `looks` are the numbers of seeds after which settings may be dropped, `seeds` the seeds in their order (0, 1, ...).
    A race also ends when no setting that is left would be dropped by `max_seeds` with a chance of `futility`.
    """
    order = range(max_seeds) if seeds is None else seeds[:max_seeds]
    table = score_table(scores, order)
    state = _State(table, np.ones(len(table.names), dtype=bool), np.zeros(len(table.names)))
    if len(table.names) < 2:
        return _decision(state, "one left")
    times = as_looks(looks, len(order))
    levels = nominal_levels(len(table.names), times, alpha)
    for look, level in zip(times, levels, strict=True):
        # The trainings that this look takes: is there a budget for them, and are they there?
        cost = int(state.active.sum()) * (look - state.seeds)
        if max_jobs is not None and state.jobs + cost > max_jobs:
            return _decision(state, "max_jobs", levels[-1])
        needed = _needed(state, look)
        if needed:
            return _decision(state, "", levels[-1], needed)
        state.jobs += cost
        state.seeds = look
        state.used[state.active] = look

        # Who is shown to be worse?
        _drop_diverged(state)
        compared = state.compared()
        if compared is not None and compared.known:
            compared = _drop_worse(state, compared, level)
        state.rounds.append(Round(look, state.kept(compared)))

        # May the race end?
        if state.active.sum() == 1:
            return _decision(state, "one left")
        if compared is not None and compared.known:
            if tolerance > 0 and _within(compared, level, tolerance):
                return _decision(state, "tolerance", levels[-1])
            if look < len(order) and _chance(compared, levels[-1], look / len(order)) < futility:
                return _decision(state, "futility", levels[-1])
    return _decision(state, "max_seeds", levels[-1])


def _needed(state: _State, look: int) -> list[tuple[str, int]]:
    """The trainings that are missing for a look, seed by seed."""
    missing = ~state.table.trained[:, :look] & state.active[:, None]
    return [(state.table.names[row], state.table.seeds[column]) for column, row in np.argwhere(missing.T)]


def _drop_diverged(state: _State) -> None:
    """Drop who diverged with more seeds than another one."""
    counts = state.table.diverged[:, : state.seeds].sum(axis=1)
    fewest = counts[state.active].min()
    steady = state.active & (counts == fewest)
    for place in np.flatnonzero(state.active & ~steady):
        leader = state.table.names[np.flatnonzero(steady)[0]]
        state.dropped.append(Dropped(state.table.names[place], state.seeds, "diverged", leader))
    state.active = steady


def _drop_worse(state: _State, compared: Pairs, level: float) -> Pairs:
    """Drop who is worse than the leader by more than luck, the nearest last; the pairs of the others."""
    if len(compared.means) < 2:
        return compared
    leader = int(compared.means.argmax())
    behind = compared.difference[:, leader]
    worse = behind > compared.margins_to(leader, level)
    if not worse.any():
        return compared
    half = compared.half_widths(leader, level)
    places = np.flatnonzero(state.active)
    farthest_first = np.argsort(-behind, kind="stable")
    for row in farthest_first[worse[farthest_first]]:
        low, high = max(0.0, float(behind[row] - half[row])), float(behind[row] + half[row])
        names = state.table.names
        state.dropped.append(
            Dropped(names[places[row]], state.seeds, "worse", names[places[leader]], float(behind[row]), low, high)
        )
    state.active[places[worse]] = False
    return compared.of(~worse)


def _within(compared: Pairs, level: float, tolerance: float) -> bool:
    """Whether every setting that is left is surely no more than a tolerance behind any other."""
    return bool((compared.difference + compared.margins(level)).max() <= tolerance)


def _chance(compared: Pairs, level: float, progress: float) -> float:
    """The chance that any setting is dropped by the last look, where `progress` is the part of its seeds used so far.

    Predictive power: that of the last look, averaged over what the true difference may be by the data (Spiegelhalter,
    Freedman and Blackburn 1986).
    """
    from scipy.special import ndtr

    leader = int(compared.means.argmax())
    rest = np.arange(len(compared.means)) != leader
    behind, error = compared.difference[rest, leader], compared.error[rest, leader]
    beyond = behind - compared.margins_to(leader, level)[rest] * math.sqrt(progress)
    return float(ndtr(beyond / (error * math.sqrt(1 - progress))).max())


def _enough_seeds(compared: Pairs, level: float, seeds: int) -> int | None:
    """The seeds that would show the leader better than the next one with a chance of POWER, if it is by so much."""
    from scipy.special import ndtri

    leader, second = np.argsort(-compared.means, kind="stable")[:2]
    behind, error = compared.difference[second, leader], compared.error[second, leader]
    critical = critical_value(level, 1, math.floor(compared.df[second, leader]))
    if not behind * math.sqrt(MOST_SEEDS / seeds) > (critical + ndtri(POWER)) * error:
        return None
    return max(seeds + 1, math.ceil(seeds * ((critical + ndtri(POWER)) * error / behind) ** 2))


def _decision(state: _State, why: str, level: float = 0.0, needed: Sequence[tuple[str, int]] = ()) -> Decision:
    """What is decided."""
    compared = state.compared()
    kept = state.kept(compared)
    best, enough, margin = None, None, None
    if kept and why in ("one left", "tolerance"):
        best = kept[0]
    if best is None and len(kept) > 1 and compared is not None and compared.known and level > 0:
        enough = _enough_seeds(compared, level, state.seeds)
        margin = _margin(compared, kept, level)
    return Decision(
        kept,
        tuple(state.dropped),
        tuple(state.rounds),
        why,
        best,
        state.seeds,
        state.jobs,
        tuple(needed),
        enough,
        margin,
    )


def _margin(compared: Pairs, kept: Sequence[str], level: float) -> Margin:
    """The lead of the first over the second, with an interval at the level of a look."""
    leader, second = np.argsort(-compared.means, kind="stable")[:2]
    ahead, half = float(compared.difference[second, leader]), float(compared.half_widths(int(leader), level)[second])
    return Margin(kept[0], kept[1], ahead, ahead - half, ahead + half)
