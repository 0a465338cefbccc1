"""A small program that doodles: strokes of the ten default classes, for machines without data and for tests.

Nobody's drawings are copied. Each class is a function that moves a `Pen` as people do in 20 seconds: several styles, a
hand that wobbles, parts left out, lines that miss each other. Points are complex numbers, x + yj, in a box of about
-1..1 with y pointing down: `-1j` is up, and to turn a drawing is to multiply it.
"""

import math
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from quickdraw.data.pen import Pen
from quickdraw.data.rendering.rasterise import rasterise_all
from quickdraw.errors import DataError


def cat(pen: Pen) -> None:
    style = pen.between(0, 1)
    if style < 0.65:
        cat_face(pen, 0j, 1.0)
    elif style < 0.75:
        sitting_cat(pen)
    else:
        walking_cat(pen)


def sitting_cat(pen: Pen) -> None:
    cat_face(pen, -1.1j, pen.between(0.4, 0.6))
    pen.oval(0j, pen.between(0.35, 0.6), pen.between(0.6, 0.9))
    pen.curve(0.4 + 0.6j, 0.9 + 0.5j, 0.9, 0.8 - pen.between(0.2, 0.6) * 1j)


def walking_cat(pen: Pen) -> None:
    long, tall, legs = pen.between(0.7, 1.1), pen.between(0.25, 0.45), pen.between(0.5, 0.8) * 1j
    cat_face(pen, -long - 0.3 - 0.3j, pen.between(0.4, 0.55))
    (pen.oval if pen.maybe(0.6) else pen.box)(0.1j, long, tall)
    for x in (-0.75, -0.5, 0.5, 0.75)[:: 1 if pen.maybe(0.8) else 2]:
        pen.line(x * long + 0.3j, x * long + 0.3j + legs)
    pen.curve(long, long + 0.35 - 0.1j, long + 0.3 - 0.6j, long + 0.5 - pen.between(0.6, 1.1) * 1j)


def cat_face(pen: Pen, at: complex, size: float) -> None:
    first, wide, ear = len(pen.strokes), pen.between(0.75, 1.3), pen.between(0.3, 0.75)
    if pen.maybe(0.45):  # the ears belong to the outline
        ears = [-0.9, -0.85 - 0.6j, -0.75 - (0.7 + ear) * 1j, -0.3 - 0.75j]
        chin = [0.7 + 0.6j, 0.1 + 0.85j, -0.6 + 0.65j, -0.9 + 0.05j]
        pen.curve(*ears, *(-complex(p).conjugate() for p in ears[::-1]), *chin)
    elif pen.maybe(0.95):
        pen.oval(0j, wide, 0.8)
        for side in (-1, 1):
            tip = side * wide * pen.between(0.65, 1.0) - (0.75 + ear) * 1j
            corners = side * wide * 0.9 - 0.35j, tip, side * wide * 0.3 - 0.78j
            (pen.line if pen.maybe(0.7) else pen.curve)(*corners)
    for side in (-1, 1):
        if pen.maybe(0.93):
            pen.dot(side * 0.35 - 0.2j, 0.1)
    if pen.maybe(0.75):  # nose
        pen.line(-0.1 + 0.15j, 0.1 + 0.15j, 0.27j, -0.1 + 0.15j)
    if pen.maybe(0.65):
        smile = pen.between(-0.05, 0.2) * 1j + 0.4j
        pen.curve(-0.35 + 0.4j, -0.2 + smile, 0.3j, 0.2 + smile, 0.35 + 0.4j)
    if pen.maybe(0.75):
        reach, spread, whiskers = pen.between(0.4, 1.3), pen.between(0.05, 0.3), pen.several(2, 3)
        for side in (-1, 1):
            for k in whiskers:
                root = side * pen.between(0.1, 0.6) + (0.15 + 0.14 * k) * 1j
                pen.line(root, root + side * reach + (k - 0.7) * spread * 1j)
    pen.strokes[first:] = [at + size * stroke for stroke in pen.strokes[first:]]


def dolphin(pen: Pen) -> None:
    arch, fat, xs = pen.between(-0.1, 0.6), pen.between(0.25, 0.6), np.array([-1, -0.6, -0.1, 0.4, 0.8])
    back = xs - 1j * (arch + fat / 2) * (1 - xs**2)
    belly = xs - 1j * (arch - fat) * (1 - xs**2)
    nose, tail = -1.3 + pen.between(-0.1, 0.25) * 1j, 1.0 + pen.between(-0.1, 0.3) * 1j
    fluke, fin = pen.between(0.2, 0.45), pen.between(0.15, 0.45)
    up, down = tail + fluke * (0.8 - 0.8j), tail + fluke * (0.4 + 0.9j)
    dorsal = [back[2] - 0.15, back[2] + 0.25 - fin * 1j, back[2] + 0.3 + 0.03j]
    style = pen.between(0, 1)
    if style < 0.5:  # one outline, or nearly
        pen.curve(nose, *back[:2], *dorsal, *back[3:], tail, up)
        pen.curve(up, tail + 0.1, down)
        pen.curve(down, tail, *belly[::-1], nose)
    elif style < 0.85:  # the body, then what is fixed to it
        pen.curve(nose, *back, tail)
        pen.curve(nose, *belly, tail)
        pen.line(*dorsal)
        pen.line(tail, up, down, tail)
    else:  # leaping: hardly more than the back
        pen.curve(nose, *back[:2], *dorsal, *back[3:], tail, up)
        if pen.maybe(0.6):
            pen.curve(nose, *belly[1:3])
    if pen.maybe(0.6):
        pen.dot(back[0] + 0.2 - 0.03j, 0.04)
    if pen.maybe(0.5):
        pen.line(belly[1], belly[1] + 0.05 + fin * 1j, belly[1] + 0.25)
    if pen.maybe(0.35):
        pen.curve(nose, nose + 0.25 + 0.06j, nose + 0.4 - 0.02j)


def moon(pen: Pen) -> None:
    style = pen.between(0, 1)
    if style < 0.25:  # full
        pen.oval(0j, 1.0, pen.between(0.8, 1.1))
        for _ in pen.several(2, 7) if style < 0.16 else ():
            pen.oval(pen.towards(0.1, 0.75), pen.between(0.05, 0.25), pen.between(0.05, 0.2))
        return
    bow = pen.between(1.3, 2.2)  # how far round the outer arc goes, either way
    angles = np.linspace(-bow, bow, 7)
    outer = -np.cos(angles) + 1j * np.sin(angles)
    ends = outer[0].real
    inner = ends + (outer.real - ends) * pen.between(0.15, 0.7) + 1j * outer.imag * pen.between(0.85, 1.0)
    if style < 0.7:
        pen.curve(*outer, *inner[-2::-1])
    else:
        pen.curve(*outer)
        if style < 0.95:
            pen.curve(outer[0], *inner[1:-1], outer[-1])


def alarm_clock(pen: Pen) -> None:
    wide, digital = pen.between(0.85, 1.15), pen.maybe(0.12)
    if digital:
        pen.box(0j, wide * 1.2, pen.between(0.5, 0.8))
        for x in pen.several(2, 4):
            pen.line(-0.7 + 0.4 * x - 0.2j, -0.5 + 0.4 * x - 0.2j, -0.5 + 0.4 * x + 0.2j, -0.7 + 0.4 * x + 0.2j)
    else:
        pen.oval(0j, wide, 1.0)
        if pen.maybe(0.25):
            pen.oval(0j, wide * 0.8, 0.8)
    bells, big = pen.between(0, 1), pen.between(0.2, 0.5)
    for side in (-1, 1):
        at, along = side * 0.65 - 0.85j, big * (0.8 + side * 0.6j)
        if bells < 0.5:
            pen.oval(at - big * (0.4j - 0.4 * side), big, big * pen.between(0.7, 1.1))
        elif bells < 0.85:
            pen.curve(at - along, at + along * -1j, at + along)
            pen.line(at - along, at + along)
        elif bells < 0.95:
            pen.line(at, at + side * 0.25 - 0.35j)
    if pen.maybe(0.3):
        pen.line(-1.0j, -1.3j)
    if pen.maybe(0.25):  # the button that silences it
        pen.oval(-1.3j, 0.15, 0.12)
    if pen.maybe(0.75):  # feet
        for side in (-1, 1):
            pen.line(side * 0.55 + 0.85j, side * pen.between(0.65, 0.95) + pen.between(1.15, 1.45) * 1j)
    if pen.maybe(0.92) and not digital:  # hands
        long = pen.towards(0.4, 0.8) if pen.maybe(0.5) else -0.65j
        pen.line(long, 0j, pen.towards(0.3, 0.6) if pen.maybe(0.5) else 0.5)
    if pen.maybe(0.3) and not digital:  # hours
        step = math.pi / 2 if pen.maybe(0.5) else math.pi / 6
        for spoke in np.exp(1j * np.arange(0, 6.2, step)):
            pen.line(0.72 * spoke, 0.9 * spoke)


def banana(pen: Pen) -> None:
    bow, fat, blunt = pen.between(0.75, 1.35), pen.between(0.15, 0.45), pen.between(0, 0.5)
    angles = np.linspace(-bow, bow, 6)
    under = np.sin(angles) + 1j * np.cos(angles)
    upper = under * (1 - fat * (blunt + (1 - blunt) * (1 - (angles / bow) ** 2)))
    stem = under[-1] + pen.between(0, 0.15) - pen.between(0, 0.3) * 1j
    style = pen.between(0, 1)
    if style < 0.55:
        pen.curve(*under, stem, stem - 0.12, *upper[::-1], under[0])
    else:
        pen.curve(*under)
        if style < 0.92:
            pen.curve(under[0], *upper[1:-1], under[-1] if pen.maybe(0.5) else upper[-1])
            if pen.maybe(0.5):
                pen.line(under[-1], stem, stem - 0.12, upper[-1])
    if pen.maybe(0.3):  # its edge
        pen.curve(*((under + upper) / 2)[: 6 if pen.maybe(0.5) else 5])
    if pen.maybe(0.15):
        pen.dot(under[0], 0.05)


def airplane(pen: Pen) -> None:
    fat, wing, style = pen.between(0.1, 0.28), pen.between(0.5, 1.0), pen.between(0, 1)
    at, wide, sweep = pen.between(-0.3, 0.15), pen.between(0.1, 0.25), pen.between(-0.1, 0.5)
    if style < 0.3:  # one outline, seen from above
        half = [-1.0, -0.9 - fat * 1j, at - wide - fat * 1j, at + sweep - wing * 1j, at + sweep + wide - wing * 1j]
        half += [at + wide - fat * 1j, 0.8 - fat * 0.8j, 1.0 - 0.35j, 1.1 - 0.3j, 1.0]
        pen.line(*half, *(complex(point).conjugate() for point in half[-2::-1]))
    else:
        airplane_of_parts(pen, fat, at, wide, sweep + wing * 1j, above=style < 0.75)


def airplane_of_parts(pen: Pen, fat: float, at: float, wide: float, reach: complex, above: bool) -> None:
    if pen.maybe(0.7):
        pen.oval(0j, 1.0, fat)
    else:
        pen.curve(1.0, 0.5 - fat * 1j, -0.7 - fat * 1j, -1.1 + 0.1j, -0.7 + fat * 1j, 0.5 + fat * 1j, 1.0)
    for wing in (reach.conjugate(), reach) if above else (reach - 0.3j * reach.imag,):
        root = at + np.sign(wing.imag) * fat * pen.between(0.1, 1.0) * 1j
        tip = at + wing
        (pen.line if pen.maybe(0.6) else pen.curve)(root - wide, tip - wide * 0.3, tip + wide * 0.5, root + wide)
    tail = 0.85 - fat * 0.4j
    pen.line(tail - 0.15, tail + 0.15 - pen.between(0.25, 0.5) * 1j, tail + 0.3 - 0.3j, tail + 0.12)
    if pen.maybe(0.6 if above else 0.3):
        pen.line(tail + 0.1j, tail + 0.2 + 0.35j, tail + 0.15)
    for k in pen.several(2, 5) if pen.maybe(0.3) else ():  # windows
        pen.dot(complex(0.3 * k - 0.7, -fat * 0.2), 0.05)


def circle(pen: Pen) -> None:
    pen.oval(0j, 1.0, pen.between(0.75, 1.2), gap=0.1)
    if pen.maybe(0.06):  # once more, for good measure
        pen.oval(0.02 + 0.02j, 1.0, pen.between(0.9, 1.1))
    if pen.maybe(0.04):
        pen.oval(complex(pen.between(1.2, 2.2), pen.between(-1, 1)), pen.between(0.4, 1.0), pen.between(0.4, 1.0))


def door(pen: Pen) -> None:
    wide, slant, style = pen.between(0.35, 0.9), pen.between(-0.15, 0.15) * 1j, pen.between(0, 1)
    corners = [-wide + 1j, -wide - 1j, wide - 1j + slant, wide + 1j - slant]
    if style < 0.12:  # arched
        pen.curve(corners[0], -wide + 0.3j, -wide - 0.7j, -1.2j, wide - 0.7j, wide + 0.3j, corners[3])
    elif style < 0.6:
        pen.line(*corners)
    else:
        for k in range(3):
            pen.line(*corners[k : k + 2])
    if pen.maybe(0.7):
        pen.line(corners[0], corners[3])
    if pen.maybe(0.2):  # the frame
        pen.line(*(1.25 * corner + 0.2j for corner in corners))
    if pen.maybe(0.85):
        pen.dot(0.8 * wide - 0.1 + pen.between(-0.1, 0.25) * 1j, pen.between(0.04, 0.1))
    if pen.maybe(0.25):
        for y in pen.several(1, 2):
            for x in (0.0,) if pen.maybe(0.5) else (-0.42, 0.42):
                pen.box(complex(x * wide, y - 0.5), 0.3 * wide, pen.between(0.1, 0.25))


def donut(pen: Pen) -> None:
    high = pen.between(0.4, 1.1)
    pen.oval(0j, 1.0, high)
    if pen.maybe(0.95):
        hole = pen.between(0.15, 0.65)
        pen.oval(pen.towards(0, 0.2), hole, hole * high * pen.between(0.7, 1.2))
    if pen.maybe(0.12):  # icing
        pen.oval(0j, 0.8, 0.8 * high)
    if pen.maybe(0.25):
        for _ in pen.several(3, 11):
            crumb = pen.towards(0.65, 0.85)
            crumb = complex(crumb.real, crumb.imag * high)
            pen.line(crumb, crumb + pen.towards(0.05, 0.15))


def eye(pen: Pen) -> None:
    high, style, xs = pen.between(0.3, 0.75), pen.between(0, 1), np.array([-1, -0.55, 0, 0.55, 1])
    lid = xs - 1j * high * (1 - xs**2)
    if style < 0.3:
        pen.curve(*lid, *lid.conjugate()[-2::-1])
    elif style < 0.55:
        pen.oval(0j, 1.0, high)
    else:
        pen.curve(*lid)
        if style < 0.95:
            pen.curve(*lid.conjugate())
    iris, at = high * pen.between(0.45, 1.0), complex(pen.between(-0.15, 0.15))
    if pen.maybe(0.93):
        pen.oval(at, iris * pen.between(0.8, 1.0), iris)
    if pen.maybe(0.3):
        pen.scribble(at, iris * 0.5, iris * 0.5)
    elif pen.maybe(0.45):
        pen.dot(at, iris * pen.between(0.2, 0.5))
    if pen.maybe(0.55):
        length, lower = pen.between(0.2, 0.5), pen.maybe(0.25)
        for x in np.linspace(-0.8, 0.8, len(pen.several(3, 7))):
            root, lash = complex(x, -high * (1 - x * x)), length * complex(0.7 * x, -1)
            pen.line(root, root + lash)
            if lower:
                pen.line(root.conjugate(), (root + lash).conjugate())
    if pen.maybe(0.12):
        pen.curve(-0.9 - (high + 0.2) * 1j, -(high + 0.5) * 1j, 0.9 - (high + 0.2) * 1j)


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
    strokes = [stroke for k, stroke in enumerate(pen.strokes) if k == 0 or not pen.maybe(0.03)]
    strokes = [s[: max(2, int(len(s) * pen.between(0.75, 1)))] if pen.maybe(0.1) else s for s in strokes]
    points = np.concatenate(strokes) * np.exp(1j * turn * pen.rng.standard_normal())
    x, y = points.real, points.imag
    stretch, lean, bow, fan, sag = 0.06 * pen.rng.standard_normal(5)
    flip = -1 if pen.maybe(0.5) else 1
    warped = np.array([flip * (x * (1 + 2 * stretch) + lean * y + bow * y * y), y * (1 + fan * x) + sag * x * x])
    warped -= warped.min(axis=1, keepdims=True)
    xs, ys = np.rint(warped * (255 / warped.max())).astype(int).tolist()
    ends = np.cumsum([len(stroke) for stroke in strokes]).tolist()
    return [[xs[start:end], ys[start:end]] for start, end in zip([0, *ends], ends, strict=False)]
