"""What `python -m quickdraw.analysis` answers of many runs: tables and sentences, and the same as plain data."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from quickdraw.analysis.folders import OUTPUTS, all_runs, find_sweep
from quickdraw.analysis.rows import ranking_rows
from quickdraw.analysis.sweep import Sweep
from quickdraw.analysis.tables import Table, report_parts
from quickdraw.analysis.terminal import Answer
from quickdraw.errors import RunError
from quickdraw.run.folder import moment
from quickdraw.run.listing import SCORES, Run, display, last_part, named, write_summary
from quickdraw.settings import nearest

FIRST_KEYS = ("started", "exp_name", "state", "seconds", "folder")
HIGHEST_FIRST = ("started", "samples_per_s")  # and every accuracy
RANKING_KEYS = (
    "rank",
    "setting",
    "mean",
    "deviation",
    "half_width",
    "low",
    "high",
    "scores",
    "test_accuracy",
    "diverged",
    "one_class",
    "may_be_best",
)


def list_runs(outputs: Path, exp_name: str, sort: str, reverse: bool) -> Answer:
    """The runs, newest first, or by a metric (best first) or a setting (ascending)."""
    runs = all_runs(outputs, exp_name)
    getters = sort_keys(runs)
    if sort not in getters:
        raise RunError(f"--sort {sort}: expected a metric or a setting of the runs{nearest(sort, getters)}")
    ordered = ordered_by(runs, getters[sort], highest_first(sort) != reverse)

    # The score that ranks, the test accuracy, the time, and what they are sorted by.
    columns = list(dict.fromkeys([Sweep(outputs, runs).metric, "test_accuracy", "seconds"]))
    if sort not in (*columns, *FIRST_KEYS):
        columns.insert(0, sort)

    names = experiment_names(runs)
    rows = []
    for run in ordered:
        started = clock(run.started)
        values = [list_cell(run, key, getters[key](run)) for key in columns]
        rows.append([started, run.settings.get("exp_name", ""), run.state, names[run.folder], *values, str(run.folder)])
    header = ["started", "exp_name", "state", "setting", *columns, "folder"]
    return Answer([Table(header, rows)], list(map(as_dict, ordered)))


def clock(started: str) -> str:
    """A time as the clock here showed it, whatever zone it was written in."""
    since_1970 = moment(started)
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(since_1970)) if since_1970 is not None else started[:16]


def experiment_names(runs: Sequence[Run]) -> dict[Path, str]:
    """What differs between the runs of each experiment, by folder."""
    experiments: dict[Any, list[Run]] = {}
    for run in runs:
        experiments.setdefault(run.settings.get("exp_name"), []).append(run)
    names: dict[Path, str] = {}
    for own in experiments.values():
        names |= named(own)
    return names


def ordered_by(runs: Sequence[Run], value_of: Callable[[Run], Any], descending: bool) -> list[Run]:
    """The runs by a value; those without it come last."""
    groups: dict[bool, list[Run]] = {True: [], False: []}
    for run in runs:
        groups[value_of(run) not in (None, "")].append(run)
    known = sorted(groups[True], key=lambda run: order(value_of(run)), reverse=descending)
    return known + groups[False]


def highest_first(key: str) -> bool:
    """Whether a list begins with the highest value."""
    return key in HIGHEST_FIRST or "accuracy" in key


def list_cell(run: Run, key: str, value: Any) -> Any:
    """A cell of the list: a metric as a number, whole seconds, a setting as it was set (1e-05 is not 0.0000)."""
    if value is None:
        return None
    if key == "seconds":
        return round(value)
    if key in run.result:
        return value
    return typed(value)


def sort_keys(runs: Sequence[Run]) -> dict[str, Callable[[Run], Any]]:
    """What runs can be sorted by: each name, and how a run's value is found. A setting's last part will do."""
    getters: dict[str, Callable[[Run], Any]] = {}
    for run in runs:
        for full in run.settings:
            getters.setdefault(full, setting_getter(full))
            getters.setdefault(last_part(full), setting_getter(full))
    results: dict[str, Callable[[Run], Any]] = {}
    for metric in chain(SCORES, *(run.result for run in runs)):
        results[metric] = result_getter(metric)
    return (
        getters
        | results
        | {
            "started": lambda run: moment(run.started),
            "state": lambda run: run.state,
            "folder": lambda run: str(run.folder),
            "seconds": result_getter("total_s"),
        }
    )


def setting_getter(key: str) -> Callable[[Run], Any]:
    return lambda run: run.settings.get(key)


def result_getter(key: str) -> Callable[[Run], Any]:
    return lambda run: run.result.get(key)


def order(value: Any) -> tuple[bool, float, str]:
    """A key that sorts numbers by size, and before texts."""
    if isinstance(value, int | float):
        return False, float(value), ""
    return True, 0.0, str(value)


def show_sweep(name: str, outputs: Path = OUTPUTS) -> Answer:
    """A sweep's jobs, ranking and failures; rebuilds `summary.csv` and `report.html` in its folder."""
    from quickdraw.analysis.page import leave_report

    sweep = find_sweep(name, outputs)
    try:
        written = f"all of it: {write_summary(sweep.folder)}"
    except OSError as error:  # somebody else's folder, or a full disk
        written = f"warning: no summary.csv ({error.strerror or error})"
    page = leave_report(sweep.folder)
    if page:
        written += f"\nlook at it: {page}"
    data = {
        "folder": str(sweep.folder),
        "monitor": sweep.metric,
        "ranking": list(map(ranking_dict, ranking_rows(sweep))),
        "verdict": sweep.verdict(),
        "race": race_dict(sweep),
        "runs": list(map(as_dict, sweep.runs)),
        "report": page and str(page),
    }
    return Answer([*report_parts(sweep), written], data)


def race_dict(sweep: Sweep) -> dict[str, Any] | None:
    """How a race stands as plain data; None of another sweep."""
    if sweep.decision is None:
        return None
    fresh = sweep.confirmation
    return asdict(sweep.decision) | {"confirmation": fresh and asdict(fresh)}


def ranking_dict(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the ranking as plain data."""
    return {key: row[key] for key in RANKING_KEYS}


def as_dict(run: Run) -> dict[str, Any]:
    """A run as plain data."""
    return {
        "folder": str(run.folder),
        "state": run.state,
        "reason": run.reason,
        "started": run.started,
        "settings": run.settings,
        "result": run.result,
    }


def typed(value: Any) -> str:
    """A setting as it is typed: text without quotes, a list of classes in full."""
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    return display(value)
