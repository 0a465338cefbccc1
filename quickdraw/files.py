"""Every file of ours is whole or absent: the one way a file is written.

The new bytes go to a temporary file in the same folder, which is flushed to the disk and renamed over the old one, and
the rename itself is flushed too. A reader sees the old file or the new one, also after a power cut.
"""

import contextlib
import json
import math
import os
import secrets
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TEMPORARY = ".tmp"  # the ending of a file that is being written
OTHER_FILES = 256  # that a training has open beside its drawings: libraries, logs, pipes
DEEPEST = 50  # a file of ours has lists and objects in each other 5 deep
LARGEST = 16_000_000  # bytes of a file that is read as a whole: hundreds of starts of a run on 345 classes
LONGEST_NUMBER = 25  # digits


def atomic_write(path: str | os.PathLike[str], data: bytes | Iterable[bytes]) -> None:
    """Write `data`, or one piece of it after the other, to `path`, whole or not at all.

    The folder must exist. Raises OSError (disk full, read-only, ...) with nothing left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with open(temporary, "xb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all. NaN and infinity are refused (ValueError): not JSON.

    The bytes of a path that are no text come to us as lone surrogates and are written as JSON escapes, `\\udcff`.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(path, text.encode(errors="backslashreplace"))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is none, or one that cannot be ours."""
    try:
        value = parse_json(read_bounded(path))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_bounded(path: Path, most: float = LARGEST) -> bytes:
    """The bytes of a file; raises OSError as `open` does, ValueError for what is no file, or has more than `most`."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
        raise ValueError("expected a file, got a folder or a device")
    if status.st_size > most:
        raise ValueError(f"expected at most {most:,} bytes, got {status.st_size:,}")
    return path.read_bytes()


def parse_json(text: bytes | str, finite: bool = True) -> Any:
    """The value in JSON; raises ValueError for what cannot be ours: nested too deep, a number that is none or too long.

    Without `finite`, NaN and infinity pass, which other programs write.
    """
    try:
        if finite:
            value = json.loads(text, parse_int=short_int, parse_float=finite_float, parse_constant=finite_float)
        else:
            value = json.loads(text, parse_int=short_int)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if is_too_deep(value):
        raise ValueError("nested too deep")
    return value


def short_int(digits: str) -> int:
    """A whole number that a float can hold, too."""
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def finite_float(digits: str) -> float:
    """A number that is finite."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits:.20} is not a finite number")
    return value


def is_too_deep(value: Any) -> bool:
    """Whether more than DEEPEST lists and objects lie in each other; found without recursion."""
    level = [value]
    for _ in range(DEEPEST + 1):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = inner
    return bool(level)


def user_path(text: str | os.PathLike[str]) -> Path:
    """A path as a user types it: `~` is the home folder, in quotes too, where no shell has seen it."""
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # no such user: a folder may be called so
        return path.expanduser()
    return path


def allow_open_files(count: int) -> None:
    """Let this process open so many files, and some more, as far as the system's hard limit goes."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft not in (resource.RLIM_INFINITY, wanted) and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def make_folder(folder: Path) -> None:
    """Make a folder where there is none, so that no power cut takes it away; the one above it must exist."""
    if not folder.is_dir():
        folder.mkdir()
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut, where the system can (Windows cannot open a folder)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path, older_than_s: float = 0.0) -> None:
    """Remove the temporary files, at any depth, of a process that was killed while it wrote.

    In a folder that several processes share, `older_than_s` spares the files that another one is writing right now.
    """
    for temporary in folder.rglob(f".*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            if time.time() - temporary.stat().st_mtime >= older_than_s:
                temporary.unlink()
