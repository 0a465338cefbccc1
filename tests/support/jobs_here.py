"""The interface Jobs in twenty lines: what a test of a runner needs instead of processes."""

from collections.abc import Sequence
from functools import partial

from quickdraw.run.listing import Run
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Jobs, Judge, let_go_on


class JobsHere(Jobs):
    """Jobs that train in this very process, one after the other, when somebody waits for them."""

    def check(self, jobs: Sequence[Job]) -> None:
        """Check nothing: these settings are nobody's."""

    def fitting(self, jobs: Sequence[Job], gpus: int) -> int:
        return 1

    def has_room(self) -> bool:
        return not self.running

    def submit(self, job: Job) -> None:
        self.running[job.folder] = job

    def next(self, timeout_s: float | None = None, judge: Judge = let_go_on) -> Run | None:
        _, job = self.running.popitem()
        job.task(partial(judge, job) if job.judged else lambda: "")  # type: ignore[call-arg]
        return job.on_disk()

    def stop(self, number: int) -> None:
        self.stopping = True
