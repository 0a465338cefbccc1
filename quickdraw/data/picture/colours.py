"""Colours: how far one lies from another, which is the commonest, and a picture of fewer cells."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.floating[Any]]

CELLS = 160  # of the longer side of the small picture that the ground is estimated on
TOLERANCE = 14.0  # levels: what counts as the paper's own colour


def colour_distance(difference: Floats) -> Floats:
    """The length of differences of colour, float [..., 3], so that black lies 255 from white."""
    return np.sqrt((difference**2).mean(axis=-1))


def paper_colour(colours: Floats) -> Floats:
    """The commonest colour of float [H, W, 3]: the median of those near the fullest cell of the colours' histogram."""
    flat = colours.reshape(-1, 3)
    counts, _ = np.histogramdd(flat, bins=16, range=[(0, 256)] * 3)
    counts = ndimage.uniform_filter(counts, 3, mode="constant")  # a colour may lie between two cells
    fullest = np.array(np.unravel_index(int(counts.argmax()), counts.shape))
    near = (np.abs(flat - (fullest * 16 + 8)) <= 24).all(axis=1)
    return np.median(flat[near], axis=0) if near.any() else np.median(flat, axis=0)


def small(colours: Floats) -> Floats:
    """The colours with the longer side brought down to CELLS."""
    return blocks(colours, max(colours.shape) // CELLS)


def blocks(values: Floats, factor: int) -> Floats:
    """The means of blocks of factor x factor of values, float [H, W, ...]; what is left at the end is left out."""
    factor = max(1, min(factor, *values.shape[:2]))
    height, width = (side // factor for side in values.shape[:2])
    whole = values[: height * factor, : width * factor]
    return whole.reshape(height, factor, width, factor, *values.shape[2:]).mean(axis=(1, 3))
