"""Critical values for several comparisons with one setting at once. Source: Dunnett (1955, 1964).

The differences between k settings and one more are correlated, because that one is in all of them: 1/2 if all have the
same variance and number of seeds. Given that one's own luck z and the estimated deviation s, the differences are
independent, so that the k-dimensional t distribution becomes an integral over two numbers: over z by the trapezoidal
rule, which converges faster than any power for a normal density, and over s at quantiles of the chi distribution.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LUCK = np.linspace(-6.6, 6.6, 67)
LUCK_WEIGHTS = np.exp(-(LUCK**2) / 2) / math.sqrt(2 * math.pi) * (LUCK[1] - LUCK[0])
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(32)
KNOTS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 60, math.inf])  # degrees of freedom: see critical_values


def one_sided_tail(critical: float, comparisons: int, df: float, correlation: float = 0.5) -> float:
    """Probability that the largest of several correlated t statistics exceeds a value."""
    deviations, weights = chi_nodes(df)
    inner = (critical * deviations[:, None] + math.sqrt(correlation) * LUCK) / math.sqrt(1 - correlation)
    below = _normal_cdf(inner) ** comparisons @ LUCK_WEIGHTS
    return float(1 - weights @ below)


def two_sided_tail(critical: float, comparisons: int, df: float, correlation: float = 0.5) -> float:
    """Probability that the largest absolute value of several correlated t statistics exceeds a value."""
    deviations, weights = chi_nodes(df)
    width, shift = critical * deviations[:, None], math.sqrt(correlation) * LUCK
    scale = math.sqrt(1 - correlation)
    within = _normal_cdf((shift + width) / scale) - _normal_cdf((shift - width) / scale)
    return float(1 - weights @ (within**comparisons @ LUCK_WEIGHTS))


@lru_cache(maxsize=65536)
def critical_value(
    level: float, comparisons: int, df: float, correlation: float = 0.5, two_sided: bool = False
) -> float:
    """Value that the largest of several correlated t statistics exceeds with a given probability.

    Infinite without degrees of freedom: then nothing is known of the deviation, and nothing can be shown.
    """
    if df < 1:
        return math.inf
    from scipy.optimize import brentq

    tail = two_sided_tail if two_sided else one_sided_tail

    def excess(critical: float) -> float:
        return tail(critical, comparisons, df, correlation) - level

    high = 4.0
    while excess(high) > 0:
        high *= 2
    if excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, high, xtol=1e-5))


@lru_cache(maxsize=4096)
def chi_nodes(df: float) -> tuple[Floats, Floats]:
    """Estimated deviations, for a true one of 1, at which to integrate, and their weights, float64 [S] each.

    Gauss and Legendre's rule over the part of the chi distribution that holds all but 2e-9 of it, with more of the
    nodes near its lower end: small estimates are what makes large t statistics.
    """
    if math.isinf(df):
        return np.ones(1), np.ones(1)
    from scipy.special import chdtri, gammaln

    low, high = np.sqrt(chdtri(df, [1 - 1e-9, 1e-9]) / df)
    position = (1 + NODES) / 2
    deviations = low + (high - low) * position**3
    log_density = (df - 1) * np.log(deviations) - df * deviations**2 / 2
    log_scale = math.log(2) + df / 2 * math.log(df / 2) - gammaln(df / 2)
    weights = np.exp(log_density + log_scale) * NODE_WEIGHTS * position**2
    return deviations, weights / weights.sum()


def critical_values(level: float, comparisons: int, df: Floats, correlation: Floats, two_sided: bool = False) -> Floats:
    """Critical values for many degrees of freedom and correlations [...], infinite below one degree of freedom.

    Between a few values that the cache holds, the logarithm is taken to be a straight line in 1 / df, which is true
    to 3 digits.
    """
    df, correlation = np.broadcast_arrays(df, correlation)
    values = np.full(df.shape, np.inf)
    lower = np.searchsorted(KNOTS[:-1], df, side="right") - 1
    for knot, own in {*zip(lower.flat, correlation.flat, strict=True)}:
        if knot < 0:
            continue
        ends = [critical_value(level, comparisons, float(end), float(own), two_sided) for end in KNOTS[knot : knot + 2]]
        chosen = (lower == knot) & (correlation == own)
        first, last = 1 / KNOTS[knot : knot + 2]
        part = (1 / df[chosen] - first) / (last - first)
        values[chosen] = ends[0] ** (1 - part) * ends[1] ** part
    return values


def _normal_cdf(values: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(values))
