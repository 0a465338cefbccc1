"""The winner's curse: who wins was good and lucky, so its mean is too high."""

from quickdraw.statistics.scores import Floats


def shrunken_means(means: Floats, variances: Floats) -> Floats:
    """The means of K settings [K], each drawn towards their common mean by what luck makes of their spread.

    Empirical Bayes: true means are taken for normally distributed, with the spread that is left of what is seen once
    the luck of seeds (the variance of each mean [K]) is taken out. If that describes the settings, the largest of the
    shrunken means is right on average, although it was chosen; if nothing is left, all are the common mean. A single
    setting far above all others is drawn too far down. Sources: Efron and Morris (1975); for the spread, the equation
    of Paule and Mandel (1982).
    """
    if len(means) < 3:
        return means.copy()
    spread = true_variance(means, variances)
    weights = 1 / (variances + spread)
    centre = weights @ means / weights.sum()
    return centre + spread / (variances + spread) * (means - centre)


def true_variance(means: Floats, variances: Floats) -> float:
    """The variance of the true means, such that weighted squares are as large as expected; 0 if luck explains all."""

    def excess(spread: float) -> float:
        weights = 1 / (variances + spread)
        centre = weights @ means / weights.sum()
        return float(weights @ (means - centre) ** 2) - (len(means) - 1)

    if not (variances > 0).all():
        return float(means.var(ddof=1))
    if excess(0.0) <= 0:
        return 0.0
    from scipy.optimize import brentq

    most = float(((means - means.mean()) ** 2).sum()) + float(variances.max())
    return float(brentq(excess, 0.0, most, xtol=1e-12 * most))
