"""The hand that doodles: curves, lines, ovals, dots, all with a wobble of its own.

Points are complex numbers, x + yj, in a box of about -1..1 with y pointing down: `-1j` is up.
"""

import functools
import math

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.complex128]
SPAN = 2  # points that a curve gets for each of its given points; with 3 drawings look no rounder at 28 pixels


class Pen:
    """One hand making one drawing: it has its own wobble, and collects the strokes."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.strokes: list[Points] = []
        self.wobble = self.between(0.015, 0.07)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def maybe(self, probability: float) -> bool:
        return self.rng.random() < probability

    def several(self, low: int, high: int) -> range:
        return range(int(self.between(low, high + 1)))

    def towards(self, low: float, high: float) -> complex:
        """A point in any direction, `low` to `high` away."""
        angle = self.between(0, 2 * math.pi)
        return self.between(low, high) * complex(math.cos(angle), math.sin(angle))

    def shaken(self, points: Points, amount: float) -> Points:
        return points + amount * self.rng.standard_normal(2 * len(points)).view(np.complex128)

    def curve(self, *points: complex) -> None:
        """A smooth stroke that passes near the points."""
        self.strokes.append(_smooth(len(points)) @ self.shaken(np.array(points), self.wobble))

    def line(self, *points: complex) -> None:
        """A stroke with corners near the points, and not quite straight between them."""
        corners = self.shaken(np.array(points), self.wobble)
        stroke = np.repeat(corners, 2)[:-1]
        stroke[1::2] = self.shaken((corners[1:] + corners[:-1]) / 2, 0.4 * self.wobble)
        self.strokes.append(stroke)

    def line_or_curve(self, probability: float, *points: complex) -> None:
        """A line near the points, with that probability, or otherwise a curve."""
        if self.maybe(probability):
            self.line(*points)
        else:
            self.curve(*points)

    def box(self, centre: complex, width: float, height: float) -> None:
        corner, other = complex(width, height), complex(width, -height)
        self.line(centre - corner, centre + other, centre + corner, centre - other, centre - corner)

    def oval(self, centre: complex, width: float, height: float, gap: float = 0.06) -> None:
        """A ring of the given half width and half height, which ends a little before or beyond its beginning."""
        turn = 2 * math.pi * self.between(1 - gap, 1 + gap) * (1 if self.maybe(0.3) else -1)
        angles = self.between(-2.4, -0.8) + turn * np.linspace(0, 1, 9)
        ring = centre + width * np.cos(angles) + 1j * height * np.sin(angles)
        self.strokes.append(_smooth(9) @ self.shaken(ring, 0.6 * self.wobble * (width + height) + 0.008))

    def scribble(self, centre: complex, width: float, height: float) -> None:
        """Fill an oval by moving to and fro."""
        down = np.linspace(-1, 1, 9)
        across = np.sqrt(1 - down**2) * (-1) ** np.arange(9)
        self.strokes.append(self.shaken(centre + width * across + 1j * height * down, 0.5 * self.wobble))

    def dot(self, centre: complex, size: float) -> None:
        """What stands for a pupil or a knob: a point, a small ring, or a scribble."""
        style = self.between(0, 1)
        if style < 0.4:
            self.strokes.append(np.array([centre, centre + 0.02]))
        elif style < 0.85:
            self.oval(centre, size, size * self.between(0.8, 1.4))
        else:
            self.scribble(centre, size, size)


@functools.cache
def _smooth(points: int) -> npt.NDArray[np.float64]:
    """The matrix that turns given points into a Catmull-Rom spline through them: [(points - 1) * SPAN + 1, points]."""
    t = np.arange(SPAN)[:, None] / SPAN
    weights = np.hstack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    matrix = np.zeros(((points - 1) * SPAN + 1, points))
    for piece in range(points - 1):
        for column in range(4):
            neighbour = min(max(piece + column - 1, 0), points - 1)  # beyond the ends: the ends once more
            matrix[piece * SPAN : (piece + 1) * SPAN, neighbour] += weights[:, column]
    matrix[-1, -1] = 1
    return matrix
