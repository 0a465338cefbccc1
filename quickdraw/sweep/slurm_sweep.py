"""A sweep in Slurm's queue: what is missing is submitted, and all jobs are watched while the command lasts."""

from collections.abc import Iterable

from quickdraw.console import say
from quickdraw.errors import Interrupted, RunError
from quickdraw.program import module_command
from quickdraw.signals import stop_on_signals
from quickdraw.sweep.job import Job
from quickdraw.sweep.runner import REFRESH_S, SweepRunner, counted
from quickdraw.sweep.slurm import SlurmJobs
from quickdraw.sweep.slurm_queue import arrays
from quickdraw.sweep.view import SweepView

SHOWN = ("completed", "diverged", "pruned", "damaged", "running", "queued")


class SlurmSweep(SweepRunner):
    """All jobs of one sweep, which go on without this command."""

    jobs: SlurmJobs

    def __init__(self, jobs: SlurmJobs, wanted: Iterable[Job], draw: bool) -> None:
        super().__init__(jobs, wanted, draw)
        self._take_up()

    def submit(self) -> None:
        """Submit what is neither finished nor queued, and say how all stand, how to watch and how to cancel.

        Raises ConfigError before any is submitted if a setting is bad, RunError if Slurm takes no more.
        """
        with self.jobs.queue.lock:
            self._take_up()  # a second command may have submitted since
            self._check()
            say(self.to_do())
            for job in self.todo:
                self.jobs.submit(job)
            self.jobs.flush()
        self.todo = []
        say(self.advice())

    def to_do(self) -> str:
        """How many jobs there are, how they stand, and how many of them are to submit."""
        states = [run.state for run in self.runs.values()]
        parts = [f"{states.count(state)} {state}" for state in SHOWN if state in states]
        parts.append(f"{len(self.todo) or 'none'} to submit")
        return f"{counted(states)} in {self.jobs.folder}: {', '.join(parts)}"

    def advice(self) -> str:
        """How to watch the jobs that have not ended, and how to cancel them."""
        numbers = arrays(self.jobs.numbers())
        if not numbers:
            return "no job is queued"
        return (
            f"watch:  squeue --jobs={','.join(numbers)}\n"
            f"        {module_command('quickdraw.analysis')} sweep {self.jobs.folder}\n"
            f"cancel: scancel {' '.join(numbers)}\n"
            "Ctrl-C ends this command and no job; the same command again shows the state and submits what is missing"
        )

    def watch(self) -> None:
        """Wait until Slurm is done with all jobs, and print how it went.

        Raises RunError at the end if some did not finish; Interrupted after a signal, which no job hears of.
        """
        view = SweepView(self.names, self.runs.values(), self.jobs.size)
        try:
            with stop_on_signals(), view:
                while self.jobs.running:
                    run = self.jobs.next(REFRESH_S)
                    if run:
                        self.ended(run, view)
                    view.show(self.jobs.training())
        except Interrupted:
            ended = sum(run.ended for run in self.runs.values())
            say(f"\n{ended} of {len(self.runs)} jobs are finished; the others go on without this command")
            say(self.advice())
            raise
        self.print_end()
        missing = sum(not run.ended for run in self.runs.values())
        if missing:
            raise RunError(
                f"{missing} of {len(self.runs)} jobs did not finish; the same command submits them again, and only them"
            )

    def _take_up(self) -> None:
        """Find out how each run stands with Slurm, and which are neither finished nor queued."""
        self.jobs.take_up(self.wanted.values())
        self.todo = []
        for folder, job in self.wanted.items():
            self.runs[folder] = self.jobs.seen(job.on_disk())
            run = self.runs[folder]
            if folder not in self.jobs.running and not run.ended and not run.damaged:
                self.todo.append(job)
