"""The drawing among what else a picture shows: ruled lines, frames, noise and specks are left out."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.integer[Any]]

LEAST_SHARE = 0.22  # of the strongest ink's distance from the ground; what is fainter is no ink
EIGHT = np.ones((3, 3))  # neighbours across corners count
SLANT = 4 / np.pi  # how many pixel edges a line has for its length, on average over its directions
FRAME_SPAN = 0.7  # of the picture's width and height that a frame takes at least
STRAIGHT = 0.94  # of a frame's side that lies in one row
THIN = 2.0  # pixels
SPECK = 0.6  # of the lines' width; what is smaller is no dot of the pen
MANY = 150  # parts; a drawing has fewer
FAR = 0.06  # of the drawing's longer side; a dot that lies farther outside is a speck
DOT = 1.8  # of the lines' width; the extent of what may be a far speck


def drawing_of(distance: Floats, pixel: float) -> Bools:
    """Where a picture's drawing has ink, bool [H, W], of each pixel's distance from the ground, float [H, W].

    `pixel` is how many pixels here were one in the picture.
    """
    distance = without_ruling(distance)
    distance = np.where(distance >= LEAST_SHARE * strongest_of(distance), distance, 0)
    ink = solid(distance, pixel)
    if pen_width(ink) < THIN:  # a line of one pixel is now strong, now weak, by how it meets the grid of pixels
        ink = solid(ndimage.maximum_filter(distance, 3), pixel)
    for _ in range(2):  # a frame may have two lines
        ink = without_frame(ink)
    ink = without_noise(ink, pixel)
    return without_far_specks(ink) if ink.any() else ink


def strongest_of(distance: Floats) -> float:
    """The distance of the strongest ink from the ground, but for a few pixels; 0 if there is none."""
    ink = distance[distance > 0]
    return float(np.percentile(ink, 95)) if ink.size else 0.0


def solid(distance: Floats, pixel: float) -> Bools:
    """Ink, bool [H, W]: at least half as far from the ground as what lies around it, so a pale pen counts as well."""
    reach = round(max(0.012 * max(distance.shape), 1.5 * pixel))
    strongest = ndimage.maximum_filter(distance, 2 * reach + 1)
    return (distance > 0) & (distance >= 0.5 * strongest)


def without_ruling(distance: Floats) -> Floats:
    """The distances less what a whole row or column of the picture shows: ruled paper."""
    for axis in (0, 1):
        covered = (distance > 0).mean(axis=1 - axis) >= 0.95
        if not 0 < covered.mean() < 0.4:
            continue
        typical = np.median(distance, axis=1 - axis)
        strongest = strongest_of(distance)
        runs, count = ndimage.label(covered)
        ruled = np.zeros(len(covered), bool)
        for run in range(1, count + 1):
            rows = runs == run
            is_pale = typical[rows].max() < 0.6 * strongest
            is_thin = count >= 3 and rows.sum() <= max(2, 0.01 * len(covered))
            ruled |= rows & (is_pale or is_thin)
        if ruled.any():
            lines = np.expand_dims(np.where(ruled, typical, 0), 1 - axis)
            distance = np.clip(distance - lines, 0, None)
            distance = np.where(distance < 0.2 * strongest, 0, distance)
    return distance


def without_frame(ink: Bools) -> Bools:
    """The ink without a frame: four straight sides around most of the picture, and all that lies outside of them."""
    labels, _ = ndimage.label(ink, EIGHT)
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        height, width = (side.stop - side.start for side in box)
        if height < FRAME_SPAN * ink.shape[0] or width < FRAME_SPAN * ink.shape[1]:
            continue
        part = labels[box] == label
        sides = [_band(side) for side in (part, part[::-1], part.T, part.T[::-1])]
        if min(sides) == 0:
            continue
        top, bottom, left, right = sides
        inner = ink[box][top : height - bottom, left : width - right]
        rest = np.zeros_like(ink)
        rest[box][top : height - bottom, left : width - right] = inner
        if inner.any() and max(_extent(inner)) >= 0.12 * max(ink.shape):
            return rest
    return ink


def _band(part: Bools) -> int:
    """The thickness of a straight line along the top of a part, bool [H, W]; 0 if there is none."""
    corners = max(1, part.shape[1] // 20)
    covered = part[:, corners : part.shape[1] - corners].mean(axis=1) >= STRAIGHT
    first = int(covered.argmax())
    if not covered[first] or first > max(2, 0.008 * max(part.shape)):
        return 0
    open_rows = np.flatnonzero(~covered[first:])
    thickness = int(open_rows[0]) if open_rows.size else len(covered) - first
    if thickness > 0.3 * len(covered):
        return 0
    return first + thickness + max(2, round(0.006 * max(part.shape)))


def without_noise(ink: Bools, pixel: float) -> Bools:
    """The ink with pinholes filled, and without parts that are too small for a dot of its pen."""
    pinhole = max(3, round((1.5 * pixel) ** 2))
    holes, _ = ndimage.label(~ink)
    ink = ink | (np.bincount(holes.ravel()) <= pinhole)[holes]
    labels, count = ndimage.label(ink, EIGHT)
    if count > MANY:
        calm = ndimage.uniform_filter(ink.astype(np.float32), 3) > 0.5
        if calm.sum() > 0.5 * ink.sum():  # else the lines are too thin for it
            ink = calm
            labels, count = ndimage.label(ink, EIGHT)
    if count <= 1:
        return ink
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    width = pen_width(ink)
    keep = areas >= (SPECK * width) ** 2
    keep[0] = False
    return keep[labels]


def pen_width(ink: Bools) -> float:
    """The mean width of the lines of the large parts, which noise does not make small."""
    labels, _ = ndimage.label(ink, EIGHT)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return line_width((areas >= 0.1 * areas.max())[labels] & ink)


def without_far_specks(ink: Bools) -> Bools:
    """The ink without dots that lie far outside of all the rest."""
    labels, _ = ndimage.label(ink, EIGHT)
    boxes = np.array([[(side.start, side.stop) for side in box] for box in ndimage.find_objects(labels)])
    starts, stops = boxes[..., 0], boxes[..., 1]  # int [parts, 2] each: rows and columns
    extents = (stops - starts).max(axis=1)
    small = extents <= max(DOT * line_width(ink), 0.03 * extents.max())
    if small.all() or not small.any():
        return ink
    start, stop = starts[~small].min(axis=0), stops[~small].max(axis=0)
    room = FAR * (stop - start).max()
    outside = ((starts < start - room) | (stops > stop + room)).any(axis=1)
    keep = np.concatenate([[False], ~(small & outside)])
    left = keep[labels]
    return left if left.sum() >= 0.9 * ink.sum() else ink


def _extent(ink: Bools) -> tuple[int, int]:
    """The height and width of the box of ink."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def line_width(ink: Bools) -> float:
    """The mean width in pixels of the lines in a picture, bool [H, W]: their area over half their outline."""
    framed = np.pad(ink, 1)
    edges = sum(int(np.count_nonzero(np.diff(framed, axis=axis))) for axis in (0, 1))
    return float(2 * SLANT * ink.sum() / edges) if edges else 0.0
