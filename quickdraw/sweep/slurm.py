"""Jobs in Slurm's queue: submitted as arrays, and watched by `squeue` and their folders.

Nothing here keeps a job alive: the command may end, and the one that is typed next takes its jobs up again.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quickdraw.run.listing import KILLED, Run, place_in
from quickdraw.sweep import pruning_hook
from quickdraw.sweep.checks import check_threads
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Jobs, Judge, let_go_on, wait_in_vain
from quickdraw.sweep.orders import Orders
from quickdraw.sweep.process import open_log
from quickdraw.sweep.slurm_queue import Entry, Queue, array_size, cancel

TICK_S = 0.2


@dataclass(frozen=True)
class SlurmJob:
    """One job as submitit pickles it: called on the node, and asked for its `checkpoint` when it is queued again."""

    job: Job

    def __call__(self) -> None:
        """Run the job in the folder that the local launcher would have given it."""
        open_log(self.job.folder)
        pruning_hook.folder = self.job.folder if self.job.judged else None
        self.job.task()

    def checkpoint(self) -> Any:
        """What is to be run when the job is queued again: the same, because it continues from its own folder."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


Send = Callable[[Sequence[SlurmJob]], list[str]]  # submits some jobs as one array, and returns Slurm's numbers


class SlurmJobs(Jobs):
    """Jobs in Slurm's queue, which lets `n_jobs` of an array run at once. What is submitted goes to it at the `flush`.

    No more than `at_once` are submitted and not yet ended: without a limit Slurm's queue holds what waits; a sweeper
    that chooses each job by the results so far wants one.
    """

    def __init__(
        self,
        folder: Path,
        n_jobs: int,
        send: Send,
        poll_s: float,
        at_once: float = math.inf,
        cpus_per_task: float | None = None,
    ) -> None:
        super().__init__(folder, n_jobs)
        self.size = n_jobs
        self.send = send
        self.poll_s = poll_s
        self.at_once = at_once
        self.cpus_per_task = cpus_per_task
        self.orders = Orders()
        self.queue = Queue(folder)
        self.entries = self.queue.read()  # Slurm's newest words on the jobs, by the names of their folders
        self.unsent: list[Job] = []
        self.finished: deque[Run] = deque()
        self.unseen: set[Path] = set()  # folders of jobs that Slurm is done with, but whose end was not there to see
        self.next_look = 0.0

    def fitting(self, jobs: Sequence[Job], on_gpus: int) -> int:
        """How many of these jobs can run at once: what Slurm was asked for."""
        check_threads(jobs, self.cpus_per_task, "hydra.launcher.cpus_per_task")
        return self.size

    def take_up(self, jobs: Iterable[Job]) -> None:
        """Wait from now on for those of the jobs that an earlier command, or another launcher, left under way."""
        self.entries = self.queue.read()
        for job in jobs:
            if self.seen(job.on_disk()).state in ("queued", "running"):
                self.running[job.folder] = job

    def has_room(self) -> bool:
        """Whether a job can be submitted now."""
        return len(self.running) < self.at_once

    def has(self, job: Job) -> bool:
        """Whether Slurm has a job that an earlier command submitted."""
        return bool(self._state(self._name(job.folder)))

    def submit(self, job: Job) -> None:
        """Have a job sent with the next `flush`, unless Slurm has it already."""
        self.running[job.folder] = job
        self.orders.begin(job)
        if not self.has(job):
            self.unsent.append(job)

    def flush(self) -> None:
        """Send what was submitted, as few arrays; raises RunError if Slurm takes no more."""
        if not self.unsent:
            return
        with self.queue.lock:
            self.queue.read()  # another command may have noted numbers
            size = array_size()
            while self.unsent:
                some = self.unsent[:size]
                names = [self._name(job.folder) for job in some]
                numbers = self.send([SlurmJob(replace(job, folder=job.folder.absolute())) for job in some])
                del self.unsent[:size]
                self.queue.record(dict(zip(names, numbers, strict=True)))

    def next(self, timeout_s: float | None = None, judge: Judge = let_go_on) -> Run | None:
        """Wait for a job to end, and return its run, as Jobs says. Slurm is asked every `poll_s` seconds."""
        if not self.running:
            wait_in_vain(timeout_s)
            return None
        self.flush()
        self.orders.give(self.running.values(), judge)
        end = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while not self.finished:
            if time.monotonic() >= self.next_look:
                self._look()
                self.next_look = time.monotonic() + self.poll_s
                continue
            left_s = end - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(TICK_S, self.poll_s, left_s))
        if not self.finished:
            return None
        run = self.finished.popleft()
        del self.running[run.folder]
        return run

    def stop(self, number: int) -> None:
        """Have Slurm end every job, with time to save unless the signal is SIGKILL; those that wait never begin."""
        self.stopping = True
        for job in self.unsent:
            del self.running[job.folder]
        self.unsent = []
        cancel(self.numbers(), number)
        self.next_look = 0.0

    def numbers(self) -> list[str]:
        """Slurm's numbers of the jobs under way; another launcher's have none."""
        known = self.queue.numbers
        return [known[name] for name in map(self._name, self.running) if name in known]

    def training(self) -> int:
        """How many jobs Slurm is running, as it said last."""
        return sum(self._state(self._name(folder)) == "running" for folder in self.running)

    def seen(self, run: Run) -> Run:
        """The run with Slurm's word on it: `queued` or `running` while Slurm is not done with it."""
        state = self._state(self._name(run.folder))
        return run if run.ended or not state else replace(run, state=state)

    def _name(self, folder: Path) -> str:
        """A job's folder as the queue notes it: its path in the sweep's folder."""
        return place_in(self.folder, folder)

    def _state(self, name: str) -> str:
        entry = self.entries.get(name)
        if entry is None or entry.ended:
            return ""
        return "running" if entry.state in ("RUNNING", "COMPLETING") else "queued"

    def _look(self) -> None:
        """Note in `finished` how jobs ended since the last look; `next` hands them out one by one."""
        self.entries = self.queue.read()
        known = {run.folder for run in self.finished}
        for job in self.running.values():
            run = self._end_of(job) if job.folder not in known else None
            if run:
                self.finished.append(run)

    def _end_of(self, job: Job) -> Run | None:
        """How a job ended, None if it has not. One that Slurm is done with has a second look to show its end."""
        entry = self.entries.get(self._name(job.folder))
        if entry and not entry.ended:
            self.unseen.discard(job.folder)
            return None
        run = job.on_disk()
        if run.ended:
            return run
        if job.folder not in self.unseen:  # a shared disk may show it later
            self.unseen.add(job.folder)
            return None
        if run.state == "running":  # another launcher's
            return None
        if run.state in ("new", "queued") or run.reason == KILLED:
            run = explained(run, entry)
            job.record(run)
        return run


def explained(run: Run, entry: Entry | None) -> Run:
    """A run that Slurm ended, with the cause."""
    if entry is None:
        return replace(run, state="failed", reason="its process is gone, and Slurm has forgotten why")
    if entry.state == "CANCELLED":
        return replace(run, state="interrupted", reason="cancelled")
    return replace(run, state="failed", reason=entry.cause())
