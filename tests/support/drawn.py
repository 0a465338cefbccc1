"""A drawing as people's pictures show it: inks, papers, light, frames and dirt."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Ink = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

# As the official drawings: from 0, 0, the longer side 255.
CAT = [
    [[5, 25, 55, 135, 165, 185, 190], [110, 0, 60, 60, 5, 100, 160]],
    [[190, 155, 95, 35, 0, 5], [160, 230, 255, 235, 170, 110]],
    [[60, 65], [120, 125]],
    [[130, 135], [120, 125]],
    [[85, 97, 110], [175, 185, 173]],
]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def ink(
    size: tuple[int, int] = (420, 380),
    pen: int = 8,
    box: int = 280,
    corner: tuple[int, int] | None = None,
    drawing: Sequence[Sequence[Sequence[float]]] = CAT,
) -> Ink:
    """How much ink each pixel has, float [H, W] in [0, 1]; in the middle unless a corner is given."""
    left, top = corner or ((size[0] - box) // 2, (size[1] - box) // 2)
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    for xs, ys in drawing:
        points = [(left + x * box / 255, top + y * box / 255) for x, y in zip(xs, ys, strict=True)]
        draw.line(points, fill=255, width=pen, joint="curve")
        for x, y in points:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)
    return np.asarray(image) / 255.0


def coloured(drawn: Ink, paper: Colour | npt.NDArray[np.float64] = WHITE, pen: Colour = BLACK) -> Bytes:
    """Ink on paper, uint8 [H, W, 3]. The paper is one colour, or float [H, W, 3]."""
    share = drawn[..., None]
    return np.rint(np.clip(np.asarray(paper) * (1 - share) + np.asarray(pen) * share, 0, 255)).astype(np.uint8)


def slopes(drawn: Ink) -> tuple[Ink, Ink]:
    """From top to bottom, and from left to right: float [H, W] in [0, 1] each."""
    rows, columns = np.mgrid[0 : 1 : drawn.shape[0] * 1j, 0 : 1 : drawn.shape[1] * 1j]
    return rows, columns


def framed(picture: Bytes, width: int, inset: int = 0, colour: Colour = BLACK) -> Bytes:
    """A picture with a frame drawn into it."""
    result = picture.copy()
    height, breadth = picture.shape[:2]
    inner = result[inset : height - inset, inset : breadth - inset]
    inner[:width] = inner[-width:] = colour
    inner[:, :width] = inner[:, -width:] = colour
    return result


def on_desk(picture: Bytes, desk: Colour, room: int) -> Bytes:
    """A picture of paper that lies on a desk."""
    height, width = picture.shape[:2]
    result = np.full((height + 2 * room, width + 2 * room, 3), desk, np.uint8)
    result[room:-room, room:-room] = picture
    return result


def similarity(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """The correlation of two bitmaps: 1 for the same, about 0 for two different drawings."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
