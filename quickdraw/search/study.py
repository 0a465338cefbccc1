"""A search's study: what was tried, in Optuna's journal in the sweep's folder, so that a search can be continued.

One process at a time writes it. A line is an operation in JSON; `optuna-dashboard` opens the file.
"""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock, Timeout
from optuna.pruners import BasePruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from quickdraw.errors import RunError
from quickdraw.search.sampling import Proposer
from quickdraw.search.space import Params, Proposal, params_key, size
from quickdraw.settings import differences, encoded

JOURNAL = "study.journal"
NAME = "search"
Direction = Literal["maximize", "minimize"]
FACTS = "search"  # the study's attribute that says what is searched
STATES = {  # by how a run ended
    "completed": TrialState.COMPLETE,
    "diverged": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Study:
    """A study in a folder, which must exist. Made by `opened`."""

    def __init__(self, folder: Path, proposer: Proposer, pruner: BasePruner, direction: Direction) -> None:
        self.path = folder / JOURNAL
        self.proposer = proposer
        self.maximise = direction == "maximize"
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            drop_partial_line(self.path)
            self.storage = JournalStorage(JournalFileBackend(str(self.path), NoLock()))  # type: ignore[arg-type]
            self.study = optuna.create_study(
                storage=self.storage,
                sampler=proposer,
                pruner=pruner,
                direction=direction,
                study_name=NAME,
                load_if_exists=True,
            )
        except OSError:
            raise
        except Exception as error:  # whatever Optuna makes of a file that it did not write
            raise RunError(
                f"{self.path}: not a journal of Optuna, or a damaged one ({type(error).__name__}: {error}); "
                "move it away to begin the search anew: the jobs that it ran are kept"
            ) from error

    def claim(self, facts: Mapping[str, Any]) -> None:
        """Note what is searched, or raise RunError if the folder holds a search for something else.

        What a trial holds becomes overrides, so it must lie on the axes: a journal may come from anywhere.
        """
        known = self.study.user_attrs.get(FACTS)
        changed = [] if known is None else differences(known, facts)
        if changed:
            raise RunError(
                f"{self.path.parent}: this is another search: {'; '.join(changed)}; choose another name: exp_name=NAME"
            )
        self._check_values()
        if known is None:
            self.study.set_user_attr(FACTS, dict(facts))

    def _check_values(self) -> None:
        """Raise RunError if a trial has a setting that is not searched, or a value that is not on its axis."""
        axes = {axis.key: axis for axis in self.proposer.axes}
        for trial in self.trials():
            for key, value in trial.params.items():
                if key not in axes or not axes[key].holds(value):
                    expected = axes[key].described() if key in axes else f"one of {', '.join(axes)}"
                    raise RunError(
                        f"{self.path}: trial {trial.number} has {key}={value!r:.60}, expected {expected}; "
                        "move the journal away to begin the search anew: the jobs that it ran are kept"
                    )

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in some of Optuna's states, or all of them."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def finished(self) -> int:
        """The number of trials that are at their end."""
        return len(self.trials(TrialState.COMPLETE, TrialState.PRUNED))

    def completed(self) -> list[Params]:
        """The settings of some completed trials: the first and the last."""
        trials = self.trials(TrialState.COMPLETE)
        return [trial.params for trial in (*trials[:1], *trials[1:][-1:])]

    def best(self) -> float | None:
        """The best score of the completed trials, None before the first."""
        values = [trial.value for trial in self.trials(TrialState.COMPLETE) if trial.value is not None]
        return max(values, default=None) if self.maximise else min(values, default=None)

    def exhausted(self) -> bool:
        """Whether every setting of the space was tried."""
        return len({params_key(trial.params) for trial in self.trials()}) >= size(self.proposer.axes)

    def ask(self, params: Params | None = None) -> Proposal:
        """A new trial, with these settings or those that the sampler proposes."""
        self.proposer.forced = params
        trial = self.study.ask(self.proposer.space)
        return self._proposal(self._trial(trial.number))

    def unfinished(self) -> list[Proposal]:
        """The trials that were lost on their way.

        One that was lost before it had all its settings gets the others now: those that it would have had.
        """
        lost = self.trials(TrialState.RUNNING)
        for trial in lost:
            if trial.params.keys() != self.proposer.space.keys():
                params = self.proposer.sample_relative(self.study, trial, self.proposer.space)
                for key in self.proposer.space.keys() - trial.params.keys():
                    kind = self.proposer.space[key]
                    self.storage.set_trial_param(trial._trial_id, key, kind.to_internal_repr(params[key]), kind)
        return [self._proposal(self._trial(trial.number)) for trial in lost]

    def _proposal(self, trial: FrozenTrial) -> Proposal:
        return Proposal(trial.number, {axis.key: trial.params[axis.key] for axis in self.proposer.axes})

    def failed(self) -> list[Params]:
        """The settings that failed and that no other trial has had since."""
        failed: dict[str, Params] = {}
        others: set[str] = set()
        for trial in self.trials():
            key = params_key(trial.params)
            if trial.state == TrialState.FAIL:
                failed[key] = trial.params
            else:
                others.add(key)
        return [params for key, params in failed.items() if key not in others]

    def report(self, number: int, values: Sequence[float]) -> None:
        """Note a trial's scores, one an epoch from the first."""
        trial = self._trial(number)
        for epoch, value in enumerate(values, 1):
            if epoch not in trial.intermediate_values and math.isfinite(value):
                self.storage.set_trial_intermediate_value(trial._trial_id, epoch, value)

    def should_prune(self, number: int) -> bool:
        """Whether a trial should end, by what it has reported."""
        return self.study.pruner.prune(self.study, self._trial(number))

    def tell(self, number: int, facts: Mapping[str, Any], value: float | None = None) -> None:
        """End a trial. `facts` become its attributes; their `state` says how its run ended.

        A diverged trial is a complete one with the worst score of all, from which the sampler learns.
        """
        trial_id = self._trial(number)._trial_id
        for key, fact in facts.items():
            self.storage.set_trial_user_attr(trial_id, key, encoded(fact))
        state = STATES[facts["state"]]
        if facts["state"] == "diverged":
            value = -math.inf if self.maximise else math.inf
        self.study.tell(number, value if state == TrialState.COMPLETE else None, state)

    def _trial(self, number: int) -> FrozenTrial:
        return self.storage.get_trial(
            self.storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)
        )


class NoLock:
    """No lock between the operations: `held` keeps other writers out, and a killed process leaves nothing behind."""

    def acquire(self) -> bool:
        """Go on."""
        return True

    def release(self) -> None:
        """Go on."""


def drop_partial_line(path: Path) -> None:
    """Cut off the last line if the process that wrote it was killed before its end."""
    if not path.exists():
        return
    if not path.is_file():
        raise ValueError("expected a file, got a folder or a device")
    with path.open("r+b") as file:
        whole = file.read().rfind(b"\n") + 1
        if whole < file.tell():
            file.truncate(whole)
            os.fsync(file.fileno())


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the only search in this folder; raises RunError if another process is."""
    lock = FileLock(folder / ".search.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"{folder}: another process is searching in this folder; wait for it or stop it") from None
    try:
        yield
    finally:
        lock.release()
