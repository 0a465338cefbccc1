"""Files of the cache that hold their own sha256: one that changed is never believed, and its owner makes it anew."""

import contextlib
import hashlib
import logging
import math
from pathlib import Path

from quickdraw.files import atomic_write, read_bounded

DIGEST_BYTES = 32  # at the end of the file

log = logging.getLogger("quickdraw")


def read(path: Path) -> bytes | None:
    """The content that was written to `path`; None where there is none, or after a line where it is another one."""
    try:
        data = read_bounded(path, most=math.inf)
    except (OSError, ValueError):
        return None
    content, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        say_damaged(path)
        return None
    return content


def sealed(content: bytes) -> bytes:
    """The content with its sha256, as `read` expects a file."""
    return content + hashlib.sha256(content).digest()


def keep(path: Path, content: bytes) -> None:
    """Write `content` where that can be: without a cache the next start is slower, no more."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, sealed(content))


def say_damaged(path: Path) -> None:
    """Print that a file of the cache is made anew."""
    log.warning("warning: %s is not as it was written; it is made anew", path)
