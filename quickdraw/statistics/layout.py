"""Scores explained by a setting and a seed: the two-way layout, where any cell may be missing.

A seed gives all settings the same initial weights, order of drawings and masks, so a lucky one raises them all. With
an effect for each seed that luck leaves the differences. Source: Searle, Linear Models (1971), chapter 7.
"""

from dataclasses import dataclass

import numpy as np

from quickdraw.statistics.scores import Bools, Floats


@dataclass(frozen=True)
class Layout:
    """A least squares fit of K settings.

    `means` [K] are as if each had had every seed; `counts` [K] the scores of each. The variance of the difference of
    two means is that of one score times `factors` [K, K]. What the fit leaves of each setting is `squares` [K], with
    `shares` [K] of the `df` degrees of freedom.
    """

    means: Floats
    counts: Floats
    factors: Floats
    squares: Floats
    shares: Floats
    df: float


def fit(values: Floats) -> Layout:
    """The layout of some scores [K, N], nan where there is none; each setting has at least one."""
    values = values[:, np.isfinite(values).any(axis=0)]
    known = np.isfinite(values)
    counts = known.sum(axis=1).astype(float)
    own_means = np.where(known, values, 0.0).sum(axis=1) / counts
    centred = np.where(known, values - own_means[:, None], 0.0)

    # The effects of seeds: solve what is left of the normal equations once the settings are eliminated.
    weights = known / counts[:, None]
    inverse = _seed_inverse(known, weights)
    effects = inverse @ centred.sum(axis=0)
    means = own_means - weights @ effects
    residuals = np.where(known, values - means[:, None] - effects, 0.0)

    # How much the fit adapts to the scores of each setting: the sum of their leverages.
    cross = weights @ inverse @ weights.T
    adapted = 1 + known @ np.diag(inverse) - counts * np.diag(cross)
    own = 1 / counts + np.diag(cross)
    factors = own[:, None] + own[None, :] - 2 * cross
    np.fill_diagonal(factors, 0.0)
    shares = np.maximum(counts - adapted, 0.0)
    return Layout(means, counts, factors, (residuals**2).sum(axis=1), shares, float(round(shares.sum())))


def connected(known: Bools) -> bool:
    """Whether any two settings are linked by seeds that they share, through others if need be; known is bool [K, N].

    Otherwise no effect of a seed can be told from one of a setting.
    """
    reached: Bools = known[:, 0].copy()
    while True:
        shared = np.logical_or.reduce(known[reached], axis=0)
        further = np.logical_or.reduce(known[:, shared], axis=1)
        if (further == reached).all():
            return bool(reached.all())
        reached = further


def _seed_inverse(known: Bools, weights: Floats) -> Floats:
    """Generalised inverse for the effects of seeds [N, N], which add up to 0; all zero where they cannot be told."""
    seeds = known.shape[1]
    if not connected(known):
        return np.zeros((seeds, seeds))
    equal = np.full((seeds, seeds), 1 / seeds)
    left = np.diag(known.sum(axis=0)) - known.T @ weights
    return np.linalg.inv(left + equal) - equal
