"""What a job says to the sweep's own process: in a search it asks after each epoch whether to go on.

The two share a pipe. Nothing but short texts goes through it; the scores lie in the job's folder.
"""

import os
from multiprocessing import connection
from typing import Any

from quickdraw.errors import PrunedError
from quickdraw.sweep import process

EPOCH = b"epoch"
JUDGED = "QUICKDRAW_JUDGED"  # set in a process whose parent wants to be asked

pipe: "connection.Connection | None" = None  # to the process that started this one


def run_judged_job(*arguments: Any) -> None:
    """Run one job as `process.run_job_here` does, and ask after each epoch whether to go on."""
    os.environ[JUDGED] = "1"
    process.run_job_here(*arguments)


def ask_to_go_on() -> None:
    """Raise PrunedError if the search wants no more of this training. Outside of a search nobody is asked."""
    if pipe is None or JUDGED not in os.environ:
        return
    try:
        pipe.send_bytes(EPOCH)
        reason = pipe.recv_bytes()
    except (EOFError, OSError):  # the search is gone: process.end_with_parent ends this process
        return
    if reason:
        raise PrunedError(reason.decode())
