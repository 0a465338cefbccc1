"""Paper that lies on something else: what is around the paper takes its colour."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from quickdraw.data.picture.colours import TOLERANCE, colour_distance, paper_colour, small

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

LEAST_PAPER, MOST_PAPER = 0.08, 0.97  # of the picture
LEAST_SPAN = 0.2  # of the paper's height or width that a drawing on it takes; a door's handle takes less
MOST_LINES = 0.35  # of the paper
LEAST_STEP = 30.0  # levels between the paper's edge and what lies beside it; light that falls off has no such edge
LEAST_RECTANGULARITY = 0.82  # a disc has 0.79; a sheet that is seen aslant has less than 1
DESK = 0.03  # of the longer side: narrower things are lines


def without_desk(colours: Floats) -> Floats:
    """Colours, float [H, W, 3], with the paper's own around the paper, if paper lies on something else."""
    cells = small(colours)
    other = colour_distance(cells - paper_colour(cells)) > 1.5 * TOLERANCE
    for region in (_beside_desk(other), _on_desk(other)):
        if region is not None and _is_paper(region, cells):
            kept = ndimage.binary_erosion(region, iterations=2)
            image = Image.fromarray(kept.astype(np.uint8) * 255).resize(colours.shape[1::-1])
            return np.where(np.asarray(image)[..., None] > 127, colours, np.median(cells[kept], axis=0))
    return colours


def _beside_desk(other: Bools) -> Bools | None:
    """The part of the commonest colour, where a desk of `other` colours surrounds it."""
    wide = max(3, round(DESK * max(other.shape)))
    areas, _ = ndimage.label(ndimage.binary_opening(other, np.ones((wide, wide))))
    border = np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])
    desk = np.isin(areas, np.unique(border[border > 0]))
    return _largest(~desk)


def _on_desk(other: Bools) -> Bools | None:
    """The part of `other` colours, where the commonest is the desk's."""
    return _largest(ndimage.binary_opening(ndimage.binary_fill_holes(other), iterations=2))


def _largest(mask: Bools) -> Bools | None:
    labels, count = ndimage.label(mask)
    if not count:
        return None
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(ndimage.binary_fill_holes(labels == sizes.argmax()))


def _is_paper(region: Bools, cells: Floats) -> bool:
    """Whether a region has a sharp edge all around, and one colour with lines on it; a filled shape has no lines."""
    border = np.concatenate([region[0], region[-1], region[:, 0], region[:, -1]])
    inner = ndimage.binary_erosion(region, iterations=2)
    if not LEAST_PAPER <= region.mean() <= MOST_PAPER or border.mean() > 0.15 or not inner.any():
        return False
    if _rectangularity(region) < LEAST_RECTANGULARITY:
        return False
    paper = np.median(cells[inner], axis=0)
    inside = inner & ~ndimage.binary_erosion(inner, iterations=2)
    outside = ndimage.binary_dilation(region, iterations=4) & ~ndimage.binary_dilation(region, iterations=1)
    if not inside.any() or not outside.any():
        return False
    edge, beside = np.median(cells[inside], axis=0), np.median(cells[outside], axis=0)
    lines = (colour_distance(cells - paper) > 1.5 * TOLERANCE) & inner
    if not lines.any():
        return False
    spans = np.ptp(np.argwhere(lines), axis=0) >= LEAST_SPAN * np.ptp(np.argwhere(region), axis=0)
    is_sharp = colour_distance(edge - beside) >= LEAST_STEP and colour_distance(edge - paper) < LEAST_STEP
    return bool(is_sharp and spans.any() and lines.sum() <= MOST_LINES * inner.sum())


def _rectangularity(region: Bools) -> float:
    """The share that a region fills of the smallest rectangle around it, turned as it may be: 1 for paper."""
    edge = region & ~ndimage.binary_erosion(region)
    points = np.argwhere(edge).astype(np.float64)
    angles = np.deg2rad(np.arange(0, 90, 3))
    along = points @ np.stack([np.cos(angles), np.sin(angles)])
    across = points @ np.stack([-np.sin(angles), np.cos(angles)])
    areas = (np.ptp(along, axis=0) + 1) * (np.ptp(across, axis=0) + 1)
    return float(region.sum() / areas.min())
