"""Many jobs of a sweep, from the first start to the ranking at the end, by whatever holds the interface Jobs."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Generic, TypeVar

from quickdraw.analysis.sweep import Sweep
from quickdraw.analysis.tables import report, table
from quickdraw.console import note, say
from quickdraw.errors import Interrupted, RunError
from quickdraw.run.listing import Run, named, place_in, write_summary
from quickdraw.signals import stop_on_signals
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Jobs
from quickdraw.sweep.same_drawings import check_drawings, other_program
from quickdraw.sweep.view import LiveView, SweepView, duration

REFRESH_S = 0.5
FAILED = ("failed", "damaged")
View = TypeVar("View", bound=LiveView)


class Runner(ABC, Generic[View]):
    """Starts jobs while there is room, takes in those that end, and stops them all after a signal or an error.

    A subclass says which job is next and what an end means. `todo` are jobs that are known to be wanted.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.todo: list[Job] = []

    @abstractmethod
    def job_of(self, run: Run) -> Job:
        """The job whose run this is."""

    @abstractmethod
    def ended(self, run: Run, view: View) -> None:
        """Take in how a job ended."""

    def new_job(self) -> Job | None:
        """A job to start when none of those in `todo` can be; None if there is none."""
        return None

    def judge(self, job: Job) -> str:
        """Why a job that asks should end now; an empty text lets it go on."""
        return ""

    @abstractmethod
    def gives_up(self, fail_fast: bool) -> bool:
        """Whether to stop all jobs because of those that failed."""

    def run_all(self, view: View, fail_fast: bool) -> Interrupted | None:
        """Run jobs until there are no more; the signal that stopped them, if one did."""
        try:
            with stop_on_signals() as stop, stop.politely(), view:
                while True:
                    self._start(view)
                    if not self.jobs.running and (self.jobs.stopping or not self.todo):
                        return None
                    view.show(len(self.jobs.running))
                    run = self.jobs.next(REFRESH_S, self.judge)
                    if run and run.state == "running":  # another process was there first
                        self.todo.insert(0, self.job_of(run))
                    elif run:
                        view.trainings += run.ended
                        self.ended(run, view)
                    if not self.jobs.stopping and (stop() or self.gives_up(fail_fast)):
                        self.jobs.stop(signal.SIGTERM)
        except Interrupted as asked:
            self.jobs.stop_at_once()  # what still runs, if this is the second signal
            return asked
        except BaseException:  # a job that asks would otherwise wait for its answer, and we for its end
            self.jobs.wind_up()
            raise
        finally:
            self.jobs.close()

    def check_same(self, finished: Sequence[Run], wanted: Sequence[Job]) -> None:
        """Raise RunError if the drawings changed since jobs were finished; say so if the program did."""
        check_drawings(finished, wanted, self.jobs.pool)
        other = other_program([*finished, *(job.on_disk() for job in wanted)])
        if other:
            note(other)

    def _start(self, view: View) -> None:
        """Start jobs while there is room; one that has ended by now is only taken in."""
        while self.jobs.has_room() and not self.jobs.stopping:
            job = self._ready(view) or self.new_job()
            if job is None:
                return
            run = job.on_disk()
            if run.ended or run.damaged:
                self.ended(run, view)
            else:
                self.jobs.submit(job)

    def _ready(self, view: View) -> Job | None:
        """The first of `todo` that no other process is training.

        Such a process is a second sweep, or a job whose parent was killed and that is saving.
        """
        for job in self.todo:
            run = job.on_disk()
            if run.state == "running" and not self.jobs.has(job):
                view.wait_for(run)
                continue
            self.todo.remove(job)
            return job
        return None


class SweepRunner(Runner[SweepView]):
    """All jobs of one sweep, each folder's once. `runs` is how each stands; `draw` asks for a page at the end."""

    def __init__(self, jobs: Jobs, wanted: Iterable[Job], draw: bool = True) -> None:
        super().__init__(jobs)
        self.draw = draw
        self.wanted = {job.folder: job for job in wanted}
        self.runs = self._on_disk()
        self.todo = [job for folder, job in self.wanted.items() if not self.runs[folder].ended]
        self.names = display_names(list(self.runs.values()))
        self.failed = 0  # this time

    def preview(self) -> str:
        """What there is to do: the jobs, what differs between them, which are finished, and the time left."""
        self._check()
        rows = [
            [self.names[run.folder], run.state, place_in(self.jobs.folder, run.folder)] for run in self.runs.values()
        ]
        seconds = [run.result["total_s"] for run in self.runs.values() if "total_s" in run.result]
        time_left = "unknown, for none is finished"
        if seconds:
            time_left = f"about {duration(fmean(seconds) * len(self.todo) / self.jobs.size)}"
        return f"{table(['job', 'state', 'folder'], rows)}\n\n{self.to_do()}; time left: {time_left}"

    def to_do(self) -> str:
        """How many jobs there are, and how many of them are to run."""
        return f"{counted(self.runs)} in {self.jobs.folder}: {len(self.todo) or 'none'} to run"

    def run(self, fail_fast: bool) -> None:
        """Run the jobs that have not ended, and print how it went.

        Raises ConfigError before any starts if a setting is bad, RunError at the end if some failed, and Interrupted
        after a signal, when the running jobs have saved.
        """
        say(self.to_do())
        self._check()
        view = SweepView(self.names, self.runs.values(), self.jobs.size)
        stopped = self.run_all(view, fail_fast)
        if stopped:
            self.runs = self._on_disk()
        self.print_end()
        self._conclude(stopped)

    def job_of(self, run: Run) -> Job:
        """The job whose run this is."""
        return self.wanted[run.folder]

    def ended(self, run: Run, view: SweepView) -> None:
        """Take in how a job ended, and say so."""
        self.runs[run.folder] = run
        self.failed += run.state in FAILED
        view.ended(run)

    def gives_up(self, fail_fast: bool) -> bool:
        """Whether a job failed, and one is enough."""
        return fail_fast and self.failed > 0

    def print_end(self) -> None:
        """Print how the sweep went, and where all of it is."""
        print_end(self.jobs.folder, report(Sweep(self.jobs.folder, list(self.runs.values()))), self.draw)

    def _on_disk(self) -> dict[Path, Run]:
        return {folder: job.on_disk() for folder, job in self.wanted.items()}

    def _check(self) -> None:
        if self.todo:
            self.jobs.check(self.todo)
            self.todo = self.jobs.arranged(self.todo)
            self.check_same([run for run in self.runs.values() if run.result], self.todo)

    def _conclude(self, stopped: Interrupted | None) -> None:
        count = len(self.runs)
        ended = sum(run.ended for run in self.runs.values())
        failed = sum(run.state in FAILED for run in self.runs.values())
        damaged = [run.folder for run in self.runs.values() if run.damaged]
        if stopped:
            say(f"stopped; {ended} of {count} jobs are finished. The same command continues.")
            raise stopped
        if self.jobs.stopping:
            raise RunError(
                f"{failed} of {count} jobs failed, and fail_fast stopped the rest; the same command continues"
            )
        if damaged:
            raise RunError(
                f"{count - ended} of {count} jobs failed, {len(damaged)} of them because their folders are damaged: "
                f"restore or move away {', '.join(map(str, damaged[:3]))}{', ...' if len(damaged) > 3 else ''}; "
                "the same command then runs them again, and only them"
            )
        if ended < count:
            raise RunError(f"{count - ended} of {count} jobs failed; the same command runs them again, and only them")


def display_names(runs: list[Run]) -> dict[Path, str]:
    """What differs between the runs, by folder: `lr=0.001 seed=0`; a single run by its folder's name."""
    return {folder: name or folder.name for folder, name in named(runs).items()}


def counted(jobs: Iterable[object]) -> str:
    """The number of jobs in words."""
    count = len(list(jobs))
    return "1 job" if count == 1 else f"{count} jobs"


def print_end(folder: Path, text: str, draw: bool, also: str = "") -> None:
    """Print how a sweep or a search went, and where all of it is; draw `report.html` first if that is wanted."""
    say(f"\n{text}\n")
    try:
        say(f"all of it: {write_summary(folder)}{also}")
    except OSError as error:  # what was found is on the terminal by now
        note(f"warning: no summary.csv ({error.strerror or error})")
    if draw:
        from quickdraw.analysis.page import leave_report  # pandas and matplotlib, when the jobs are done

        page = leave_report(folder)
        if page:
            say(f"look at it: {page}")
