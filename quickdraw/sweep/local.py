"""The jobs of a sweep on this machine, each in a process of its own."""

from collections.abc import Sequence
from pathlib import Path

from quickdraw.hardware import usable_cores
from quickdraw.sweep.checks import most_threads
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Judge, ProcessJobs
from quickdraw.sweep.pool import Exit
from quickdraw.sweep.process import run_here


class LocalJobs(ProcessJobs):
    """Jobs in processes of this machine, `n_jobs` at once (auto: cores by the threads of a job, or one a GPU)."""

    def fitting(self, jobs: Sequence[Job], gpus: int) -> int:
        """How many of these jobs can run at once."""
        if isinstance(self.n_jobs, int):
            return self.n_jobs
        if gpus and any(job.config["device"] != "cpu" for job in jobs):
            return gpus
        return max(1, usable_cores() // most_threads(jobs))

    def start(self, job: Job) -> None:
        """Start the process of a job."""
        self.pool.size = self.size
        self.pool.submit(str(job.folder), run_here, job)

    def next_exit(self, timeout_s: float | None, judge: Judge) -> Exit | None:
        """Wait for a process to end, and let the judge answer what others ask; None after a time-out."""

        def answer(name: str, question: bytes) -> bytes:
            return judge(self.running[Path(name)]).encode()

        return self.pool.next(timeout_s, answer)

    def stop(self, number: int) -> None:
        """Send every job a signal. From now on no job's death is a failure."""
        self.stopping = True
        self.pool.stop(number)
