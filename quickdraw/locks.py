"""One holder at a time: a lock file, which the kernel gives back however its process ends."""

import contextlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

POLL_S = 0.05  # between two tries

__all__ = ["Timeout", "is_held", "take_lock"]


def take_lock(
    path: Path, on_wait: Callable[[], object] = lambda: None, timeout_s: float = math.inf
) -> AbstractContextManager[Any]:
    """Take the lock file `path`, in a folder made where there is none. Use as `with take_lock(path): ...`.

    When somebody else holds it, `on_wait` is called once, before up to `timeout_s` are waited. Raises Timeout after
    that, and OSError when there can be no such file: always here, so what the block raises is the block's own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        on_wait()
    return lock.acquire(timeout=min(timeout_s, 1e9), poll_interval=POLL_S)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file `path`; asked without writing, where the system can."""
    if not path.is_file():
        return False
    try:
        import fcntl
    except ImportError:  # Windows
        lock = FileLock(path, timeout=0)
        try:
            with lock:
                return False
        except (Timeout, OSError):
            return True
    with contextlib.suppress(PermissionError), path.open("rb") as file:  # nobody but its holder could tell
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
