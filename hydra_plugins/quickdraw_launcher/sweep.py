"""The jobs of a sweep, from what was asked for to what came of it.

`submit` starts a job and `next` waits for one to end; `run` is made of the two. A sweeper that chooses each job by the
results so far uses them directly, without waiting for a batch.
"""

import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra_plugins.quickdraw_launcher import job
from hydra_plugins.quickdraw_launcher.pool import Pool
from hydra_plugins.quickdraw_launcher.view import View, duration
from quickdraw import settings
from quickdraw.analysis.runs import Run, named, read_run, write_summary
from quickdraw.analysis.tables import report, table
from quickdraw.errors import ConfigError, Interrupted, RunError
from quickdraw.hardware import usable_cores
from quickdraw.run_folder import RunFolder
from quickdraw.signals import StopSignal, stop_on_signals

ENDED = ("completed", "diverged", "pruned")  # the same command again leaves these alone
REFRESH_S = 0.5
LAST_WORD_S = 10  # for jobs that were told a second time to stop


@dataclass(frozen=True)
class Plan:
    """One job as it was asked for: its composed configuration, where it goes, and what its process calls."""

    number: int
    overrides: list[str]
    folder: Path
    config: dict[str, Any]
    call: tuple[Callable[..., None], tuple[Any, ...]]

    def run(self) -> Run:
        """Return the run as it stands on the disk, with the settings of this plan."""
        found = read_run(self.folder)
        return Run(found.folder, settings.flatten(self.config), found.state, found.reason, found.result)


class Sweep:
    """The jobs in one folder, `n_jobs` at once (auto: cores divided by the threads of a job, or one a GPU)."""

    def __init__(self, folder: Path, n_jobs: int | str) -> None:
        self.folder = folder
        self.n_jobs = n_jobs
        self.pool = Pool()
        self.plans: dict[str, Plan] = {}  # of the running jobs, by the name of their process

    def check(self, plans: Sequence[Plan]) -> None:
        """Find out how many jobs fit the machine; raise ConfigError, naming all that is wrong, if a setting is bad."""
        complaints: dict[str, str] = {}
        for plan in plans:
            try:
                settings.check(plan.config)
            except ConfigError as error:
                complaints.setdefault(str(error), " ".join(plan.overrides))
        if not complaints:  # now the classes that the settings name may be imported, in a process that has torch
            gpus, complaints = self.pool.ask(job.inspect, [(plan.config, " ".join(plan.overrides)) for plan in plans])
            self.pool.size = self._size(plans, gpus)
        if complaints:
            told = [f"{error} (in {overrides})" for error, overrides in complaints.items()]
            raise ConfigError(f"{'; '.join(told)}\nno job was started")

    def submit(self, plan: Plan) -> None:
        """Start a job; the pool must have room."""
        self.plans[self.pool.submit(plan.folder.name, *plan.call)] = plan

    def next(self, timeout_s: float | None = None) -> Run | None:
        """Wait for a job to end and return its run; None after a time-out. One that died without a word is recorded."""
        ended = self.pool.next(timeout_s)
        if ended is None:
            return None
        plan = self.plans.pop(ended.name)
        run = plan.run()
        if run.state not in (*ENDED, "failed") and not (run.reason and ended.code > 0):
            record_death(plan, cause(ended.code))
            write_summary(self.folder)
            run = plan.run()
        return run

    def run(self, plans: Iterable[Plan], fail_fast: bool) -> dict[Path, Run]:
        """Run the jobs that have not ended, each folder's once; print how it went. Return every run by its folder.

        Raises RunError at the end if some failed, and Interrupted after a signal, when the running jobs have saved.
        """
        distinct = list({plan.folder: plan for plan in plans}.values())
        runs = {plan.folder: plan.run() for plan in distinct}
        names = named(list(runs.values()))
        todo = [plan for plan in distinct if runs[plan.folder].state not in ENDED]
        print(
            f"{len(distinct)} jobs in {self.folder}, {self.pool.size} at once; {len(distinct) - len(todo)} are finished"
        )
        with (
            stop_on_signals() as stop,
            stop.politely(),
            View(len(distinct), len(distinct) - len(todo), self.pool.size) as view,
        ):
            told = False
            try:
                while todo or self.pool.running:
                    while todo and self.pool.has_room():
                        self.submit(todo.pop(0))
                    view.show(len(self.pool.running))
                    run = self.next(REFRESH_S)
                    if run:
                        runs[run.folder] = run
                        view.ended(run, names[run.folder])
                    if not told and (stop() or (fail_fast and run and failed(run))):
                        told, todo = True, []
                        self.pool.stop(signal.SIGTERM)
            except Interrupted:  # the second signal
                self._stop_at_once()
                raise
        if distinct:
            write_summary(self.folder)
            print("\n" + report(list(runs.values())) + f"\n\nall of it: {self.folder / 'summary.csv'}")
        self._conclude(list(runs.values()), stop)
        return runs

    def preview(self, plans: Iterable[Plan]) -> str:
        """Return what a sweep would do: the jobs, what differs between them, which are finished, and the time left."""
        distinct = {plan.folder: plan.run() for plan in plans}
        runs = list(distinct.values())
        names = named(runs)
        seconds = [run.result["total_s"] for run in runs if run.result]
        left = sum(run.state not in ENDED for run in runs)
        lines = table(["job", "state", "folder"], [[names[run.folder], run.state, run.folder.name] for run in runs])
        time_left = (
            duration(sum(seconds) / len(seconds) * left / self.pool.size) if seconds else "unknown: none is finished"
        )
        return f"{lines}\n\n{left} of {len(runs)} jobs to run, {self.pool.size} at once; time left: {time_left}"

    def _size(self, plans: Sequence[Plan], gpus: int) -> int:
        if isinstance(self.n_jobs, int):
            return self.n_jobs
        if gpus and any(plan.config["device"] != "cpu" for plan in plans):
            return gpus
        threads = [1 if plan.config["threads"] == "auto" else int(plan.config["threads"]) for plan in plans]
        return max(1, usable_cores() // max(threads, default=1))

    def _stop_at_once(self) -> None:
        """Tell the jobs a second time, which stops them at once, and end what is still there after that."""
        for number, patience_s in ((signal.SIGTERM, LAST_WORD_S), (getattr(signal, "SIGKILL", signal.SIGTERM), None)):
            self.pool.stop(number)
            while self.pool.running and self.next(patience_s):
                pass

    @staticmethod
    def _conclude(runs: Sequence[Run], stop: StopSignal) -> None:
        number, bad = stop(), sum(failed(run) for run in runs)
        if number:
            ended = sum(run.state in ENDED for run in runs)
            print(f"stopped; {ended} of {len(runs)} jobs are finished. The same command continues.")
            raise Interrupted(number)
        if bad:
            raise RunError(f"{bad} of {len(runs)} jobs failed; the same command runs them again, and only them")


def failed(run: Run) -> bool:
    """Return whether a job came to no end of its own."""
    return run.state not in ENDED and run.state != "new"


def cause(code: int) -> str:
    """Return why a process is gone, by its exit code, when it left no word itself."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    hint = " (out of memory?)" if code == -getattr(signal, "SIGKILL", 9) else ""
    return f"killed by {signal.Signals(-code).name}{hint}"


def record_death(plan: Plan, reason: str) -> None:
    """Say in the run's folder that its process died."""
    run = RunFolder(plan.folder)
    run.path.mkdir(parents=True, exist_ok=True)
    run.update(state="failed", reason=reason, overrides=run.status.get("overrides", plan.overrides))
