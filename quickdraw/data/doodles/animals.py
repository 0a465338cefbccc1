"""How cats and dolphins are doodled."""

import numpy as np

from quickdraw.data.doodles.pen import Pen


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
    if pen.maybe(0.6):
        pen.oval(0.1j, long, tall)
    else:
        pen.box(0.1j, long, tall)
    feet = (-0.75, -0.5, 0.5, 0.75) if pen.maybe(0.8) else (-0.75, 0.5)
    for x in feet:
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
            pen.line_or_curve(0.7, side * wide * 0.9 - 0.35j, tip, side * wide * 0.3 - 0.78j)
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
