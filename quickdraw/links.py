"""Links inside the folders that a command writes to: what is written to one would land somewhere else."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from quickdraw.errors import RunError


def check_run_folder(folder: Path) -> None:
    """Raise RunError if a run's folder holds, at any depth, anything but plain files and folders.

    The folder itself may be a link: its owner keeps runs on another disk.
    """
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            check_plain(Path(place, name))


def check_sweep_folder(folder: Path) -> None:
    """Raise RunError if the sweep's own files, which lie beside its jobs' folders, are not plain files and folders.

    A job's whole folder may be a link, as a run's may.
    """
    for path in entries(folder):
        is_job = path.is_dir() and not path.name.startswith(".")
        if not is_job:
            check_plain(path)


def entries(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder; nothing where there is none."""
    if folder.is_dir():
        yield from folder.iterdir()


def check_plain(path: Path) -> None:
    """Raise RunError for anything but a plain file or folder: a link, a pipe, a device.

    What is no longer there is none of them: another process has written, renamed or removed a file of its own.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            return
        got = f"a link to {path.readlink()}" if stat.S_ISLNK(mode) else "neither"
    except FileNotFoundError:
        return
    raise RunError(f"{path}: expected a plain file or folder, got {got}; remove it, or choose another folder")
