"""The jobs of a sweep as tasks of a Ray cluster. Imported only when a sweep is to run there, because it imports ray."""

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from quickdraw.errors import RunError
from quickdraw.sweep import pruning_hook
from quickdraw.sweep.checks import check_threads
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Judge, ProcessJobs
from quickdraw.sweep.orders import Orders
from quickdraw.sweep.pool import Exit
from quickdraw.sweep.process import open_log


class RayJobs(ProcessJobs):
    """Jobs in processes of all machines of a Ray cluster, `n_jobs` at once (auto: as many as it has room for).

    `init` are arguments of `ray.init`, `remote` those of `ray.remote`.
    """

    def __init__(self, folder: Path, n_jobs: int | str, init: Mapping[str, Any], remote: Mapping[str, Any]) -> None:
        super().__init__(folder, n_jobs)
        self.init = init
        self.remote = remote
        self.tasks: dict[Path, Any] = {}  # Ray's reference to each, by the folder of the job
        self.orders = Orders()

    def fitting(self, jobs: Sequence[Job], on_gpus: int) -> int:
        """How many jobs the cluster has room for; attaches to it, or starts one. Raises RunError without any room."""
        check_threads(jobs, self.remote.get("num_cpus"), "hydra.launcher.ray.remote.num_cpus")
        connect(self.init)
        wanted = {"CPU": self.remote.get("num_cpus") or 0, "GPU": self.remote.get("num_gpus") or 0}
        room = sum(room_on(node["Resources"], wanted) for node in ray.nodes() if node["Alive"])
        if not room:
            raise RunError(f"hydra/launcher=ray: no machine of the cluster has what a job asks for: {wanted}")
        return self.n_jobs if isinstance(self.n_jobs, int) else room

    def start(self, job: Job) -> None:
        """Start a job as a task."""
        self.orders.begin(job)
        self.tasks[job.folder] = ray.remote(**self.remote)(run_there).remote(job, Path.cwd())

    def next_exit(self, timeout_s: float | None, judge: Judge) -> Exit | None:
        """Wait for a task to end, and let the judge see what others have trained; None after a time-out."""
        self.orders.give(self.running.values(), judge)
        ready, _ = ray.wait(list(self.tasks.values()), timeout=timeout_s)
        for folder, task in self.tasks.items():
            if task in ready:
                del self.tasks[folder]
                return exit_of(str(folder), task)
        return None

    def stop(self, number: int) -> None:
        """Ask every task to stop, as Ctrl-C does; end its process at once if the signal is SIGKILL."""
        self.stopping = True
        for task in self.tasks.values():
            with contextlib.suppress(RayError, ValueError):
                ray.cancel(task, force=number == signal.SIGKILL)


def connect(init: Mapping[str, Any]) -> None:
    """Attach to the cluster, or start one; raises RunError if that fails."""
    if ray.is_initialized():
        return
    try:
        ray.init(**init)
    except (ConnectionError, RuntimeError, ValueError, TypeError) as error:
        raise RunError(f"hydra/launcher=ray: {str(error).strip().splitlines()[0]}") from error


def room_on(resources: Mapping[str, float], wanted: Mapping[str, float]) -> int:
    """How many jobs a machine with these resources has room for; one where a job asks for nothing."""
    counts = []
    for name, amount in wanted.items():
        if amount:
            counts.append(int(resources.get(name, 0) / amount))
    return min(counts, default=1)


def run_there(job: Job, working_folder: Path) -> int:
    """Run a job in a worker, which stood in some other folder, as in the sweep's own; the exit code of the job."""
    os.chdir(working_folder)  # data.root is relative to it
    open_log(job.folder)
    pruning_hook.folder = job.folder.absolute() if job.judged else None
    try:
        job.task()
    except SystemExit as end:  # Ray would take it for a crash, and say so at length
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def exit_of(name: str, task: Any) -> Exit:
    """How a task ended that is done: by its own exit code, or 1 with the cause in Ray's words."""
    try:
        return Exit(name, ray.get(task))
    except Exception as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [""]
        return Exit(name, 1, f"Ray: {type(cause).__name__}: {lines[0].split('. ')[0]}")
