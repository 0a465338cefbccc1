"""A search from its first trial to the report at its end: a free slot asks for the next trial, and none waits."""

import shlex
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from hydra_plugins.quickdraw_optuna.grammar import overrides_of
from quickdraw.analysis.importance import report
from quickdraw.analysis.journal import SearchRecord, read_search
from quickdraw.errors import Interrupted, RunError
from quickdraw.run.listing import Run, write_summary
from quickdraw.search.space import Params, Proposal
from quickdraw.search.trials import Trial, curve
from quickdraw.search.view import SearchView
from quickdraw.signals import stop_on_signals
from quickdraw.sweep import channel
from quickdraw.sweep.jobs import Plan, Sweep, record

if TYPE_CHECKING:  # Hydra imports this file even for --help, which must not pay for Optuna
    from quickdraw.search.study import Study

REFRESH_S = 0.5
HOPELESS = 3  # trials that fail before any is finished: so will the rest


class Search:
    """The trials of a study, run as jobs of a sweep. `plans_of(number, params)` composes a trial's jobs, one a seed."""

    def __init__(
        self, sweep: Sweep, study: "Study", metric: str, n_trials: int, plans_of: Callable[[int, Params], list[Plan]]
    ) -> None:
        self.sweep, self.study, self.metric, self.n_trials, self.plans_of = sweep, study, metric, n_trials, plans_of
        self.trials: dict[str, Trial] = {}  # under way, by the names of their jobs' folders
        self.todo: list[Plan] = []  # jobs of these that have not begun
        self.done = self.study.finished()
        self.retries = self.study.failed()
        self.failed: dict[int, str] = {}  # this time, by number: why
        self.finished = 0  # this time

    def preview(self) -> str:
        """Return what there is to do."""
        lost = len(self.study.unfinished())
        left = max(0, self.n_trials - self.done)
        parts = [f"{self.done} of {self.n_trials} trials in {self.sweep.folder} are finished"]
        parts += [f"{lost} lost on their way"] if lost else []
        parts += [f"{len(self.retries)} failed"] if self.retries else []
        return f"{', '.join(parts)}: {left or 'none'} to run"

    def run(self, fail_fast: bool, pictures: bool) -> None:
        """Run the trials, and print how it went; leave `report.html` if `pictures` are wanted.

        Raises RunError at the end if some failed, and Interrupted after a signal, when the running jobs have saved.
        """
        print(self.preview(), flush=True)
        for proposal in self.study.unfinished():
            self._add(proposal)
        stopped = None
        self.sweep.pool.answer = self._answer
        best, maximise = self.study.best(), self.study.maximise
        view = SearchView(self.n_trials, self.done, self.sweep.pool.size, self.metric, maximise, best)
        try:
            with stop_on_signals() as stop, stop.politely(), view:
                while True:
                    self._start(view)
                    if not self.sweep.running and (self.sweep.stopping or not self.todo):
                        break
                    view.show(len(self.sweep.running))
                    run = self.sweep.next(REFRESH_S)
                    if run and run.state == "running":  # another process was there first
                        self.todo.insert(0, self._plan(run))
                    elif run:
                        self._ended(run, view)
                    if not self.sweep.stopping and (stop() or self._given_up(fail_fast)):
                        self.sweep.stop(signal.SIGTERM)
        except Interrupted as asked:
            stopped = asked
            self.sweep.stop_at_once()
        self._conclude(stopped, pictures)

    def _start(self, view: SearchView) -> None:
        """Start jobs while there is room: those of the trials under way first, then the next trial's."""
        while self.sweep.has_room() and not self.sweep.stopping:
            plan = self._ready(view) or self._next()
            if plan is None:
                return
            run = plan.run()
            if run.ended:
                self._ended(run, view)
            else:
                self.sweep.submit(plan)

    def _ready(self, view: SearchView) -> Plan | None:
        for plan in self.todo:
            run = plan.run()
            if run.state == "running":  # a job whose search was killed, and that is saving
                view.wait_for(run)
                continue
            self.todo.remove(plan)
            return plan
        return None

    def _next(self) -> Plan | None:
        """Return the first job of a new trial, None if there are enough of them."""
        under_way = len({trial.proposal.number for trial in self.trials.values() if not trial.over})
        if self.done + under_way + len(self.failed) >= self.n_trials:
            return None
        if not self.retries and self.study.exhausted():
            return None
        self._add(self.study.ask(self.retries.pop(0) if self.retries else None))
        return self.todo.pop()

    def _add(self, proposal: Proposal) -> None:
        """Make a trial's jobs known; the first is to be run.

        A trial that was lost when it had just been judged is judged again, from what it had reported.
        """
        plans = self.plans_of(proposal.number, proposal.params)
        plans[0] = replace(plans[0], call=(channel.run_judged_job, plans[0].call[1]))
        trial = Trial(proposal, plans, time.monotonic())
        for plan in plans:
            self.trials[plan.folder.name] = trial
        run = trial.first.run()
        if run.state == "interrupted" and self._hopeless(trial):
            record(trial.first, replace(run, state="pruned", reason=self._reason(trial)))
        self.todo.append(trial.first)

    def _answer(self, name: str, question: bytes) -> bytes:
        """Note a job's newest epoch; return why it should end, or nothing."""
        trial = self.trials[name]
        self.study.report(trial.proposal.number, curve(trial.first.folder, self.metric))
        return self._reason(trial).encode() if not self.sweep.stopping and self._hopeless(trial) else b""

    def _hopeless(self, trial: Trial) -> bool:
        """Return whether a trial should end now; one that has trained to its end is kept."""
        left = trial.first.config["trainer"]["epochs"] - len(curve(trial.first.folder, self.metric))
        return left > 0 and self.study.hopeless(trial.proposal.number)

    def _reason(self, trial: Trial) -> str:
        values = curve(trial.first.folder, self.metric)
        count = len(values)
        epochs = "1 epoch" if count == 1 else f"{count} epochs"
        return f"{self.metric} {values[-1]:.4f} after {epochs}" if values else "no score"

    def _plan(self, run: Run) -> Plan:
        return next(plan for plan in self.trials[run.folder.name].plans if plan.folder.name == run.folder.name)

    def _ended(self, run: Run, view: SearchView) -> None:
        """Take in a job that ended; end its trial if that is decided, else have its other seeds run."""
        trial = self.trials[run.folder.name]
        if trial.over or (run.state == "interrupted" and self.sweep.stopping):
            return
        plan = self._plan(run)
        trial.runs[plan.folder] = run
        state = trial.state()
        if state is None:
            if plan is trial.first:
                self.todo[:0] = trial.plans[1:]
            return
        trial.over = True
        self.todo = [each for each in self.todo if each not in trial.plans]
        number, facts = trial.proposal.number, trial.facts(self.metric)
        value = trial.value(self.metric)
        self.study.report(number, curve(trial.first.folder, self.metric))
        self.study.tell(number, facts, value)
        if state == "failed":
            self.failed[number] = facts.get("reason", "")
        else:
            self.done, self.finished = self.done + 1, self.finished + 1
        said = f"{state}: {facts['reason'].split(';')[0]}" if "reason" in facts else state
        name = " ".join(overrides_of({key.split(".")[-1]: value for key, value in trial.proposal.params.items()}))
        view.trial(name, state, value, said, time.monotonic() - trial.began)

    def _given_up(self, fail_fast: bool) -> bool:
        return bool(self.failed) and (fail_fast or (len(self.failed) >= HOPELESS and not self.finished))

    def _again(self, found: SearchRecord) -> str:
        """Return how to find out whether the best trial was luck; nothing if it had several seeds."""
        best = found.best()
        if best is None or len(best.facts.get("scores", {})) > 1:
            return ""
        overrides = [each for each in self.plans_of(0, best.params)[0].overrides if not each.startswith("exp_name=")]
        command = shlex.join(["python", "run.py", "-m", "seed=0,1,2,3,4", *overrides])
        return f"\nthe best is of one seed, and may be luck: {command}\n"

    def _conclude(self, stopped: Interrupted | None, pictures: bool) -> None:
        summary = write_summary(self.sweep.folder)
        found = read_search(self.sweep.folder)
        assert found
        print(f"\n{report(found)}\n{self._again(found)}", flush=True)
        print(f"all of it: {summary}\nlook at it: optuna-dashboard {self.study.path}", flush=True)
        if pictures:
            from quickdraw.analysis.page import leave_report  # pandas and matplotlib, when the jobs are done

            page = leave_report(self.sweep.folder)
            if page:
                print(f"look at it: {page}", flush=True)
        if stopped:
            print(
                f"stopped; {self.done} of {self.n_trials} trials are finished. The same command continues.", flush=True
            )
            raise stopped
        if self.failed:
            reason = next(iter(self.failed.values()))
            gave_up = ", and the search gave up" if self.sweep.stopping else ""
            raise RunError(
                f"{len(self.failed)} of {self.n_trials} trials failed{gave_up} (the first: {reason}); "
                "the same command runs them again"
            )
        if self.done < self.n_trials:
            print(f"all {self.done} settings of the space were tried", flush=True)
