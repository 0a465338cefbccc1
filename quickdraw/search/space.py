"""The space of a search: one Axis for each searched setting, and what is senseless about it."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from quickdraw.settings import shown

DIGITS = 4  # of a value drawn from an interval: what is finer changes no result, and nobody can read it
FEW = 10_000  # settings that are enumerated to find one that was not tried


@dataclass(frozen=True)
class Axis:
    """One searched setting: one of `choices`, or a number from `low` to `high`, both possible.

    It is whole if both ends are. `step` is the distance of a number to the next, None for no such thing; with `log`,
    each factor of ten is drawn as often as any other.
    """

    key: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def complaint(self) -> str:
        """Why nothing can be drawn from this axis; an empty text if something can."""
        if self.choices:
            return "" if len(self.choices) > 1 else "expected at least two different choices"
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return f"expected two finite ends, got {self.described()}"
        if self.low >= self.high:
            return f"expected the lower end first and something between the ends, got {self.described()}"
        if self.log and self.low <= 0:
            return f"a logarithmic interval begins above 0, got {self.described()}"
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            return f"expected a step above 0 that fits the range, got {self.described()}"
        return ""

    def described(self) -> str:
        """The axis as it is typed: `interval(0.0, 0.6)`."""
        if self.choices:
            return f"choice({', '.join(map(shown, self.choices))})"
        if self.step is not None and not (self.whole and self.step == 1):
            return f"{shown(self.low)} to {shown(self.high)} in steps of {shown(self.step)}"
        text = f"interval({shown(self.low)}, {shown(self.high)})"
        if self.log:
            text = f"log {text}"
        return f"int {text}" if self.whole else text

    @property
    def size(self) -> float:
        """How many values there are; infinite for an interval of real numbers."""
        if self.choices:
            return len(self.choices)
        if not (self.step or self.whole):
            return math.inf
        return math.floor((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    def values(self) -> list[Any]:
        """All values of an axis of finite size."""
        return list(self.choices) or [self.rounded(self.low + i * (self.step or 1)) for i in range(int(self.size))]

    def ends(self) -> list[Any]:
        """The values that are good only if all are: every choice, or the two ends."""
        return list(self.choices) or [self.low, self.high]

    def holds(self, value: Any) -> bool:
        """Whether a value lies on this axis: one of its choices and of the same type, or a number between its ends."""
        if self.choices:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def rounded(self, value: Any) -> Any:
        """A drawn value as it is used: with as many digits as matter, and still within the ends."""
        if self.choices or self.whole:
            return value
        if self.step:
            return float(f"{value:.10g}")
        if self.log:
            return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)
        decimals = max(0, DIGITS - math.floor(math.log10(self.high - self.low)) - 1)
        return min(max(round(value, decimals), self.low), self.high)

    def position(self, value: float) -> float:
        """The place of a number between the ends, in [0, 1]."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)

    def at(self, position: float) -> Any:
        """The value at a position in [0, 1]."""
        if self.log:
            value = math.exp(math.log(self.low) + position * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + position * (self.high - self.low)
        if self.whole or self.step:
            step = self.step or 1
            value = self.low + round((value - self.low) / step) * step
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else self.rounded(value)

    def drawn(self, position: float) -> Any:
        """The choice, or the value, at a position in [0, 1)."""
        if self.choices:
            return self.choices[int(position * len(self.choices))]
        return self.at(position)


Params = dict[str, Any]


@dataclass(frozen=True)
class Proposal:
    """A trial's number and its settings."""

    number: int
    params: Params


def size(axes: Sequence[Axis]) -> float:
    """The number of settings in a space."""
    return math.prod(axis.size for axis in axes)


def points(axes: Sequence[Axis]) -> Iterator[Params]:
    """Yield every setting of a space of finite size."""
    keys = [axis.key for axis in axes]
    for values in itertools.product(*map(Axis.values, axes)):
        yield dict(zip(keys, values, strict=True))


def corners(axes: Sequence[Axis]) -> list[Params]:
    """Settings that hold every choice and both ends of every interval: if these are good, all are.

    The first holds the first of each.
    """
    first = {axis.key: axis.ends()[0] for axis in axes}
    params = [first]
    for axis in axes:
        params += [{**first, axis.key: value} for value in axis.ends()[1:]]
    return params


def drawn(axes: Sequence[Axis], count: int, seed: int) -> list[Params]:
    """So many different settings of a space, drawn at random; all of them where there are no more.

    Each depends on those before it only: a larger count keeps them and adds others.
    """
    found: dict[str, Params] = {}
    attempt = 0
    while len(found) < min(count, size(axes)):
        random = Random(f"{seed} {attempt}")
        params = {axis.key: axis.drawn(random.random()) for axis in axes}
        found.setdefault(params_key(params), params)
        attempt += 1
    return list(found.values())


def params_key(params: Mapping[str, Any]) -> str:
    """A text that is equal for equal settings, whatever their order; 1 and 1.0 and true are three values."""
    return repr(sorted(params.items()))


def overrides_of(params: Params) -> list[str]:
    """Settings as overrides of a command line."""
    overrides = []
    for key, value in params.items():
        text = value if isinstance(value, str) else shown(value)
        overrides.append(f"{key}={text}")
    return overrides
