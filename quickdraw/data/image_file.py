"""Any picture of one drawing, brought to the geometry of the official bitmaps.

The official recipe (`rasterise`) lays a drawing whose longer side is 255 units, with lines 16 wide, into the middle of
304 units, and those into 28 pixels. So ink is found on whatever ground, its box takes 271 of 304, and lines that would
be thinner than 16 are thickened: a line of one pixel in a large picture would else be a shade of grey.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from quickdraw.data.rendering.rasterise import BOX, CANVAS, LINE_WIDTH
from quickdraw.errors import DataError

SIDE = 542  # pixels of the ink's longer side while lines are measured: two a unit
UNITS = BOX - 1 + LINE_WIDTH  # 271: the longer side of a drawing's ink
LEAST_CONTRAST = 24  # grey levels between ink and ground; JPEG's noise on blank paper is less
SLANT = 4 / np.pi  # how many pixel edges a line has for its length, on average over its directions


def read_picture(path: Path) -> np.ndarray:
    """Return the drawing in a picture file as uint8 [28, 28], 0 paper, 255 ink.

    Dark ink on light ground, light on dark, or any on none (alpha), of any size; one of 28 x 28 pixels is taken for a
    bitmap and keeps its geometry. Raises DataError for what is no picture or shows nothing.
    """
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert("RGBA")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except Exception as error:  # Pillow raises many kinds on bytes that are no picture
        reason = getattr(error, "strerror", None) or "no picture of a format that Pillow reads"
        raise DataError(f"{path}: expected a picture such as .png or .jpg: {reason}") from error
    ink = find_ink(picture)
    if ink is None:
        raise DataError(f"{path}: the picture is empty: no ink that differs from its ground")
    return np.rint(255 * ink).astype(np.uint8) if ink.shape == (28, 28) else to_bitmap(ink)


def find_ink(picture: Image.Image) -> np.ndarray | None:
    """Return how much ink each pixel of an RGBA picture has, float32 [H, W] in [0, 1]; None if there is none.

    The ground is what most of the border shows. On a transparent ground, white ink is only seen against black.
    """
    for paper in ("white", "black"):
        below = Image.new("RGBA", picture.size, paper)
        grey = np.asarray(Image.alpha_composite(below, picture).convert("L"), np.float32)
        border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
        ground = float(np.median(border))
        darker, lighter = ground - float(grey.min()), float(grey.max()) - ground
        if max(darker, lighter) >= LEAST_CONTRAST:
            return np.clip((ground - grey) / darker if darker >= lighter else (grey - ground) / lighter, 0, 1)
    return None


def to_bitmap(ink: np.ndarray) -> np.ndarray:
    """Return ink, float [H, W] in [0, 1], as the official recipe would have drawn it, uint8 [28, 28]."""
    ink = cropped(ink)
    step = max(ink.shape) // SIDE
    if step > 1:  # the strongest of each block, so that thin lines do not fade
        height, width = (-(-side // step) * step for side in ink.shape)
        ink = np.pad(ink, ((0, height - ink.shape[0]), (0, width - ink.shape[1])))
        ink = ink.reshape(height // step, step, width // step, step).max(axis=(1, 3))
    scale = SIDE / max(ink.shape)
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    image = Image.fromarray((ink * 255).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    missing = LINE_WIDTH * SIDE / UNITS - line_width(np.asarray(image) > 127)
    if missing >= 2:
        room = ImageOps.expand(image, round(missing))
        image = room.filter(ImageFilter.MaxFilter(2 * round(missing / 2) + 1))
    ink = cropped(np.asarray(image, np.float32) / 255)
    side = max(ink.shape) * CANVAS / UNITS
    canvas = Image.new("L", (round(side), round(side)))
    left, top = (canvas.width - ink.shape[1]) // 2, (canvas.height - ink.shape[0]) // 2
    canvas.paste(Image.fromarray((ink * 255).astype(np.uint8)), (left, top))
    return np.asarray(canvas.resize((28, 28), Image.Resampling.BOX))


def cropped(ink: np.ndarray) -> np.ndarray:
    """Return the box of what is at least half ink."""
    rows, columns = (np.flatnonzero((ink >= 0.5).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def line_width(ink: np.ndarray) -> float:
    """Return the mean width in pixels of the lines in a picture, bool [H, W]: their area over half their outline."""
    framed = np.pad(ink, 1)
    edges = sum(int(np.count_nonzero(np.diff(framed, axis=axis))) for axis in (0, 1))
    return float(2 * SLANT * ink.sum() / edges) if edges else 0.0
