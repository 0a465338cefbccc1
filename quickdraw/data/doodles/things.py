"""How alarm clocks, airplanes and doors are doodled."""

import math

import numpy as np

from quickdraw.data.doodles.pen import Pen


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
        minutes = pen.towards(0.4, 0.8) if pen.maybe(0.5) else -0.65j
        hours = pen.towards(0.3, 0.6) if pen.maybe(0.5) else 0.5
        pen.line(minutes, 0j, hours)
    if pen.maybe(0.3) and not digital:  # hours
        step = math.pi / 2 if pen.maybe(0.5) else math.pi / 6
        for spoke in np.exp(1j * np.arange(0, 6.2, step)):
            pen.line(0.72 * spoke, 0.9 * spoke)


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
    wings = (reach.conjugate(), reach) if above else (reach - 0.3j * reach.imag,)
    for wing in wings:
        root = at + np.sign(wing.imag) * fat * pen.between(0.1, 1.0) * 1j
        tip = at + wing
        pen.line_or_curve(0.6, root - wide, tip - wide * 0.3, tip + wide * 0.5, root + wide)
    tail = 0.85 - fat * 0.4j
    pen.line(tail - 0.15, tail + 0.15 - pen.between(0.25, 0.5) * 1j, tail + 0.3 - 0.3j, tail + 0.12)
    if pen.maybe(0.6 if above else 0.3):
        pen.line(tail + 0.1j, tail + 0.2 + 0.35j, tail + 0.15)
    if pen.maybe(0.3):  # windows
        for k in pen.several(2, 5):
            pen.dot(complex(0.3 * k - 0.7, -fat * 0.2), 0.05)


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
            columns = (0.0,) if pen.maybe(0.5) else (-0.42, 0.42)
            for x in columns:
                pen.box(complex(x * wide, y - 0.5), 0.3 * wide, pen.between(0.1, 0.25))
