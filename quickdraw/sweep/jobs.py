"""The interface of whatever runs jobs: `submit` starts one, `next` waits for the first to end and returns its run.

`LocalJobs` (`local`), `SlurmJobs` (`slurm`) and `RayJobs` (`ray`) hold it. Runners use nothing else, so a sweep of any
kind runs on any of them.
"""

import contextlib
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import KILLED, Run
from quickdraw.sweep.checks import check_jobs
from quickdraw.sweep.job import Job
from quickdraw.sweep.pool import Exit, Pool

LAST_WORD_S = 5  # for jobs that were asked a second time to stop

Judge = Callable[[Job], str]  # why a judged job should end now; an empty text lets it go on


def let_go_on(job: Job) -> str:
    """The judge of jobs that nobody judges."""
    return ""


class Jobs(ABC):
    """The jobs in one sweep's folder that are under way, by their folders in `running`; `size` of them run at once.

    `pool` has the processes of this machine, which at least check the settings. It imports all that the settings may
    name, and `preload`.
    """

    def __init__(self, folder: Path, n_jobs: int | str, preload: Sequence[str] = ()) -> None:
        self.folder = folder
        self.n_jobs = n_jobs
        self.pool = Pool(preload=preload)
        self.size = 1
        self.running: dict[Path, Job] = {}
        self.stopping = False

    def warm_up(self) -> None:
        """Begin in the background what the first job would have to wait for."""
        self.pool.warm_up()

    def check(self, jobs: Sequence[Job]) -> None:
        """Find out how many jobs fit; raise ConfigError, naming all that is wrong, if a setting is bad."""
        on_gpus = check_jobs(jobs, self.pool)
        self.size = self.fitting(jobs, on_gpus)

    @abstractmethod
    def fitting(self, jobs: Sequence[Job], on_gpus: int) -> int:
        """How many of these jobs can run at once; this machine's GPUs hold so many."""

    def arranged(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs in the order in which they are best submitted."""
        return list(jobs)

    @abstractmethod
    def has_room(self) -> bool:
        """Whether a job can be submitted now."""

    def has(self, job: Job) -> bool:
        """Whether an earlier command left this job under way, and `submit` takes it up instead of starting it."""
        return False

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Start a job, or queue it; there must be room."""

    @abstractmethod
    def next(self, timeout_s: float | None = None, judge: Judge = let_go_on) -> Run | None:
        """Wait for a job to end, and return its run; None after a time-out, or without one if no job is under way.

        Meanwhile `judge` answers what judged jobs ask. A job that died without a word is recorded as failed. One that
        found another process in its folder is returned as it stands: running.
        """

    @abstractmethod
    def stop(self, number: int) -> None:
        """Send every job a signal. From now on no job's death is a failure."""

    def close(self) -> None:  # noqa: B027 (most have nothing to end)
        """End whatever waits for more jobs: none will be submitted."""

    def wind_up(self) -> None:
        """Stop every job and wait until it has saved, whatever was wrong; Ctrl-C ends those that still run at once."""
        try:
            self.stop(signal.SIGTERM)
            for _ in list(self.running):
                with contextlib.suppress(Exception):  # there is an error already, and the others are to save too
                    self.next()
        finally:
            if self.running:
                self.stop_at_once()

    def stop_at_once(self) -> None:
        """Ask the jobs a second time, which stops them at once, and end what is still there after that."""
        self.stop(signal.SIGTERM)
        while self.running and self.next(LAST_WORD_S):
            pass
        self.stop(getattr(signal, "SIGKILL", signal.SIGTERM))
        while self.running and self.next():
            pass


class ProcessJobs(Jobs):
    """Jobs whose processes end before our eyes: a subclass starts them, stops them and waits for an exit."""

    def __init__(self, folder: Path, n_jobs: int | str, preload: Sequence[str] = ()) -> None:
        super().__init__(folder, n_jobs, preload)
        self.before: dict[Path, dict[str, Any]] = {}  # the status of each running job's folder before it was started

    @abstractmethod
    def start(self, job: Job) -> None:
        """Start the process of a job."""

    @abstractmethod
    def next_exit(self, timeout_s: float | None, judge: Judge) -> Exit | None:
        """Wait for a process to end, its name that of the job's folder; None after a time-out."""

    def has_room(self) -> bool:
        """Whether a job can be started now."""
        return len(self.running) < self.size

    def submit(self, job: Job) -> None:
        """Start a job; there must be room."""
        before = RunFolder(job.folder).status
        self.start(job)
        self.running[job.folder], self.before[job.folder] = job, before

    def next(self, timeout_s: float | None = None, judge: Judge = let_go_on) -> Run | None:
        """Wait for a job to end, and return its run, as Jobs says."""
        if not self.running:
            wait_in_vain(timeout_s)
            return None
        ended = self.next_exit(timeout_s, judge)
        if ended is None:
            return None
        folder = Path(ended.name)
        job, before = self.running.pop(folder), self.before.pop(folder)
        run, status = job.on_disk(), RunFolder(folder).status
        if self.stopping or run.state == "running" or run.ended:
            return run
        if ended.code <= 0 or run.reason == KILLED or status == before:
            run = replace(run, state="failed", reason=ended.reason or cause(ended.code))
        job.record(run)
        return run


def wait_in_vain(timeout_s: float | None) -> None:
    """Wait for nothing: what a runner has to do may be done by another process meanwhile."""
    time.sleep(timeout_s or 0)


def cause(code: int) -> str:
    """Why a process is gone, by its exit code, when it left no word itself."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    hint = " (out of memory?)" if code == -getattr(signal, "SIGKILL", 9) else ""
    try:
        return f"killed by {signal.Signals(-code).name}{hint}"
    except ValueError:
        return f"killed by signal {-code}"
