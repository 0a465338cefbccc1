"""The trials of an adaptive search, read from its journal without Optuna, and without trusting the file.

A line is an operation in JSON, as Optuna's JournalStorage writes it. A line that makes no sense is passed over.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from quickdraw.files import parse_json, read_bounded
from quickdraw.rules import Rule, choice, number, whole
from quickdraw.run.listing import short_names

LARGEST_JOURNAL = 256_000_000  # bytes
FINITE = number("a finite number", math.isfinite)
PLAIN = (str, int, float, bool, type(None))
TEXT = Rule(lambda v: isinstance(v, str), "a text")
TEXTS = Rule(lambda v: isinstance(v, list) and all(map(TEXT.holds, v)), "a list of texts")
SCORES = Rule(lambda v: isinstance(v, dict) and all(map(FINITE.holds, v.values())), "a score for each seed")
SEARCH_FACTS = {"metric": TEXT}
TRIAL_FACTS = {
    "state": choice("completed", "diverged", "pruned", "failed"),
    "reason": TEXT,
    "epochs": whole(0),
    "seconds": FINITE,
    "jobs": TEXTS,
    "scores": SCORES,
}
JOURNAL = "study.journal"
STATES = ("running", "completed", "pruned", "failed", "waiting")  # by Optuna's numbers
CREATE_STUDY, STUDY_ATTRIBUTE, CREATE_TRIAL, PARAM, STATE, EPOCH, TRIAL_ATTRIBUTE = 0, 2, 4, 5, 6, 7, 8
MAXIMIZE = 2


@dataclass
class TrialRecord:
    """One trial. `curve` is its score by epoch; `value` its score, None if it has none.

    `state` is running, completed, pruned, failed or waiting; `facts` are what the search noted at its end: its state as
    a run (a diverged one counts as completed), reason, epochs, seconds of training, jobs, scores by seed.
    """

    number: int
    state: str = "running"
    params: dict[str, Any] = field(default_factory=dict)
    value: float | None = None
    curve: dict[int, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    began: float = math.nan  # seconds since 1970
    ended: float = math.nan

    @property
    def final_state(self) -> str:
        """The state as a run's: `diverged` too."""
        return str(self.facts.get("state", self.state))

    @property
    def last(self) -> float | None:
        """The final score, or what a trial that was pruned had reached."""
        if self.value is not None and math.isfinite(self.value):
            return self.value
        if self.curve and self.final_state == "pruned":
            return self.curve[max(self.curve)]
        return None


@dataclass
class SearchRecord:
    """A search: its trials by number, and what it noted about itself (metric, what was searched)."""

    folder: Path
    maximise: bool = True
    trials: list[TrialRecord] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # of each setting, Optuna's distribution

    @property
    def metric(self) -> str:
        """The score that was searched for."""
        return str(self.facts.get("metric", "value"))

    @property
    def keys(self) -> list[str]:
        """The settings that were searched."""
        return list(self.kinds)

    @property
    def names(self) -> dict[str, str]:
        """The settings by the last part of their names, where no other one ends the same."""
        return short_names(dict(zip(self.keys, self.keys, strict=True)))

    def has_all_settings(self, trial: TrialRecord) -> bool:
        """Whether a trial has a value for each setting: a line of it may be damaged."""
        return trial.params.keys() == self.kinds.keys()

    def best_so_far(self) -> list[tuple[int, float]]:
        """The best score of the completed trials after each of them, with its trial's number."""
        better = max if self.maximise else min
        best: list[tuple[int, float]] = []
        for trial in self.trials:
            if trial.final_state == "completed" and trial.value is not None:
                scores = [score for _, score in best[-1:]]
                best.append((trial.number, better([*scores, trial.value])))
        return best

    def ranked(self) -> list[TrialRecord]:
        """The finished trials: the completed ones by score, then the pruned ones, the longest first.

        Diverged ones come last.
        """
        done = [trial for trial in self.trials if trial.state in ("completed", "pruned")]
        return sorted(done, key=self._place)

    def _place(self, trial: TrialRecord) -> tuple[int, int, float, int]:
        """What trials are sorted by, the best first."""
        group = {"completed": 0, "pruned": 1}.get(trial.final_state, 2)
        epochs, loss = 0, math.inf
        if group == 1:
            epochs = max(trial.curve, default=0)
        if trial.last is not None:
            loss = -trial.last if self.maximise else trial.last
        return group, -epochs, loss, trial.number

    def best(self) -> TrialRecord | None:
        """The best completed trial, if there is one."""
        completed = [trial for trial in self.ranked() if trial.final_state == "completed"]
        return next(iter(completed), None)


def read_search(folder: Path) -> SearchRecord | None:
    """The search in a sweep's folder; None if there is no journal with a study in it."""
    try:
        lines = read_bounded(folder / JOURNAL, LARGEST_JOURNAL).splitlines()
    except (OSError, ValueError):
        return None
    search = SearchRecord(folder)
    begun = False
    for line in lines:
        try:
            operation = parse_json(line, finite=False)
            begun = begun or operation["op_code"] == CREATE_STUDY
            if operation.get("study_id", 0) == 0:  # ours is the file's first study
                apply(search, operation)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
            continue
    return search if begun else None


def apply(search: SearchRecord, operation: Mapping[str, Any]) -> None:
    """Carry out one operation of the journal; raises one of many errors, and changes nothing, if it makes no sense."""
    code = operation["op_code"]
    if code == CREATE_STUDY:
        search.maximise = operation["directions"][0] == MAXIMIZE
    elif code == STUDY_ATTRIBUTE:
        search.facts |= sensible(operation["user_attr"].get("search", {}), SEARCH_FACTS)
    elif code == CREATE_TRIAL:
        search.trials.append(TrialRecord(len(search.trials), began=seconds(operation["datetime_start"])))
    if code < PARAM or operation["trial_id"] < 0:
        return
    trial = search.trials[operation["trial_id"]]
    if code == PARAM:
        key, kind = str(operation["param_name"]), parse_json(operation["distribution"], finite=False)
        check_kind(kind)
        trial.params[key] = external(kind, operation["param_value_internal"])
        search.kinds[key] = kind
    elif code == EPOCH:
        epoch, score = operation["step"], operation["intermediate_value"]
        if whole(1).holds(epoch) and FINITE.holds(score):
            trial.curve[epoch] = float(score)
    elif code == TRIAL_ATTRIBUTE:
        trial.facts |= sensible(operation["user_attr"], TRIAL_FACTS)
    elif code == STATE:
        state, values = STATES[operation["state"]], operation["values"]
        value = float(values[0]) if values else None
        ended = seconds(operation.get("datetime_complete"))
        trial.state, trial.value, trial.ended = state, value, ended


def sensible(facts: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """The facts that are as they must be; those that are unknown here pass."""
    return {key: fact for key, fact in facts.items() if key not in rules or rules[key].holds(fact)}


def check_kind(kind: Any) -> None:
    """Raise ValueError unless this is one of Optuna's distributions, as a search of ours has them."""
    given = kind["attributes"]
    if kind["name"] == "CategoricalDistribution":
        is_good = bool(given["choices"]) and all(isinstance(each, PLAIN) for each in given["choices"])
    elif kind["name"] in ("FloatDistribution", "IntDistribution"):
        low, high = given["low"], given["high"]
        is_good = FINITE.holds(low) and FINITE.holds(high) and low <= high and (low > 0 or not given.get("log"))
    else:
        is_good = False
    if not is_good:
        raise ValueError(f"expected a distribution, got {kind!r:.60}")


def external(kind: Mapping[str, Any], value: float) -> Any:
    """A setting's value, from the number that stands for it; raises ValueError for one that it cannot have."""
    given = kind["attributes"]
    if "choices" in given:
        return given["choices"][whole_number(value)]
    if not given["low"] <= value <= given["high"]:
        raise ValueError(f"expected a value from {given['low']} to {given['high']}, got {value}")
    return int(value) if kind["name"].startswith("Int") else float(value)


def whole_number(value: float) -> int:
    """A number that is whole and not negative, as int."""
    if value != int(value) or value < 0:
        raise ValueError(f"expected a whole number from 0 up, got {value}")
    return int(value)


def seconds(time: str | None) -> float:
    """A time in seconds since 1970; nan for none."""
    return datetime.fromisoformat(time).timestamp() if time else math.nan
