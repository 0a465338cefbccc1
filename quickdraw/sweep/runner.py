"""Many jobs of a sweep, from the first start to the ranking at the end."""

import signal
from collections.abc import Iterable
from statistics import fmean

from quickdraw.analysis.sweep import Sweep as SweepOnDisk
from quickdraw.analysis.tables import report, table
from quickdraw.errors import Interrupted, RunError
from quickdraw.run.listing import Run, named, write_summary
from quickdraw.signals import stop_on_signals
from quickdraw.sweep.jobs import Plan, Sweep
from quickdraw.sweep.view import View, duration

REFRESH_S = 0.5


class Batch:
    """Some jobs of one sweep, each folder's once. `runs` tells how each stands; `report` asks for pictures after."""

    def __init__(self, sweep: Sweep, plans: Iterable[Plan], report: bool = True) -> None:
        self.sweep = sweep
        self.report = report
        self.plans = {plan.folder: plan for plan in plans}
        self.runs = {folder: plan.run() for folder, plan in self.plans.items()}
        self.todo = [plan for folder, plan in self.plans.items() if not self.runs[folder].ended]
        self.names = {folder: name or folder.name for folder, name in named(list(self.runs.values())).items()}

    def preview(self) -> str:
        """Return what there is to do: the jobs, what differs between them, which are finished, and the time left."""
        self._check()
        rows = [[self.names[run.folder], run.state, run.folder.name] for run in self.runs.values()]
        seconds = [run.result["total_s"] for run in self.runs.values() if run.result]
        time_left = "time left: unknown, for none is finished"
        if seconds:
            time_left = f"time left: about {duration(fmean(seconds) * len(self.todo) / self.sweep.pool.size)}"
        return f"{table(['job', 'state', 'folder'], rows)}\n\n{self._to_do()}; {time_left}"

    def _check(self) -> None:
        if self.todo:
            self.sweep.check(self.todo)

    def _to_do(self) -> str:
        jobs = "1 job" if len(self.runs) == 1 else f"{len(self.runs)} jobs"
        return f"{jobs} in {self.sweep.folder}: {len(self.todo) or 'none'} to run"

    def run(self, fail_fast: bool) -> None:
        """Run the jobs that have not ended, and print how it went.

        Raises ConfigError before any starts if a setting is bad, RunError at the end if some failed, and Interrupted
        after a signal, when the running jobs have saved.
        """
        print(self._to_do(), flush=True)
        self._check()
        stopped = None
        try:
            with (
                stop_on_signals() as stop,
                stop.politely(),
                View(self.names, self.runs.values(), self.sweep.pool.size) as view,
            ):
                while self.sweep.running or (self.todo and not self.sweep.stopping):
                    self._start(view)
                    view.show(len(self.sweep.running))
                    run = self.sweep.next(REFRESH_S)
                    if run and run.state == "running":  # another process was there first
                        self.todo.insert(0, self.plans[run.folder])
                    elif run:
                        self._ended(run, view)
                    if not self.sweep.stopping and (stop() or (fail_fast and run and run.state == "failed")):
                        self.sweep.stop(signal.SIGTERM)
        except Interrupted as asked:
            stopped = asked
            self.sweep.stop_at_once()  # what still runs, if this is the second signal
            self.runs = {folder: plan.run() for folder, plan in self.plans.items()}
        summary = write_summary(self.sweep.folder)
        print(
            f"\n{report(SweepOnDisk(self.sweep.folder, list(self.runs.values())))}\n\nall of it: {summary}", flush=True
        )
        if self.report:
            self._draw()
        self._conclude(stopped)

    def _start(self, view: View) -> None:
        """Start jobs while there is room.

        One that another process is training (a second sweep, or a job whose parent was killed and that is saving) waits
        for its turn, and is left alone if it has ended by then.
        """
        for plan in list(self.todo):
            if self.sweep.stopping or not self.sweep.has_room():
                return
            run = plan.run()
            if run.state == "running":
                view.wait_for(run)
                continue
            self.todo.remove(plan)
            if run.ended:
                self._ended(run, view)
            else:
                self.sweep.submit(plan)

    def _ended(self, run: Run, view: View) -> None:
        self.runs[run.folder] = run
        view.ended(run)

    def _draw(self) -> None:
        from quickdraw.analysis.page import leave_report  # pandas and matplotlib, when the jobs are done

        page = leave_report(self.sweep.folder)
        if page:
            print(f"look at it: {page}", flush=True)

    def _conclude(self, stopped: Interrupted | None) -> None:
        count = len(self.runs)
        ended = sum(run.ended for run in self.runs.values())
        failed = sum(run.state == "failed" for run in self.runs.values())
        if stopped:
            print(f"stopped; {ended} of {count} jobs are finished. The same command continues.", flush=True)
            raise stopped
        if self.sweep.stopping:
            raise RunError(
                f"{failed} of {count} jobs failed, and fail_fast stopped the rest; the same command continues"
            )
        if ended < count:
            raise RunError(f"{count - ended} of {count} jobs failed; the same command runs them again, and only them")
