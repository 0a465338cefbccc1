"""How often a race is looked at, and how its error is shared out over the looks.

Whoever looks often finds something by luck. A race may lose its truly best setting at any look, so each look gets a
part of the 5 %: by n seeds, 1 - 1 / sqrt(n) of it is spent (a spending function, Lan and DeMets 1983), whatever the
largest number of seeds, so that a larger budget goes on with the decisions that were made.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from quickdraw.statistics.dunnett import one_sided_tail
from quickdraw.statistics.scores import Floats

TRAILS = 200_000  # simulated settings: they give a level to about 2 % of itself
LOOKS = (*range(2, 21), 25, 30, 40, 50, 60, 80, 100)


def looks_until(max_seeds: int) -> tuple[int, ...]:
    """The numbers of seeds after which a race is looked at: every one at first, where most is decided, then fewer."""
    return (*(look for look in LOOKS if look < max_seeds), max_seeds)


def spent(alpha: float, seeds: int) -> float:
    """Error that may be spent by a number of seeds."""
    return alpha * (1 - 1 / math.sqrt(seeds))


@lru_cache(maxsize=256)
def nominal_levels(settings: int, looks: tuple[int, ...], alpha: float) -> tuple[float, ...]:
    """The level of the test at each look, so that a setting as good as all others is lost as `spent` allows.

    That all are equal is the worst case: whatever makes another setting worse makes the best one's loss less likely.
    Its probability has no closed form, so races without any difference are simulated, always the same ones: means that
    walk from look to look, with the deviation that two-way residuals give. Each of the settings is the best of its
    race. A level does not depend on later looks.
    """
    if settings < 2:
        return (0.0,) * len(looks)
    rng = np.random.default_rng([settings, 17])
    races = max(200, TRAILS // settings)
    totals, squares = np.zeros((races, settings)), np.zeros(races)
    lost = np.zeros((races, settings), dtype=bool)
    levels, before = [], 0
    for look in looks:
        # The seeds since the last look: the first seed of all gives no degree of freedom.
        totals += math.sqrt(look - before) * rng.standard_normal(totals.shape)
        df = (settings - 1) * (look - max(before, 1))
        squares += rng.chisquare(df, races)
        before = look
        df = (settings - 1) * (look - 1)
        error = np.sqrt(squares / df * 2 * look)
        statistic = np.where(lost, -np.inf, _behind_the_best_other(totals) / error[:, None])

        # The critical value that as many exceed as may be lost by now.
        more = round(spent(alpha, look) * lost.size) - int(lost.sum())
        if more <= 0:
            levels.append(0.0)
            continue
        critical = np.partition(statistic, -more - 1, axis=None)[-more - 1]
        lost |= statistic > critical
        levels.append(one_sided_tail(float(critical), settings - 1, df))
    return tuple(levels)


def _behind_the_best_other(totals: Floats) -> Floats:
    """By how much each setting [R, K] is behind the best of the others; negative for the first."""
    second, first = np.partition(totals, -2, axis=1)[:, -2:].T
    best_other = np.where(totals == first[:, None], second[:, None], first[:, None])
    return best_other - totals


def as_looks(looks: Sequence[int] | None, max_seeds: int) -> tuple[int, ...]:
    """The looks of a race: those given, up to its largest number of seeds, or the usual ones."""
    if looks is None:
        return looks_until(max_seeds)
    return (*sorted({look for look in looks if 2 <= look < max_seeds}), max_seeds)
