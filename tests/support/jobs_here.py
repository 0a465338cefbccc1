"""The interface Jobs in twenty lines, and a pool in ten: what a test of a runner needs instead of processes."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from quickdraw.run.listing import Run
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Jobs, Judge, let_go_on
from quickdraw.sweep.pool import Pool


class PoolHere:
    """A pool whose processes are this one."""

    def __init__(self) -> None:
        self.asked = 0

    def call_in_process(self, function: Callable[..., None], question: Any) -> Any:
        self.asked += len(question)
        answers: list[Any] = []

        class Pipe:
            def send(self, value: Any) -> None:
                answers.append(value)

        function(Pipe(), question)
        return answers[0]


class JobsHere(Jobs):
    """Jobs that train in this very process, one after the other, when somebody waits for them."""

    def __init__(self, folder: Path, n_jobs: int) -> None:
        super().__init__(folder, n_jobs)
        self.pool = cast(Pool, PoolHere())

    def check(self, jobs: Sequence[Job]) -> None:
        """Check nothing: these settings are nobody's."""

    def fitting(self, jobs: Sequence[Job], on_gpus: int) -> int:
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
