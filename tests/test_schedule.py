"""Learning-rate schedules: what they promise as functions."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickdraw.schedule import constant, one_cycle, warmup_cosine

DONE = st.floats(0, 1, exclude_max=True)
WARMUP = st.floats(0, 0.99)
END = st.floats(0, 1)

SHAPES = {
    "constant": lambda warmup, end: constant,
    "one_cycle": lambda warmup, end: lambda done: one_cycle(done, warmup, end),
    "warmup_cosine": lambda warmup, end: lambda done: warmup_cosine(done, warmup, end),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@given(warmup=WARMUP, end=END, done=DONE)
def test_factor_is_in_0_to_1(
    shape: Callable[..., Callable[[float], float]], warmup: float, end: float, done: float
) -> None:
    assert 0 <= shape(warmup, end)(done) <= 1 + 1e-12


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@given(warmup=WARMUP, end=END, some=DONE, other=DONE)
def test_rises_until_the_peak_and_falls_after_it(
    shape: Callable[..., Callable[[float], float]], warmup: float, end: float, some: float, other: float
) -> None:
    schedule = shape(warmup, end)
    early, late = sorted((some, other))
    assert schedule(warmup) == pytest.approx(1)
    if late <= warmup:
        assert schedule(early) <= schedule(late) + 1e-12
    if early >= warmup:
        assert schedule(early) >= schedule(late) - 1e-12


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (constant, [1, 1, 1, 1, 1]),
        (lambda done: one_cycle(done, warmup_fraction=0.5, start_fraction=0.2), [0.2, 0.6, 1, 0.5, 0]),
        (lambda done: one_cycle(done, warmup_fraction=0), [1, 0.75, 0.5, 0.25, 0]),
        (lambda done: warmup_cosine(done, warmup_fraction=0.5, final_fraction=0), [0, 0.5, 1, 0.5, 0]),
        (
            lambda done: warmup_cosine(done, warmup_fraction=0, final_fraction=0.1),
            [1, 0.55 + 0.45 * math.sqrt(0.5), 0.55, 0.55 - 0.45 * math.sqrt(0.5), 0.1],
        ),
    ],
    ids=["constant", "one_cycle", "one_cycle without warm-up", "warmup_cosine", "cosine to a tenth"],
)
def test_factor_at_each_quarter(schedule: Callable[[float], float], factors: list[float]) -> None:
    assert [schedule(quarter / 4) for quarter in range(5)] == pytest.approx(factors)
