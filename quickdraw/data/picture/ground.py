"""Ink from ground: how far each pixel's colour lies from that of the paper around it.

The paper has one colour, or it is lit unevenly. Then its colour is estimated at every place: lines are what a
morphological closing (or opening, for light ink) fills up, and gradients and the edges of shadows stay as they are.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from quickdraw.data.picture.colours import TOLERANCE, colour_distance, paper_colour, small
from quickdraw.data.picture.desk import without_desk

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

LEAST_CONTRAST = 16  # levels of 0..255 between ink and ground; JPEG's noise on blank paper is less
NOISE = 4.5  # standard deviations of the paper's noise that ink must rise above
WIDEST_LINE = 0.14  # of the longer side; what is wider is an area, not a line
LEAST_AREA = 0.08  # of the picture that a sheet of paper takes
LEAST_INK = 0.02  # of the picture that lines of the least contrast take


def ink_distance(picture: Image.Image) -> Floats | None:
    """The distance of every pixel of an RGBA picture from its ground, float [H, W] from 0; None if nothing differs.

    Ink on a transparent ground is looked at on white paper, and on black if that shows nothing.
    """
    for paper in ("white", "black"):
        distance = _distance(_calmed(_laid_on(paper, picture)))
        if distance is not None:
            return distance
    return None


def _laid_on(paper: str, picture: Image.Image) -> Floats:
    """The colours of an RGBA picture that lies on paper, float [H, W, 3]."""
    below = Image.new("RGBA", picture.size, paper)
    return np.asarray(Image.alpha_composite(below, picture).convert("RGB"), np.float32)


def plain_distance(picture: Image.Image) -> Floats:
    """The distance of every pixel of an RGBA picture from its commonest colour, on white or on black: float [H, W]."""
    distances = []
    for paper in ("white", "black"):
        colours = _laid_on(paper, picture)
        distances.append(colour_distance(colours - paper_colour(colours)))
    on_white, on_black = distances
    return on_white if on_white.max() >= LEAST_CONTRAST else on_black


def noise_of(colours: Floats) -> float:
    """The standard deviation of the noise of float [H, W, 3], by the median difference of neighbours."""
    differences = np.abs(np.diff(colours.mean(axis=2), axis=1))
    return float(1.48 * np.median(differences) / np.sqrt(2)) if differences.size else 0.0


def _calmed(colours: Floats) -> Floats:
    """Colours, float [H, W, 3], blurred a little if they are noisy."""
    noise = noise_of(colours)
    if noise < 2 or max(colours.shape) < 200:
        return colours
    radius = 0.8 if noise < 8 else 1.6
    return ndimage.gaussian_filter(colours, (radius, radius, 0))


def _distance(colours: Floats) -> Floats | None:
    """The distance from the ground, float [H, W]; None if nothing is far enough from it to be ink."""
    colours = without_desk(colours)
    paper = paper_colour(colours)
    from_paper = colour_distance(colours - paper)
    uneven = _is_uneven(colours, from_paper)
    distance = _from_local_ground(colours) if uneven else from_paper
    least = max(LEAST_CONTRAST, NOISE * noise_of(colours))
    strong = distance[distance >= least]
    if not strong.size:
        return None
    return np.where(distance >= min(least, 0.5 * float(np.percentile(strong, 95))), distance, 0)


def _is_uneven(colours: Floats, from_paper: Floats) -> bool:
    """Whether the ground has more than one colour.

    So it is where an area that is too wide for a line differs from the commonest colour, and either lies at the
    picture's border or has lines inside. Otherwise such an area is ink: a shape that was filled.
    """
    cells = small(colours)
    other = small(from_paper) > 1.5 * TOLERANCE
    wide = max(3, round(WIDEST_LINE * max(other.shape)))
    areas = ndimage.binary_opening(other, np.ones((wide, wide)))
    labels, count = ndimage.label(areas)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    for label in range(1, count + 1):
        area = labels == label
        if np.count_nonzero(border == label) >= 0.12 * len(border):
            return True
        inside = ndimage.binary_erosion(ndimage.binary_fill_holes(area), iterations=2)
        if (area & inside).mean() >= LEAST_AREA:
            typical = np.median(cells[area & inside], axis=0)
            lines = colour_distance(cells - typical)[inside] > LEAST_CONTRAST
            if 0.01 <= lines.mean() <= 0.5:
                return True
    return False


def _from_local_ground(colours: Floats) -> Floats:
    """The distance from a ground that is estimated at every place, float [H, W], in shares of the light there."""
    cells = small(colours)
    wide = max(3, round(WIDEST_LINE * max(cells.shape[:2]))) | 1
    distances = []
    for channel in range(3):
        values, full = cells[..., channel], colours[..., channel]
        if _is_dark_ink(values):
            ground = _enlarged(_closed(values, wide), colours.shape)
            distances.append(np.clip(ground - full, 0, None) / (ground + 10))
        else:
            ground = _enlarged(255 - _closed(255 - values, wide), colours.shape)
            distances.append(np.clip(full - ground, 0, None) / (ground + 40))
    return 255 * colour_distance(np.stack(distances, axis=2))


def _is_dark_ink(values: Floats) -> bool:
    """Whether thin dark things stand out more than thin light ones; if there are none, wider ones decide."""
    is_dark = True
    for share in (WIDEST_LINE / 2.5, WIDEST_LINE):
        wide = max(3, round(share * max(values.shape))) | 1
        darker = (_closed(values, wide) - values) ** 2
        lighter = (values + _closed(255 - values, wide) - 255) ** 2
        is_dark = bool(darker.sum() >= lighter.sum())
        if max(darker.mean(), lighter.mean()) >= LEAST_INK * LEAST_CONTRAST**2:
            break
    return is_dark


def _closed(values: Floats, wide: int) -> Floats:
    """The values with dark lines filled up; at the border gradients are thought to go on."""
    room = min(wide, min(values.shape) - 1)
    padded = np.pad(values, room, mode="reflect", reflect_type="odd")
    closed = ndimage.grey_closing(padded, (wide, wide), mode="nearest")
    height, width = values.shape
    return np.clip(closed[room : room + height, room : room + width], 0, 255)


def _enlarged(values: Floats, shape: tuple[int, ...]) -> Floats:
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
