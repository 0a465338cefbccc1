"""How a job learns that it is pruned: in a search it asks after each epoch whether to go on.

On the search's own machine it shares a pipe with the search's process. Nothing but short texts goes through it; the
scores lie in the job's folder. On another machine it looks for a file in that folder (`sweep.orders`), and never waits.
"""

import contextlib
import os
from multiprocessing import connection
from pathlib import Path

from quickdraw.errors import PrunedError

EPOCH = b"epoch"
LAST_WORDS = b"last words: "  # before the cause of an end that no file can hold
TOO_WIDE = "too wide"  # how a pack ends whose memory does not hold so many lanes
PRUNABLE = "QUICKDRAW_PRUNABLE"  # set in a process whose parent wants to be asked

ORDER = ".prune"  # the file that ends a job: why

pipe: "connection.Connection | None" = None  # to the process that started this one
folder: Path | None = None  # where an order may lie, in a process that another machine's search may end


def leave_last_words(cause: str) -> None:
    """Send the process that started this one the cause of an end that no file can hold."""
    if pipe is not None:
        with contextlib.suppress(OSError):  # it is gone
            pipe.send_bytes(LAST_WORDS + cause.encode(errors="replace"))


def raise_if_pruned() -> None:
    """Raise PrunedError if the search wants no more of this training. Outside of a search nobody is asked."""
    if folder is not None and (folder / ORDER).is_file():
        raise PrunedError((folder / ORDER).read_text(encoding="utf-8", errors="replace"))
    if PRUNABLE in os.environ:
        ask_about()


def ask_about(job: str = "") -> None:
    """Raise PrunedError if the search wants no more of this process's job, or of one that trains in it with others."""
    if pipe is None:
        return
    try:
        pipe.send_bytes(EPOCH + os.fsencode(job))
        reason = pipe.recv_bytes()
    except (EOFError, OSError):  # the search is gone: process.end_with_parent ends this process
        return
    if reason:
        raise PrunedError(reason.decode())
