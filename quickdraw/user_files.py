"""Files that users add beside ours (a model, a data set, an optimizer, a schedule), and errors raised in them."""

import traceback
from pathlib import Path

from quickdraw.errors import ConfigError, first_line

PACKAGE = Path(__file__).parent

# Our own files in the folders that are made for users' files. What is raised in these is a bug of the project.
OURS = {
    "model": {"__init__", "convnet", "layers", "mlp", "resnet18", "small_resnet"},
    "optimizer": {"__init__"},
    "data": {
        "__init__",
        "augment",
        "batches",
        "bitmaps",
        "cached",
        "class_files",
        "dataset",
        "download",
        "drawings",
        "fingerprint",
        "image_file",
        "names",
        "npy_header",
        "pixel_check",
        "resident",
        "split",
        "strokes",
        "synthetic",
    },
}


def is_user_file(path: Path) -> bool:
    """Whether a file is a user's own: one in a folder of choices that is not ours, or the schedules."""
    if path == PACKAGE / "schedule.py":
        return True
    ours = OURS.get(path.parent.name)
    return ours is not None and path.parent.parent == PACKAGE and path.stem not in ours


def error_in_user_file(error: Exception) -> ConfigError | None:
    """Name the line of a user's own file that raised an error, as an error of one line; None if none did.

    The innermost such line is named: what it called may lie in torch, or in a file of ours.
    """
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if is_user_file(Path(frame.filename)):
            place = f"{shortest(Path(frame.filename))}:{frame.lineno}"
    if isinstance(error, SyntaxError) and error.filename and is_user_file(Path(error.filename)):
        place = f"{shortest(Path(error.filename))}:{error.lineno}"
    return ConfigError(f"{place}: {type(error).__name__}: {first_line(error)}") if place else None


def shortest(path: Path) -> Path:
    """The path as a user in the current folder would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
