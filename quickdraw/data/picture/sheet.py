"""A sheet that shows of each picture what came in, the 28 x 28 that the network saw, and the answers."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from quickdraw.data.picture.decode import decode
from quickdraw.errors import DataError
from quickdraw.files import atomic_write

SIDE = 168  # pixels of a picture and of its bitmap: six a pixel of it
TEXT = 264  # pixels of the answers' width
GAP = 12
ROWS = 50  # on a sheet; more pictures make more sheets
LETTERS = 36  # of a line


@dataclass(frozen=True)
class Row:
    """A picture's path, its bitmap, uint8 [28, 28], and the lines to write beside them."""

    path: Path
    bitmap: np.ndarray
    lines: Sequence[str]


def save_sheets(path: Path, rows: Sequence[Row]) -> list[Path]:
    """Write the sheets: FILE.png, and for more than ROWS pictures FILE-2.png and so on. Return their paths."""
    if path.suffix.lower() != ".png":
        raise DataError(f"{path}: expected the name of a .png to write the sheet to")
    written = []
    for number, start in enumerate(range(0, len(rows), ROWS), 1):
        place = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        buffer = io.BytesIO()
        sheet_of(rows[start : start + ROWS]).save(buffer, "PNG")
        place.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(place, buffer.getvalue())
        written.append(place)
    return written


def sheet_of(rows: Sequence[Row]) -> Image.Image:
    """One sheet, a row for each picture."""
    height = SIDE + GAP
    sheet = Image.new("RGB", (2 * (SIDE + GAP) + TEXT + GAP, len(rows) * height + GAP), "#e8e8e8")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for number, row in enumerate(rows):
        top = GAP + number * height
        # what came in
        picture = decode(row.path)
        picture.thumbnail((SIDE, SIDE))
        left = GAP + (SIDE - picture.width) // 2
        sheet.paste(picture, (left, top + (SIDE - picture.height) // 2), picture)
        # what the network saw
        bitmap = Image.fromarray(255 - row.bitmap).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        sheet.paste(bitmap, (2 * GAP + SIDE, top))
        # what it answered
        for place, line in enumerate([row.path.name, *row.lines]):
            short = line if len(line) <= LETTERS else line[: LETTERS - 3] + "..."
            draw.text((3 * GAP + 2 * SIDE, top + 20 * place), short, fill="#202020", font=font)
    return sheet
