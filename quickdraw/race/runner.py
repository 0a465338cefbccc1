"""A race from its first job to the report at its end: a free slot gets the next job, and only a look waits for all."""

from collections.abc import Callable
from pathlib import Path

from quickdraw.analysis.race import Race
from quickdraw.analysis.sweep import Sweep
from quickdraw.analysis.tables import report, table
from quickdraw.console import say
from quickdraw.errors import Interrupted, RunError
from quickdraw.program import run_command
from quickdraw.race.view import RaceView
from quickdraw.run.listing import Run, place_in
from quickdraw.statistics.race import Decision
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Jobs
from quickdraw.sweep.runner import FAILED, Runner, counted, print_end


class RaceRunner(Runner[RaceView]):
    """The jobs of a race, as many as its looks ask for. `compose(setting, seed)` makes one.

    `decision` is how the race stands, `runs` are the jobs that ended, by their paths below the sweep's folder.
    """

    def __init__(self, jobs: Jobs, race: Race, compose: Callable[[str, int], Job], draw: bool = True) -> None:
        super().__init__(jobs)
        self.race, self.compose, self.draw = race, compose, draw
        self.known: dict[Path, Job] = {}
        self.names: dict[Path, str] = {}
        self.runs: dict[str, Run] = {}
        self.missing: set[Path] = set()  # folders of the jobs that the next look waits for
        self.failed = 0  # this time
        self.decision = self._advance()

    def preview(self) -> str:
        """What there is to do: how each setting stands, and how many jobs are to run."""
        if self.todo:
            self.jobs.check(self.todo)
        rows = []
        for setting, places in self.race.jobs.items():
            seeds = len(self.runs.keys() & places.values())
            rows.append([setting, seeds, "left" if setting in self.decision.kept else "out"])
        return f"{table(['setting', 'seeds', ''], rows)}\n\n{self.to_do()}"

    def to_do(self) -> str:
        """How many jobs are finished, how many the next look waits for, and how many there may be."""
        text = f"{len(self.race.jobs)} settings in {self.jobs.folder}: {counted(self.runs)} finished, "
        if not self.todo:
            return f"{text}none to run"
        until = "with fresh seeds" if self.decision.finished else "until the next look"
        return f"{text}{len(self.todo)} to run {until}, at most {self.race.most_jobs} in all"

    def run(self, fail_fast: bool) -> None:
        """Run the race to its end, and print how it went.

        Raises ConfigError before any job starts if a setting is bad, RunError at the end if some failed, and
        Interrupted after a signal, when the running jobs have saved.
        """
        say(self.to_do())
        if self.todo:
            self.jobs.check(self.todo)
            self.check_same([run for run in self.runs.values() if run.result], self.todo)
        self.race.save(self.jobs.folder)
        view = RaceView(self.names, self.jobs.size, self.race.most_jobs, len(self.runs), self.decision)
        stopped = self.run_all(view, fail_fast)
        sweep = Sweep(self.jobs.folder, [job.on_disk() for job in self.known.values()])
        print_end(self.jobs.folder, report(sweep), self.draw)
        self._conclude(stopped)

    def job_of(self, run: Run) -> Job:
        """The job whose run this is."""
        return self.known[run.folder]

    def ended(self, run: Run, view: RaceView) -> None:
        """Take in how a job ended; if it was the last that a look waited for, look."""
        self.failed += run.state in FAILED
        view.ended(run)
        if not run.ended:
            return
        self.runs[place_in(self.jobs.folder, run.folder)] = run
        self.missing.discard(run.folder)
        if not self.missing:
            self.decision = self._advance()
            self.race.save(self.jobs.folder)
            view.look(self.decision)

    def gives_up(self, fail_fast: bool) -> bool:
        """Whether a job failed, and one is enough."""
        return fail_fast and self.failed > 0

    def _advance(self) -> Decision:
        """Decide, look by look, until a training is missing or none is wanted any more."""
        while True:
            decision = self.race.decision(self.runs)
            before = len(self.known)
            self._want_all(decision)
            if self.missing or len(self.known) == before:
                return decision

    def _want_all(self, decision: Decision) -> None:
        """Make known what the next look waits for; after the last one the first setting's jobs with fresh seeds."""
        if not decision.finished:
            for name, seed in decision.needed:
                self._want(self.race.jobs[name], name, seed)
            return
        leader = decision.kept[0]
        fresh = self.race.fresh.setdefault(leader, {})
        for seed in self.race.fresh_seeds:
            if seed not in fresh:
                self._want(fresh, leader, seed)

    def _want(self, folders: dict[int, str], name: str, seed: int) -> None:
        """Make a job known: it is to be run, unless it is found at its end."""
        job = self.compose(name, seed)
        place = place_in(self.jobs.folder, job.folder)
        folders[seed] = place
        self.known[job.folder] = job
        self.names[job.folder] = f"{name} seed={seed}"
        run = job.on_disk()
        if run.state == "pruned":
            raise RunError(
                f"{run.folder}: pruned by a search; train it to its end: {run_command()} resume={run.folder}"
            )
        if run.ended:
            self.runs[place] = run
        else:
            self.todo.append(job)
            self.missing.add(job.folder)

    def _conclude(self, stopped: Interrupted | None) -> None:
        if stopped:
            say(f"stopped; {counted(self.runs)} finished. The same command continues.")
            raise stopped
        if self.missing:
            stopped_all = ", and fail_fast stopped the rest" if self.jobs.stopping else ""
            raise RunError(
                f"{self.failed} of {len(self.known)} jobs failed{stopped_all}, so the race waits for them; "
                "the same command runs them again"
            )
