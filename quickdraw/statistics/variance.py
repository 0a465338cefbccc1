"""The luck of seeds: how surely the difference of two settings is known.

The variance is pooled over all settings, which gives many degrees of freedom after two seeds. Two guards watch where
settings plainly differ in it. Worse settings are often noisier: a trend of the variance with the mean score replaces
the pooled one when a likelihood ratio test at TREND_LEVEL shows it. And a pair whose own differences vary plainly more
(an F-test at GUARD_LEVEL) is judged by these alone, as Games and Howell (1976) judge every pair.
"""

from dataclasses import dataclass

import numpy as np

from quickdraw.statistics.dunnett import critical_values
from quickdraw.statistics.layout import Layout, fit
from quickdraw.statistics.scores import Bools, Floats

TREND_LEVEL = 0.10
GUARD_LEVEL = 0.05
TREND_SETTINGS = 4  # fewer show no trend
STEPS = 12  # of Fisher's scoring, from the pooled variance; about 5 are enough


@dataclass(frozen=True)
class Pairs:
    """The differences of all pairs of K settings.

    `error` [K, K] are their standard errors, with `df` [K, K] degrees of freedom. `variance` is the pooled one of a
    score, 0 if it is not known; `mean_variance` [K] is that of each mean, as far as the seed is not the same for all.
    """

    means: Floats
    error: Floats
    df: Floats
    variance: float
    mean_variance: Floats

    @property
    def difference(self) -> Floats:
        """By how much j is better than i, float64 [K, K] at [i, j]."""
        return self.means[None, :] - self.means[:, None]

    @property
    def known(self) -> bool:
        """Whether the luck of seeds is known at all: some setting has two seeds, and not all scores agree exactly."""
        return self.variance > 0

    def of(self, chosen: Bools) -> "Pairs":
        """The pairs of some of the settings, bool [K], with the variance that all of them show."""
        both = np.ix_(chosen, chosen)
        return Pairs(self.means[chosen], self.error[both], self.df[both], self.variance, self.mean_variance[chosen])

    @property
    def correlation(self) -> Floats:
        """Correlation of the differences from each setting [K], on average over the others.

        For one other it is the square of the correlation of the difference with the setting's own mean. Rounded down,
        which is the safe side (Slepian's inequality).
        """
        others = len(self.means) - 1
        if others < 1 or not self.known:
            return np.full(len(self.means), 0.5)
        shares = self.mean_variance[:, None] / (self.mean_variance[:, None] + self.mean_variance)
        mean = (shares.sum(axis=1) - 0.5) / others
        return np.clip(np.floor(10 * mean + 1e-6) / 10, 0.1, 0.9)

    def margins(self, level: float) -> Floats:
        """By how much j may seem better than i by luck [K, K], for all j at once: Dunnett's test with i as control."""
        critical = critical_values(level, len(self.means) - 1, self.df, self.correlation[:, None])
        return widths(critical, self.error)

    def margins_to(self, leader: int, level: float) -> Floats:
        """The same for one j: the column of the leader [K]."""
        critical = critical_values(level, len(self.means) - 1, self.df[:, leader], self.correlation)
        return widths(critical, self.error[:, leader])

    def half_widths(self, leader: int, level: float) -> Floats:
        """Half the simultaneous intervals of the leader's differences from all others [K]: Dunnett's, two-sided."""
        own = self.correlation[leader]
        critical = critical_values(level, len(self.means) - 1, self.df[leader], own, two_sided=True)
        return widths(critical, self.error[leader])


def widths(critical: Floats, error: Floats) -> Floats:
    """Critical values, which may be infinite, times standard errors, which are 0 for a setting beside itself."""
    return np.where(error > 0, critical, 0.0) * error


def pairs(values: Floats) -> Pairs:
    """All differences of settings with their standard errors, by scores [K, N] that are nan where there is none."""
    layout = fit(values)
    pooled = layout.squares.sum() / layout.df if layout.df >= 1 else np.nan
    rounding = 1e-12 * np.nanmax(np.abs(values), initial=0.0)
    if not pooled > rounding**2:
        pooled = 0.0  # one seed each, or seeds that do not differ at all

    # One variance for all, or one for each setting.
    own = np.full(len(values), pooled)
    df = np.full((len(values), len(values)), layout.df)
    if pooled:
        trend = variance_trend(layout, pooled)
        if trend is not None:
            own, own_df = trend
            df = (own[:, None] + own) ** 2 / (own[:, None] ** 2 / own_df[:, None] + own**2 / own_df)
    pair = (own[:, None] + own) / 2

    # A pair that varies plainly more is judged by its own differences.
    if pooled:
        paired, paired_df = paired_variance(values)
        plain = paired > pair * _f_quantile(paired_df, df)
        pair, df = np.where(plain, paired, pair), np.where(plain, paired_df, df)
    error = np.sqrt(pair * layout.factors)
    return Pairs(layout.means, error, df, float(pooled), own / layout.counts)


def variance_trend(layout: Layout, pooled: float) -> tuple[Floats, Floats] | None:
    """The variance of each setting [K] by a trend with its mean, and its degrees of freedom [K]; None without one.

    The logarithm of the variance is a straight line in the mean, fitted by maximum likelihood, where the squares left
    of a setting are a variance times chi-squared. Source: Smyth (1989), generalised linear models with varying
    dispersion.
    """
    shares, total = layout.shares, layout.shares.sum()
    centred = layout.means - shares @ layout.means / total
    spread = np.sqrt(shares @ centred**2 / total)
    if len(shares) < TREND_SETTINGS or not spread > 0:
        return None
    place = centred / spread
    ratio = layout.squares / pooled
    level, slope = 0.0, 0.0
    for _ in range(STEPS):
        excess = ratio * np.exp(-level - slope * place) - shares
        step, turn = excess.sum() / total, excess @ place / total
        level += min(max(step, -1.0), 1.0)
        slope += min(max(turn, -0.5), 0.5)
        if abs(step) + abs(turn) < 1e-4:
            break
    logarithm = level + slope * place
    likelihood_ratio = total - shares @ logarithm - ratio @ np.exp(-logarithm)
    from scipy.special import chdtri

    if not likelihood_ratio > chdtri(1, TREND_LEVEL):
        return None
    return pooled * np.exp(logarithm), total / (1 + place**2)


def paired_variance(values: Floats) -> tuple[Floats, Floats]:
    """The variance of a score by the differences of each pair over common seeds [K, K], and degrees of freedom."""
    known = np.isfinite(values).astype(float)
    counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known > 0, values, 0.0) - known * (
        np.where(known > 0, values, 0.0).sum(1, keepdims=True) / counts
    )
    common = known @ known.T
    sums = centred @ known.T
    squares = centred**2 @ known.T
    total = sums - sums.T
    square = squares + squares.T - 2 * centred @ centred.T
    df = np.maximum(common - 1, 0)
    left = np.maximum(square - total**2 / np.maximum(common, 1), 0.0)
    return left / np.maximum(df, 1) / 2, df


def _f_quantile(df: Floats, other_df: Floats) -> Floats:
    """Quantile of Fisher's F at GUARD_LEVEL; infinite where a pair has no degrees of freedom."""
    from scipy.special import fdtri

    both, place = np.unique(np.maximum(df, 1) + 1j * np.maximum(other_df, 1), return_inverse=True)
    quantile = fdtri(both.real, both.imag, 1 - GUARD_LEVEL)[place.reshape(df.shape)]
    return np.where(df >= 1, quantile, np.inf)
