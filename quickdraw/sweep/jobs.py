"""The jobs of a sweep, one by one: `submit` starts one, `next` waits for the first to end and tells how it went.

`batch.py` runs many jobs with the two. A sweeper that chooses each job by the results so far uses them directly,
without waiting for a batch.
"""

import contextlib
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quickdraw import settings
from quickdraw.errors import ConfigError
from quickdraw.hardware import resolve_threads, usable_cores
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import KILLED, Run, read_run, write_summary
from quickdraw.settings import encoded
from quickdraw.sweep import process
from quickdraw.sweep.pool import Pool

LAST_WORD_S = 5  # for jobs that were told a second time to stop


@dataclass(frozen=True)
class Plan:
    """One job as it was asked for: its composed configuration, where it goes, and what its process calls."""

    overrides: list[str]
    folder: Path
    config: dict[str, Any]
    call: tuple[Callable[..., None], tuple[Any, ...]]

    def run(self) -> Run:
        """Return the run as it stands on the disk, with the settings of this plan."""
        return replace(read_run(self.folder), settings=settings.flatten(self.config))


class Sweep:
    """The jobs in one folder, `n_jobs` at once (auto: cores divided by the threads of a job, or one a GPU)."""

    def __init__(self, folder: Path, n_jobs: int | str) -> None:
        self.folder = folder
        self.n_jobs = n_jobs
        self.pool = Pool()
        self.running: dict[str, tuple[Plan, dict[str, Any]]] = {}  # with the status before, by the name of the process
        self.stopping = False

    def check(self, plans: Sequence[Plan]) -> None:
        """Find out how many jobs fit the machine; raise ConfigError, naming all that is wrong, if a setting is bad."""
        common = set.intersection(*(set(plan.overrides) for plan in plans))
        asked = [(plan.config, " ".join(each for each in plan.overrides if each not in common)) for plan in plans]
        complaints: dict[str, str] = {}
        for config, overrides in asked:
            try:
                settings.check(config)
            except ConfigError as error:
                complaints.setdefault(str(error), overrides)
        if not complaints:  # now the classes that the settings name may be imported, in a process that has torch
            gpus, complaints = self.pool.ask(process.inspect, asked)
            self.pool.size = self._size(plans, gpus)
        if complaints:
            told = [f"{error} (in {overrides})" if overrides else error for error, overrides in complaints.items()]
            raise ConfigError(f"{'; '.join(told)}\nno job was started")

    def has_room(self) -> bool:
        """Return whether a job can be started now."""
        return self.pool.has_room()

    def submit(self, plan: Plan) -> None:
        """Start a job; there must be room."""
        self.running[plan.folder.name] = plan, RunFolder(plan.folder).status
        self.pool.submit(plan.folder.name, *plan.call)

    def next(self, timeout_s: float | None = None) -> Run | None:
        """Wait for a job to end and return its run; None after a time-out.

        A job that died without a word is recorded as failed. One that found another process in its folder is returned
        as it stands: running.
        """
        ended = self.pool.next(timeout_s)
        if ended is None:
            return None
        plan, before = self.running.pop(ended.name)
        run, status = plan.run(), RunFolder(plan.folder).status
        if self.stopping or run.state == "running" or run.ended:
            return run
        if ended.code <= 0 or run.reason == KILLED or status == before:
            run = replace(run, state="failed", reason=ended.reason or cause(ended.code))
        record(plan, run)
        return run

    def stop(self, number: int) -> None:
        """Send every job a signal. From now on no job's death is a failure."""
        self.stopping = True
        self.pool.stop(number)

    def stop_at_once(self) -> None:
        """Tell the jobs a second time, which stops them at once, and end what is still there after that."""
        for number, patience_s in ((signal.SIGTERM, LAST_WORD_S), (getattr(signal, "SIGKILL", signal.SIGTERM), None)):
            self.stop(number)
            while self.running and self.next(patience_s):
                pass

    def _size(self, plans: Sequence[Plan], gpus: int) -> int:
        if isinstance(self.n_jobs, int):
            return self.n_jobs
        if gpus and any(plan.config["device"] != "cpu" for plan in plans):
            return gpus
        threads = [resolve_threads(plan.config["threads"], one_of_many=True) for plan in plans]
        return max(1, usable_cores() // max(threads, default=1))


def cause(code: int) -> str:
    """Return why a process is gone, by its exit code, when it left no word itself."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    hint = " (out of memory?)" if code == -getattr(signal, "SIGKILL", 9) else ""
    try:
        return f"killed by {signal.Signals(-code).name}{hint}"
    except ValueError:
        return f"killed by signal {-code}"


def record(plan: Plan, run: Run) -> None:
    """Write into the job's folder what the job could not: how it ended, and its settings if it never began."""
    folder = RunFolder(plan.folder)
    folder.status = {"overrides": plan.overrides, "config": encoded(plan.config)} | folder.status
    with contextlib.suppress(OSError):  # a full disk ends no sweep
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.update(state=run.state, reason=run.reason)
        write_summary(plan.folder.parent)
