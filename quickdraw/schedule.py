"""Learning-rate schedules: functions of the fraction of training done, in [0, 1), to a factor of `optimizer.lr`."""

import math


def constant(done: float) -> float:
    """Keep the rate."""
    return 1.0


def warmup_cosine(done: float, warmup_fraction: float = 0.05, final_fraction: float = 0.0) -> float:
    """Rise linearly to 1 in the first `warmup_fraction` of training, then fall along half a cosine to `final_fraction`.

    Source: Loshchilov and Hutter, SGDR (2017), without restarts; warm-up as in Goyal et al. (2017).
    """
    if done < warmup_fraction:
        return done / warmup_fraction
    left = (done - warmup_fraction) / (1 - warmup_fraction)
    return final_fraction + (1 - final_fraction) * 0.5 * (1 + math.cos(math.pi * left))


def one_cycle(done: float, warmup_fraction: float = 0.3, start_fraction: float = 0.04) -> float:
    """Rise linearly from `start_fraction` to 1, then fall linearly to 0.

    Source: Smith and Topin, Super-Convergence (2018), in the linear form with one peak.
    """
    if done < warmup_fraction:
        return start_fraction + (1 - start_fraction) * done / warmup_fraction
    return (1 - done) / (1 - warmup_fraction)
