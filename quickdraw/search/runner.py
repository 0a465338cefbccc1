"""A search from its first trial to the report at its end: a free slot asks for the next trial, and none waits."""

import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from quickdraw.analysis.importance import report
from quickdraw.analysis.journal import SearchRecord, read_search
from quickdraw.console import say
from quickdraw.errors import Interrupted, RunError
from quickdraw.program import run_command
from quickdraw.run.listing import Run
from quickdraw.search.space import Params, Proposal
from quickdraw.search.trials import Trial, curve
from quickdraw.search.view import SearchView
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Jobs
from quickdraw.sweep.runner import Runner, print_end
from quickdraw.sweep.view import how_it_ended

if TYPE_CHECKING:  # the sweeper imports this file before it knows whether Optuna is there
    from quickdraw.search.study import Study

HOPELESS = 3  # trials that fail before any is finished: so will the rest


class SearchRunner(Runner[SearchView]):
    """The trials of a study, run as jobs. `jobs_of(number, params)` composes a trial's jobs, one a seed."""

    def __init__(
        self,
        jobs: Jobs,
        study: "Study",
        metric: str,
        n_trials: int,
        jobs_of: Callable[[int, Params], list[Job]],
        draw: bool = True,
    ) -> None:
        super().__init__(jobs)
        self.study, self.metric, self.n_trials, self.jobs_of, self.draw = study, metric, n_trials, jobs_of, draw
        self.trials: dict[Path, Trial] = {}  # under way, by the folders of their jobs
        self.done = self.study.finished()
        self.retries = self.study.failed()
        self.failed: dict[int, str] = {}  # this time, by number: why
        self.finished = 0  # this time

    def preview(self) -> str:
        """What there is to do."""
        lost = len(self.study.unfinished())
        left = max(0, self.n_trials - self.done)
        parts = [f"{self.done} of {self.n_trials} trials in {self.jobs.folder} are finished"]
        if lost:
            parts.append(f"{lost} lost on their way")
        if self.retries:
            parts.append(f"{len(self.retries)} failed")
        return f"{', '.join(parts)}: {left or 'none'} to run"

    def run(self, fail_fast: bool) -> None:
        """Run the trials, and print how it went.

        Raises RunError at the end if some failed, and Interrupted after a signal, when the running jobs have saved.
        """
        say(self.preview())
        self._check_finished()
        for proposal in self.study.unfinished():
            self._add(proposal)
        best, maximise = self.study.best(), self.study.maximise
        view = SearchView(self.n_trials, self.done, self.jobs.size, self.metric, maximise, best)
        stopped = self.run_all(view, fail_fast)
        self._print_end()
        self._conclude(stopped)

    def new_job(self) -> Job | None:
        """The first job of a new trial, None if there are enough of them."""
        under_way = {trial.proposal.number for trial in self.trials.values() if not trial.over}
        if self.done + len(under_way) + len(self.failed) >= self.n_trials:
            return None
        if not self.retries and self.study.exhausted():
            return None
        params = self.retries.pop(0) if self.retries else None
        self._add(self.study.ask(params))
        return self.todo.pop()

    def job_of(self, run: Run) -> Job:
        """The job whose run this is."""
        trial = self.trials[run.folder]
        return next(job for job in trial.jobs if job.folder == run.folder)

    def judge(self, job: Job) -> str:
        """Note a job's newest epoch; why its training should end now, or an empty text."""
        trial = self.trials[job.folder]
        self.study.report(trial.proposal.number, curve(trial.first.folder, self.metric))
        if self.jobs.stopping or not self._should_prune(trial):
            return ""
        return self._reason(trial)

    def gives_up(self, fail_fast: bool) -> bool:
        """Whether a trial failed where one is enough, or so many that none will be finished."""
        hopeless = len(self.failed) >= HOPELESS and not self.finished
        return bool(self.failed) and (fail_fast or hopeless)

    def ended(self, run: Run, view: SearchView) -> None:
        """Take in a job that ended; end its trial if that is decided, otherwise have its other seeds run."""
        trial = self.trials[run.folder]
        if trial.over or (run.state == "interrupted" and self.jobs.stopping):
            return
        job = self.job_of(run)
        trial.runs[job.folder] = run
        state = trial.state()
        if state is None:
            if job is trial.first:
                self.todo[:0] = trial.jobs[1:]
            return

        # The trial is over, and its other jobs are not wanted any more.
        trial.over = True
        self.todo = [each for each in self.todo if each not in trial.jobs]
        number, value = trial.proposal.number, trial.value(self.metric)
        facts = trial.facts(self.metric)
        self.study.report(number, curve(trial.first.folder, self.metric))
        self.study.tell(number, facts, value)
        if state == "failed":
            self.failed[number] = facts.get("reason", "")
        else:
            self.done, self.finished = self.done + 1, self.finished + 1
        said = how_it_ended(state, facts.get("reason", ""))
        view.trial(trial.name(), state, value, said, time.monotonic() - trial.began)

    def _check_finished(self) -> None:
        """Raise RunError if the drawings changed since trials were finished."""
        jobs = [job for params in self.study.completed() for job in self.jobs_of(0, params)[:1]]
        runs = [job.on_disk() for job in jobs]
        if self.done < self.n_trials:
            self.check_same([run for run in runs if run.result], jobs)

    def _add(self, proposal: Proposal) -> None:
        """Make a trial's jobs known; the first is to be run, and judged.

        A trial that was lost when it had just been judged is judged again, from what it had reported.
        """
        first, *others = self.jobs_of(proposal.number, proposal.params)
        trial = Trial(proposal, [replace(first, judged=True), *others], time.monotonic())
        for job in trial.jobs:
            self.trials[job.folder] = trial
        run = trial.first.on_disk()
        if run.state == "interrupted" and not self.jobs.has(trial.first) and self._should_prune(trial):
            trial.first.record(replace(run, state="pruned", reason=self._reason(trial)))
        self.todo.append(trial.first)

    def _should_prune(self, trial: Trial) -> bool:
        """Whether a trial should end now; one that has trained to its end is kept."""
        left = trial.first.config["trainer"]["epochs"] - len(curve(trial.first.folder, self.metric))
        return left > 0 and self.study.should_prune(trial.proposal.number)

    def _reason(self, trial: Trial) -> str:
        values = curve(trial.first.folder, self.metric)
        if not values:
            return "no score"
        epochs = "1 epoch" if len(values) == 1 else f"{len(values)} epochs"
        return f"{self.metric} {values[-1]:.4f} after {epochs}"

    def _again(self, found: SearchRecord) -> str:
        """How to find out whether the best trial was luck; nothing if it had several seeds."""
        best = found.best()
        if best is None or len(best.facts.get("scores", {})) > 1:
            return ""
        job = self.jobs_of(0, best.params)[0]
        overrides = [each for each in job.overrides if not each.startswith("exp_name=")]
        command = f"{run_command()} {shlex.join(['-m', 'seed=0,1,2,3,4', *overrides])}"
        return f"\nthe best is of one seed, and may be luck: {command}\n"

    def _print_end(self) -> None:
        found = read_search(self.jobs.folder)
        assert found
        text = f"{report(found)}\n{self._again(found)}".removesuffix("\n")
        print_end(self.jobs.folder, text, self.draw, f"\nlook at it: optuna-dashboard {self.study.path}")

    def _conclude(self, stopped: Interrupted | None) -> None:
        if stopped:
            say(f"stopped; {self.done} of {self.n_trials} trials are finished. The same command continues.")
            raise stopped
        if self.failed:
            reason = next(iter(self.failed.values()))
            gave_up = ", and the search gave up" if self.jobs.stopping else ""
            raise RunError(
                f"{len(self.failed)} of {self.n_trials} trials failed{gave_up} (the first: {reason}); "
                "the same command runs them again"
            )
        if self.done < self.n_trials:
            say(f"all {self.done} settings of the space were tried")
