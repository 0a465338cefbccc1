"""Any picture of one drawing, brought to the geometry of the official bitmaps."""

from pathlib import Path

import numpy as np
from PIL import Image

from quickdraw.data.picture.bitmap import is_own_geometry, to_bitmap
from quickdraw.data.picture.decode import decode
from quickdraw.data.picture.ground import ink_distance, plain_distance
from quickdraw.data.picture.parts import drawing_of
from quickdraw.errors import DataError

LEAST_SIDE = 512  # pixels of the longer side; what is smaller is enlarged first


def read_picture(path: Path) -> np.ndarray:
    """The drawing in a picture file as uint8 [28, 28], 0 paper, 255 ink.

    Ink of any colours on a ground of any other, or on none (alpha), of any size; a picture of 28 x 28 pixels that has
    the geometry of the dataset's own bitmaps keeps it. Raises DataError for what is no picture or shows nothing.
    """
    picture = decode(path)
    bitmap = own_bitmap(picture) if picture.size == (28, 28) else None
    if bitmap is None:
        bitmap = bitmap_of(picture)
    if bitmap is None:
        raise DataError(f"{path}: the picture is empty: no ink that differs from its ground")
    return bitmap


def own_bitmap(picture: Image.Image) -> np.ndarray | None:
    """The bitmap in a picture of 28 x 28 that is one of the dataset's own; None if it is not."""
    distance = plain_distance(picture)
    strength = distance / 255
    return np.rint(255 * strength).astype(np.uint8) if is_own_geometry(strength) else None


def bitmap_of(picture: Image.Image) -> np.ndarray | None:
    """The bitmap of the drawing in a picture; None if there is no ink."""
    pixel = max(1.0, LEAST_SIDE / max(picture.size))
    width, height = (max(1, round(side * pixel)) for side in picture.size)
    if pixel > 1:
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    distance = ink_distance(picture)
    if distance is None:
        return None
    ink = drawing_of(distance, pixel)
    return to_bitmap(ink) if ink.any() else None
