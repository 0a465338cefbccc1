"""How what is mostly one curve is doodled: moons, bananas, circles, donuts, eyes."""

import numpy as np

from quickdraw.data.doodles.pen import Pen


def moon(pen: Pen) -> None:
    style = pen.between(0, 1)
    if style < 0.25:  # full
        pen.oval(0j, 1.0, pen.between(0.8, 1.1))
        if style < 0.16:  # with craters
            for _ in pen.several(2, 7):
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
            end = under[-1] if pen.maybe(0.5) else upper[-1]
            pen.curve(under[0], *upper[1:-1], end)
            if pen.maybe(0.5):
                pen.line(under[-1], stem, stem - 0.12, upper[-1])
    if pen.maybe(0.3):  # its edge
        points = 6 if pen.maybe(0.5) else 5
        pen.curve(*((under + upper) / 2)[:points])
    if pen.maybe(0.15):
        pen.dot(under[0], 0.05)


def circle(pen: Pen) -> None:
    pen.oval(0j, 1.0, pen.between(0.75, 1.2), gap=0.1)
    if pen.maybe(0.06):  # once more, for good measure
        pen.oval(0.02 + 0.02j, 1.0, pen.between(0.9, 1.1))
    if pen.maybe(0.04):
        pen.oval(complex(pen.between(1.2, 2.2), pen.between(-1, 1)), pen.between(0.4, 1.0), pen.between(0.4, 1.0))


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
