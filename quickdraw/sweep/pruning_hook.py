"""How a job learns that it is pruned: in a search it asks after each epoch whether to go on.

It shares a pipe with the sweep's own process. Nothing but short texts goes through it; the scores lie in the job's
folder.
"""

import os
from multiprocessing import connection

from quickdraw.errors import PrunedError

EPOCH = b"epoch"
PRUNABLE = "QUICKDRAW_PRUNABLE"  # set in a process whose parent wants to be asked

pipe: "connection.Connection | None" = None  # to the process that started this one


def raise_if_pruned() -> None:
    """Raise PrunedError if the search wants no more of this training. Outside of a search nobody is asked."""
    if pipe is None or PRUNABLE not in os.environ:
        return
    try:
        pipe.send_bytes(EPOCH)
        reason = pipe.recv_bytes()
    except (EOFError, OSError):  # the search is gone: process.end_with_parent ends this process
        return
    if reason:
        raise PrunedError(reason.decode())
