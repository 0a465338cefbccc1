"""Ink as the official recipe would have drawn it, 28 x 28.

That recipe (`rasterise`) lays a drawing whose longer side is 255 units, with lines 16 wide, into the middle of 304
units, and those into 28 pixels. So the box of the ink takes 271 of 304, and its lines are brought to a width of 16.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from quickdraw.data.picture.parts import line_width
from quickdraw.data.rendering.rasterise import BOX, CANVAS, LINE_WIDTH

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

SIDE = 542  # pixels of the ink's longer side while lines are measured: two a unit
UNITS = BOX - 1 + LINE_WIDTH  # 271: the longer side of a drawing's ink
PEN = LINE_WIDTH * SIDE / UNITS  # 32: the width of the lines in those pixels
WIDEST_PEN = 4 * PEN  # what is wider is a filled shape, and is left as it is
LEAST_OWN_INK = 0.9  # thinner lines would be paler
OWN_SIDE = 28 * UNITS / CANVAS  # 24.96: the longer side of the ink in one of the dataset's own bitmaps


def to_bitmap(ink: Bools) -> Bytes:
    """Ink, bool [H, W], at the size, place and line width of the official bitmaps, uint8 [28, 28]."""
    scaled = _scaled(ink)
    missing = PEN - line_width(scaled)
    if missing >= 2:
        scaled = _scaled(_thickened(scaled, missing / 2))
    elif missing <= -4 and -missing < WIDEST_PEN:
        scaled = _scaled(_thinned(scaled, min(-missing / 2, PEN / 2)))
    side = round(SIDE * CANVAS / UNITS)
    canvas = Image.new("L", (side, side))
    left, top = (side - scaled.shape[1]) // 2, (side - scaled.shape[0]) // 2
    canvas.paste(Image.fromarray(scaled.astype(np.uint8) * 255), (left, top))
    return np.asarray(canvas.resize((28, 28), Image.Resampling.BOX))


def _scaled(ink: Bools) -> Bools:
    """The box of the ink with its longer side SIDE."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = SIDE / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    image = Image.fromarray(ink.astype(np.uint8) * 255)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)) > 127


def _thickened(ink: Bools, by: float) -> Bools:
    """The ink and all that lies within some pixels of it."""
    room = round(by) + 1
    return ndimage.distance_transform_edt(~np.pad(ink, room)) <= by


def _thinned(ink: Bools, by: float) -> Bools:
    """The ink that lies more than some pixels from its edge, and lines that are too thin to lose as much."""
    inner = ndimage.distance_transform_edt(np.pad(ink, 1))
    core = inner > by
    if not core.any():
        return ink
    # Lines thinner than that would vanish: their middle is what the core, grown back, does not reach.
    reached = ndimage.distance_transform_edt(~core) <= by + 2
    lost = (inner > 0) & ~reached
    labels, _ = ndimage.label(lost)
    large = np.bincount(labels.ravel()) >= PEN**2
    large[0] = False
    return core | large[labels]


def is_own_geometry(strength: npt.NDArray[Any]) -> bool:
    """Whether ink, float [28, 28] in [0, 1], is as in the dataset's own bitmaps: strong, full size, in the middle."""
    visible = strength >= 0.12
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if not rows.size:
        return False
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    off_centre = max(abs(rows[0] + rows[-1] - 27), abs(columns[0] + columns[-1] - 27))
    return strength.max() >= LEAST_OWN_INK and abs(max(height, width) - OWN_SIDE) <= 1.1 and off_centre <= 2
