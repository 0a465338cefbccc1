"""The jobs of a sweep on this machine, each in a process of its own."""

from collections.abc import Sequence
from pathlib import Path

from quickdraw.cores import SINCE_START, usable_cores, usable_memory_mb
from quickdraw.sweep.checks import most_threads
from quickdraw.sweep.claims import Claim, Claims
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Judge, ProcessJobs
from quickdraw.sweep.pool import Exit
from quickdraw.sweep.process import run_here

JOB_MB = 400  # of memory that a job needs beside the drawings, which are mapped and shared
JOB_MB_WITH_CUDA = 2000


class LocalJobs(ProcessJobs):
    """Jobs in processes of this machine, `n_jobs` at once.

    `auto` is as many as there are cores by the threads of a job, and memory for, the GPU's too. But after the first, a
    job starts only on cores that neither another sweep has claimed nor another program keeps busy.
    """

    def __init__(self, folder: Path, n_jobs: int | str, preload: Sequence[str] = ()) -> None:
        super().__init__(folder, n_jobs, preload)
        self.threads = 0  # of a job, where jobs are to have cores of their own
        self.load = SINCE_START
        self.load.measure()
        self.claims = Claims(folder.parent / ".cores")
        self.claimed: dict[Path, Claim] = {}
        self.spare: Claim | None = None  # for the next job

    def fitting(self, jobs: Sequence[Job], on_gpus: int) -> int:
        """How many of these jobs can run at once."""
        self.load.skip()  # until now our own processes imported torch
        if isinstance(self.n_jobs, int):
            return self.n_jobs
        self.threads = most_threads(jobs)
        fit = [usable_cores() / self.threads, usable_memory_mb() / JOB_MB]
        if on_gpus and any(job.config["device"] != "cpu" for job in jobs):
            fit = [usable_cores() / self.threads, usable_memory_mb() / JOB_MB_WITH_CUDA, on_gpus]
        return max(1, int(min(fit)))

    def has_room(self) -> bool:
        """Whether a job can be started now: the first in any case, others where cores are free."""
        others = self.load.measure(self.pool.numbers())
        if not super().has_room():
            return False
        cores = usable_cores()
        self.spare = self.spare or self.claims.take(self.threads, cores)
        wanted = (len(self.running) + 1) * self.threads + round(others)
        return not self.running or (self.spare is not None and wanted <= max(cores, self.threads))

    def start(self, job: Job) -> None:
        """Start the process of a job."""
        self.pool.size = self.size
        self.pool.submit(str(job.folder), run_here, job)
        if self.spare:
            self.claimed[job.folder], self.spare = self.spare, None

    def next_exit(self, timeout_s: float | None, judge: Judge) -> Exit | None:
        """Wait for a process to end, and let the judge answer what others ask; None after a time-out."""

        def answer(name: str, question: bytes) -> bytes:
            return judge(self.running[Path(name)]).encode()

        self._give_back(self.spare)
        self.spare = None
        ended = self.pool.next(timeout_s, answer)
        if ended:
            self._give_back(self.claimed.pop(Path(ended.name), None))
        return ended

    def stop(self, number: int) -> None:
        """Send every job a signal. From now on no job's death is a failure."""
        self.stopping = True
        self.pool.stop(number)

    @staticmethod
    def _give_back(claim: Claim | None) -> None:
        if claim:
            claim.close()
