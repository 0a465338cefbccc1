"""Two networks on the same drawings: McNemar's exact test, and an interval that never contradicts it.

Only the drawings that one of the two gets right tell them apart. If both are equally good, each of these falls to
either by the toss of a coin.
"""


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p of McNemar's exact test, by the numbers of drawings that only one of the two gets right.

    Sources: McNemar (1947); for comparing two classifiers Dietterich (1998), section 3.1.
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def paired_proportions_interval(only_a: int, only_b: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """By how much B's accuracy is higher than A's: an interval without 0 exactly when McNemar's exact test says so.

    The difference is d (2 s - 1): d is the part of the drawings on which the two differ, s the part of these that fall
    to B. Clopper and Pearson's interval (1934) of s inverts the exact test, so it lies on one side of 1/2 exactly when
    p < 1 - confidence. That of d only scales it: each end takes the end of d that widens the interval.
    """
    low, high = clopper_pearson(only_b, only_a + only_b, confidence)
    fewest, most = clopper_pearson(only_a + only_b, count, confidence)
    lowest, highest = 2 * low - 1, 2 * high - 1
    return min(lowest * fewest, lowest * most), max(highest * fewest, highest * most)


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a probability, by its hits; from 0 to 1 without trials."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    if hits > 0:
        low = float(betaincinv(hits, trials - hits + 1, tail))
    if hits < trials:
        high = float(betaincinv(hits + 1, trials - hits, 1 - tail))
    return low, high
