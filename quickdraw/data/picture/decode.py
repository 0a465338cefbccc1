"""Picture files, decoded within bounds: six formats, a known number of pixels, and no more of them than are needed.

A file's header says how large it is before a pixel is decoded, and a few KB can ask for many GB.
"""

import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from quickdraw.errors import DataError

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")  # Pillow would start Ghostscript for others
LARGEST_FILE = 400 * 10**6  # bytes
LONGEST_SIDE = 65_500  # pixels; what a JPEG can have
MOST_PIXELS = 120 * 10**6  # a telephone's largest photo has 108 million; a JPEG is decoded at a fraction of that
MOST_PIXELS_OF = {"WEBP": 40 * 10**6, "TIFF": 60 * 10**6}  # which are held two to four times while they are decoded
WORKING_SIDE = 1024  # pixels of the longer side that are kept; a line of one pixel in 6,000 is still seen

Result = TypeVar("Result")

BAND = 2**22  # pixels that are converted at once
DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")  # greys beyond 0..255
TILE_WIDTH, TILE_LENGTH = 322, 323  # TIFF's tags
ORIENTATION = 0x0112  # EXIF's tag: how a telephone was held
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(path: Path) -> Image.Image:
    """The picture in a file as RGBA, upright, its longer side at most WORKING_SIDE.

    Raises DataError for what is no picture, is damaged, or is too large to be decoded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd headers, and on sizes that are checked here
        with _opened(path) as file:
            _check_size(path, file)
            file.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size
            _naming_errors(path, file.load)
            orientation = _naming_errors(path, lambda: file.getexif().get(ORIENTATION, 1))
            small = _naming_errors(path, lambda: reduced(file))
            turn = TURNS.get(orientation)
            return small.transpose(turn) if turn is not None else small


def _opened(path: Path) -> Image.Image:
    """An open picture, of which only the header has been read."""
    try:
        status = path.stat()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise DataError(f"{path}: {reason}") from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: expected a file, got a folder or a device")
    if status.st_size > LARGEST_FILE:
        raise DataError(
            f"{path}: too large: {status.st_size:,} bytes, at most {LARGEST_FILE:,} are read; make it smaller"
        )
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError as error:
        names = ", ".join(FORMATS)
        raise DataError(f"{path}: not a picture: expected one of the formats {names}") from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise DataError(f"{path}: {_too_large(MOST_PIXELS)}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or 'damaged: its header cannot be read'}") from error
    except Exception as error:  # Pillow's parsers raise many kinds on damaged headers
        raise DataError(f"{path}: damaged: its header cannot be read ({type(error).__name__})") from error


def _check_size(path: Path, file: Image.Image) -> None:
    """Refuse a picture that would take too much memory or time, by what its header says."""
    most = MOST_PIXELS_OF.get(str(file.format), MOST_PIXELS)
    sizes = [file.size]
    tags = getattr(file, "tag_v2", {})
    if TILE_WIDTH in tags and TILE_LENGTH in tags:  # a TIFF's tile may be larger than its picture
        sizes.append((int(tags[TILE_WIDTH]), int(tags[TILE_LENGTH])))
    for width, height in sizes:
        if width * height > most or max(width, height) > LONGEST_SIDE:
            raise DataError(f"{path}: {_too_large(most)}; got {width:,} x {height:,}")


def _too_large(most: int) -> str:
    return f"too large: at most {most // 10**6} million pixels and {LONGEST_SIDE:,} a side are read; make it smaller"


def _naming_errors(path: Path, step: Callable[[], Result]) -> Result:
    """The result of a step of decoding, whatever it raises in the words of this program."""
    try:
        return step()
    except MemoryError as error:
        raise DataError(f"{path}: too large for the memory of this machine; make it smaller") from error
    except Exception as error:  # Pillow's decoders raise many kinds on damaged pixels
        cut = "truncated" in str(error).lower() or "not enough" in str(error).lower()
        reason = "truncated: the file ends before the picture does" if cut else "damaged: its pixels cannot be decoded"
        raise DataError(f"{path}: {reason}; copy or save it again") from error


def reduced(image: Image.Image) -> Image.Image:
    """A picture of 8-bit channels with its longer side at most WORKING_SIDE: the means of whole blocks of pixels.

    Palettes are looked up and deep greys are scaled on the way, in bands of rows, so that no large copy is made.
    """
    factor = -(-max(image.size) // WORKING_SIDE)
    low, high = _extremes(image)
    rows = max(factor, BAND // image.width // factor * factor)
    width, height = (-(-side // factor) for side in image.size)
    small = Image.new("RGBA", (width, height))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        if image.mode in DEEP_MODES:
            band = _eight_bits(band, low, high)
        band = band.convert("RGBA")
        small.paste(band.reduce(factor) if factor > 1 else band, (0, top // factor))
    return small


def _extremes(image: Image.Image) -> tuple[float, float]:
    """The least and the largest value of a picture of deep greys, which may be 0..1, 0..4095, or anything."""
    if image.mode not in DEEP_MODES:
        return 0, 255
    rows = max(1, BAND // image.width)
    low, high = np.inf, -np.inf
    for top in range(0, image.height, rows):
        band = np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))), np.float64)
        finite = band[np.isfinite(band)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return low, high


def _eight_bits(band: Image.Image, low: float, high: float) -> Image.Image:
    """Deep greys on a scale from the picture's least to its largest; what is no number is least."""
    if not high > low:
        return Image.new("L", band.size)
    values = np.nan_to_num(np.asarray(band, np.float64), nan=low, posinf=high, neginf=low)
    return Image.fromarray(np.rint((values - low) * (255 / (high - low))).astype(np.uint8))
