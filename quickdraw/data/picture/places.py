"""The pictures that a command line names: files, folders and patterns."""

import re
from collections.abc import Sequence
from pathlib import Path

from quickdraw.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")


def picture_files(places: Sequence[Path]) -> list[Path]:
    """The files in the order of the command line; those of a folder or a pattern (`*.png`) in the order of their names.

    A file that is named is taken, whatever its ending. Raises DataError for a folder or a pattern without a picture.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            found = [path for path in place.iterdir() if _is_picture(path)]
        elif not place.exists() and any(letter in str(place) for letter in "*?["):
            root = Path(place.anchor)
            found = [path for path in root.glob(str(place.relative_to(root))) if _is_picture(path)]
        else:
            found = [place]
        if not found:
            raise DataError(f"{place}: no picture there; expected files that end in {', '.join(ENDINGS)}")
        files += sorted(found, key=_by_number)
    return files


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and path.is_file() and not path.name.startswith(".")


def _by_number(path: Path) -> list[tuple[bool, int, str]]:
    """The key of an order in which 2.png comes before 10.png."""
    parts = re.split(r"([0-9]+)", str(path))
    return [(part.isdecimal(), int(part[:18]) if part.isdecimal() else 0, part) for part in parts]
