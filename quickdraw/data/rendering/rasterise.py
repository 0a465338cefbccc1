"""Drawings as strokes, and the official recipe that turns them into bitmaps.

A drawing is a list of strokes, a stroke is `[[x...], [y...]]`, and the whole lies in a box of 0..255 (the official
"simplified" format, https://github.com/googlecreativelab/quickdraw-dataset#preprocessed-dataset).
"""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quickdraw.errors import DataError

Drawing = Sequence[Sequence[Sequence[float]]]  # [[[x...], [y...]], ...]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BOX = 256  # the side of the box that a drawing lies in
LINE_WIDTH = 16  # in units of that box, as is the padding
PADDING = 16  # kept free around the ink, on each side
MOST_WAY = 200_000  # units of that box that a drawing's pen may go up and down; a long drawing goes 10,000
PLAIN = {int, float}  # not the truth values and texts that numpy would take for numbers as well
CANVAS = BOX + 2 * PADDING + LINE_WIDTH  # 304: the side of the whole bitmap

# The official bitmaps are cairo's, which samples a pixel on 15 scan lines, measures exactly along each, and knows
# positions to 1/256 pixel. With the same 15 the mean difference is 0.16 grey levels; with 16 it is 0.23, with 4 0.72.
LINES = 15
BITS = 8
ONE = 1 << BITS  # a pixel, in the units of the intervals
BATCH = 16  # drawings rendered together: 5,500 a second, 3,900 one by one (calls), 3,500 by 128 (cache)


def rasterise(drawing: Drawing, size: int = 28) -> Bytes:
    """Render a drawing as the official bitmaps were: uint8 [size, size], 0 paper, 255 ink.

    A stroke is a line with round caps and joins, anti-aliased, laid over the strokes before it. The drawing keeps its
    scale; what it takes of the box, from (0, 0) to its largest x and y, is centred. No stroke at all is blank paper,
    a stroke of one point is a dot.
    """
    return rasterise_all([drawing], size)[0]


def rasterise_all(drawings: Sequence[Drawing], size: int = 28) -> Bytes:
    """Render many drawings: uint8 [N, size, size].

    A line with round ends meets a scan line in one interval, so a stroke on a scan line is a union of intervals, which
    sorting finds. That is exact along the line, and takes some 3,500 intervals a drawing where a grid of 4 x 4 samples
    a pixel has 12,544 samples.
    """
    images = np.zeros((len(drawings), size, size), np.uint8)
    for start in range(0, len(drawings), BATCH):
        images[start : start + BATCH] = _render(drawings[start : start + BATCH], size)
    return images


def _render(drawings: Sequence[Drawing], size: int) -> Ints:
    """Render one batch: int [N, size, size]. All strokes of all drawings are cut up and summed in the same calls."""
    images = np.zeros((len(drawings), size, size), np.int64)
    centred, lengths, owners = [], [], []
    for index, drawing in enumerate(drawings):
        points, counts = _points(drawing)
        if counts:
            centred.append(points + (CANVAS - points.max(axis=1, keepdims=True)) / 2)
            lengths += counts
            owners += [index] * len(counts)
    if not owners:
        return images
    pixels = np.rint(np.concatenate(centred, axis=1) * (size / CANVAS * ONE)) / ONE
    spans = _disjoint(*_spans(pixels, np.array(lengths), size), size)
    for owner, ink in zip(owners, _coverage(*spans, len(owners), size), strict=True):
        image = images[owner]
        image[:] = ink + ((255 - ink) * image + 127) // 255  # rounded after every stroke, as cairo does
    return images


def _points(drawing: Drawing) -> tuple[Floats, list[int]]:
    """Check a drawing; return its points, float [2, P], and the number of points of each stroke that has any."""
    try:
        xs, ys = [stroke[0] for stroke in drawing], [stroke[1] for stroke in drawing]
        counts = [len(x) for x in xs]
        of_points = any(map(_is_of_points, drawing))
        paired = counts == [len(y) for y in ys]
        kinds = set(map(type, itertools.chain.from_iterable(xs))) | set(map(type, itertools.chain.from_iterable(ys)))
        plain = all(issubclass(kind, np.number) for kind in kinds - PLAIN)
        points = np.array([*itertools.chain.from_iterable(xs), *itertools.chain.from_iterable(ys)], np.float64)
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise DataError(f"expected a drawing, a list of strokes [[x...], [y...]], got {_shown(drawing)}") from error
    if of_points:
        raise DataError(
            f"expected strokes [[x...], [y...]], got one that looks like a list of points [x, y], {_shown(drawing)}; "
            "turn each stroke: list(zip(*stroke))"
        )
    if not paired or not plain or points.ndim != 1:
        raise DataError(f"expected as many x as y in every stroke, and plain numbers, got {_shown(drawing)}")
    if not ((points >= 0) & (points < BOX)).all():  # NaN is neither
        low, high = points.min(), points.max()
        raise DataError(f"expected strokes in 0..255, got {low:g}..{high:g}; move the drawing to 0 and scale it first")
    points = points.reshape(2, -1)
    way = LINE_WIDTH * points.shape[1] + np.abs(np.diff(points[1])).sum()  # what its rendering takes in time and memory
    if way > MOST_WAY:
        raise DataError(
            f"expected a drawing, got {points.shape[1]:,} points whose lines go {way:,.0f} units up and down, "
            f"at most {MOST_WAY:,} are rendered; simplify the drawing or leave it out"
        )
    return points, [count for count in counts if count]


def _is_of_points(stroke: Sequence[Sequence[float]]) -> bool:
    """Whether a stroke holds more than x, y and perhaps the time, which ascends."""
    return len(stroke) > 3 or (len(stroke) == 3 and sorted(stroke[2]) != list(stroke[2]))


def _shown(drawing: object) -> str:
    text = " ".join(repr(drawing).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _spans(points: Floats, lengths: Ints, size: int) -> tuple[Ints, Ints, Ints]:
    """Cut every segment of every stroke into scan lines.

    Takes points in pixels, float [2, P], and the points of each stroke, int [S]. Returns for each of M cuts the scan
    line (stroke * size * LINES + line) and the interval from left to right in 1/256 pixel: three times int [M].
    """
    radius = LINE_WIDTH / 2 * size / CANVAS
    stroke = np.repeat(np.arange(len(lengths)), lengths)
    last = np.cumsum(lengths) - 1
    ends = np.arange(1, len(stroke) + 1)  # a segment leads from each point to the next,
    ends[last] = last  # and from the last to itself: it is the dot of a stroke of one point, and changes no other
    (x, y), (next_x, next_y) = points, points[:, ends]
    upward = y > next_y
    top_x, top_y = np.where(upward, next_x, x), np.where(upward, next_y, y)
    dx = np.where(upward, x - next_x, next_x - x)
    dy = np.maximum(np.abs(next_y - y), 1e-9)  # so that a level line too has a top and a slope

    first_line = np.ceil((top_y - radius) * LINES - 0.5).astype(np.int64)
    lines = np.floor((top_y + dy + radius) * LINES + 0.5).astype(np.int64) - first_line
    segment = np.repeat(np.arange(len(dx)), lines)
    line = np.arange(len(segment)) + np.repeat(first_line - np.cumsum(lines) + lines, lines)

    # A line with round ends is what a disc covers that moves from top to bottom. On a scan line that lies `below` the
    # top, the disc whose centre lies `v` above it reaches sqrt(r^2 - v^2) to either side of its centre. The disc that
    # reaches furthest is the one whose rim runs along the segment there, v = r dx / length, or else the nearest end.
    below = (line + 0.5) / LINES - top_y[segment]
    beneath_end = below - dy[segment]
    slope = (dx / dy)[segment]
    tangent = (radius * dx / np.hypot(dx, dy))[segment]
    start = top_x[segment]
    v = np.minimum(np.maximum(tangent, beneath_end), below)
    left = start + (below - v) * slope - np.sqrt(np.maximum(radius**2 - v * v, 0))
    v = np.minimum(np.maximum(-tangent, beneath_end), below)
    right = start + (below - v) * slope + np.sqrt(np.maximum(radius**2 - v * v, 0))
    scan_line = stroke[segment] * (size * LINES) + line
    return scan_line, np.rint(left * ONE).astype(np.int64), np.rint(right * ONE).astype(np.int64)


def _disjoint(line: Ints, left: Ints, right: Ints, size: int) -> tuple[Ints, Ints, Ints]:
    """Make the intervals of each scan line disjoint and keep their union: three times int [M] in, at most M out.

    Line, left and right are packed into one integer, so that one sort does it, with no argsort and no gathering.
    """
    bits = (size * ONE).bit_length()
    mask = (1 << bits) - 1
    packed = np.sort((((line << bits) | left) << bits) | right)
    start = packed >> bits  # line and left, ascending
    line = start >> bits
    reached = np.maximum.accumulate((line << bits) | (packed & mask))  # a line begins beyond all before it
    start[1:] = np.maximum(start[1:], reached[:-1])
    new = reached > start
    return line[new], start[new] & mask, reached[new] & mask


def _coverage(line: Ints, left: Ints, right: Ints, strokes: int, size: int) -> Ints:
    """Sum disjoint intervals into the ink of each stroke: int [strokes, size, size] in 0..255."""
    row = line // LINES * size
    begins, ends = row + (left >> BITS), row + (right >> BITS)  # the pixels that the intervals begin and end in
    pixels = strokes * size * size
    # An interval that begins at a fraction f of a pixel fills 1 - f of it and all of the next ones; one that ends there
    # takes the same away again. So note how each pixel differs from its left neighbour, then add up from the left.
    whole = np.bincount(begins, minlength=pixels) - np.bincount(ends, minlength=pixels)
    fractions = np.concatenate([left & (ONE - 1), -(right & (ONE - 1))])
    moved = np.bincount(np.concatenate([begins, ends]), fractions, minlength=pixels).astype(np.int64)
    change = ONE * whole - moved
    change[1:] += moved[:-1]
    ink = np.cumsum(change).reshape(strokes, size, size)
    return (255 * ink + ONE * LINES // 2) // (ONE * LINES)
