"""Several tests at once: the smallest p of many is small by luck."""

import math
from collections.abc import Mapping


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p of each test, raised so that all together say something false with 5 % at most. Source: Holm (1979).

    The smallest is multiplied by the number of tests, the next by one less, and so on, none below the one before. A nan
    is no test.
    """
    tests = sorted((p, place) for place, p in enumerate(p_values.values()) if not math.isnan(p))
    adjusted = dict(p_values)
    names = list(p_values)
    largest = 0.0
    for done, (p, place) in enumerate(tests):
        largest = max(largest, min(1.0, p * (len(tests) - done)))
        adjusted[names[place]] = largest
    return adjusted
