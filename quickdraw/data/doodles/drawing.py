"""A small program that doodles: strokes of the ten default classes, for machines without data and for tests.

Nobody's drawings are copied. Each class is a function that moves a `Pen` as people do in 20 seconds: several styles, a
hand that wobbles, parts left out, lines that miss each other. Points are complex numbers, x + yj, in a box of about
-1..1 with y pointing down: `-1j` is up, and to turn a drawing is to multiply it.
"""

import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from quickdraw.data.doodles.animals import cat, dolphin
from quickdraw.data.doodles.pen import Pen, Points
from quickdraw.data.doodles.shapes import banana, circle, donut, eye, moon
from quickdraw.data.doodles.things import airplane, alarm_clock, door
from quickdraw.data.rendering.rasterise import rasterise_all
from quickdraw.errors import DataError

# The function that draws each class, and how far it is turned (standard deviation in radians): people draw doors
# upright, and bananas as they please.
DOODLES: dict[str, tuple[Callable[[Pen], None], float]] = {
    "cat": (cat, 0.15),
    "dolphin": (dolphin, 0.35),
    "moon": (moon, 0.35),
    "alarm clock": (alarm_clock, 0.12),
    "banana": (banana, 0.8),
    "airplane": (airplane, 0.35),
    "circle": (circle, 0.3),
    "door": (door, 0.04),
    "donut": (donut, 0.3),
    "eye": (eye, 0.15),
}


def draw(name: str, rng: np.random.Generator) -> list[list[list[int]]]:
    """Draw one doodle in the official simplified form: strokes [[x...], [y...]] in 0..255, touching 0 and 255."""
    doodle, turn = _doodle(name)
    pen = Pen(rng)
    doodle(pen)
    return _finish(pen, turn)


def draw_class(name: str, count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Draw a class: uint8 [count, 784], 0 paper, 255 ink. Row i is a function of (seed, name, i) alone.

    Positions are rounded to whole units of the 0..255 box, so the last bit of a machine's sine hardly ever shows.
    """
    _doodle(name)  # refuses an unknown class before anything is drawn
    key = zlib.crc32(name.encode())
    drawings = [draw(name, np.random.default_rng([seed, key, row])) for row in range(count)]
    return rasterise_all(drawings).reshape(count, 784)


def _doodle(name: str) -> tuple[Callable[[Pen], None], float]:
    if name not in DOODLES:
        raise DataError(f"no synthetic drawings of {name!r}: expected one of {', '.join(DOODLES)}")
    return DOODLES[name]


def _finish(pen: Pen, turn: float) -> list[list[list[int]]]:
    """Be careless (leave strokes out or unfinished, turn and distort the whole), then fit it into the official box."""
    # The first stroke is always there; of the others some are left out, and of all some end early.
    drawn = [stroke for k, stroke in enumerate(pen.strokes) if k == 0 or not pen.maybe(0.03)]
    strokes = [_maybe_unfinished(pen, stroke) for stroke in drawn]
    points = np.concatenate(strokes) * np.exp(1j * turn * pen.rng.standard_normal())
    x, y = points.real, points.imag
    stretch, lean, bow, fan, sag = 0.06 * pen.rng.standard_normal(5)
    mirrored = -1 if pen.maybe(0.5) else 1
    across, down = x * (1 + 2 * stretch) + lean * y + bow * y * y, y * (1 + fan * x) + sag * x * x
    warped = np.array([mirrored * across, down])
    warped -= warped.min(axis=1, keepdims=True)
    xs, ys = np.rint(warped * (255 / warped.max())).astype(int).tolist()
    ends = np.cumsum([len(stroke) for stroke in strokes]).tolist()
    return [[xs[start:end], ys[start:end]] for start, end in pairwise([0, *ends])]


def _maybe_unfinished(pen: Pen, stroke: Points) -> Points:
    """One stroke in ten, cut short; it keeps at least two points."""
    if not pen.maybe(0.1):
        return stroke
    return stroke[: max(2, int(len(stroke) * pen.between(0.75, 1)))]
