"""Pruning where no pipe leads to a job: its epochs are seen in its folder, and a file there ends it.

The job waits for no answer: an epoch may pass before it finds the file, and the command may end without harm to it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from quickdraw.files import atomic_write
from quickdraw.run.listing import read_epochs
from quickdraw.sweep.job import Job
from quickdraw.sweep.pruning_hook import ORDER


class Orders:
    """What the judge says of jobs that run elsewhere, asked once for each epoch that is seen."""

    def __init__(self) -> None:
        self.seen: dict[Path, int] = {}  # epochs of each job, by its folder

    def begin(self, job: Job) -> None:
        """Forget what an earlier command said of a job: it is judged anew."""
        self.seen[job.folder] = 0
        (job.folder / ORDER).unlink(missing_ok=True)

    def give(self, jobs: Iterable[Job], judge: Callable[[Job], str]) -> None:
        """Ask the judge about those that have trained on since, and leave its reason where a job is to end."""
        for job in jobs:
            if not job.judged:
                continue
            epochs = len(read_epochs(job.folder))
            if epochs <= self.seen[job.folder]:
                continue
            self.seen[job.folder] = epochs
            reason = judge(job)
            if reason:
                atomic_write(job.folder / ORDER, reason.encode())
