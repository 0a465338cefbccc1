"""What `python -m quickdraw.analysis` answers of many runs: tables and sentences, and the same as plain data."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quickdraw.analysis.folders import OUTPUTS, all_runs, find_sweep
from quickdraw.analysis.rows import ranking_rows
from quickdraw.analysis.sweep import Sweep
from quickdraw.analysis.tables import Table, report_parts
from quickdraw.analysis.terminal import Answer
from quickdraw.errors import RunError
from quickdraw.run.listing import SCORES, Run, named, write_summary
from quickdraw.settings import nearest, shown

FIRST_KEYS = ("started", "exp_name", "state", "seconds", "folder")
HIGHEST_FIRST = ("started", "samples_per_s")  # and every accuracy
RANKING_KEYS = ("rank", "setting", "mean", "deviation", "half_width", "scores", "test_accuracy", "diverged")


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
        started = run.started[:16].replace("T", " ")
        values = [list_cell(run, key, getters[key](run)) for key in columns]
        rows.append([started, run.settings.get("exp_name", ""), run.state, names[run.folder], *values, str(run.folder)])
    header = ["started", "exp_name", "state", "setting", *columns, "folder"]
    return Answer([Table(header, rows)], [as_dict(run) for run in ordered])


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
    present = [run for run in runs if value_of(run) not in (None, "")]
    absent = [run for run in runs if value_of(run) in (None, "")]
    return [*sorted(present, key=lambda run: order(value_of(run)), reverse=descending), *absent]


def highest_first(key: str) -> bool:
    """Whether a list begins with the highest value."""
    return key in HIGHEST_FIRST or "accuracy" in key


def list_cell(run: Run, key: str, value: Any) -> Any:
    """A cell of the list: a metric as a number, whole seconds, a setting as it was set (1e-05 is not 0.0000)."""
    if value is None:
        return None
    if key == "seconds":
        return round(value)
    return value if key in run.result else typed(value)


def sort_keys(runs: Sequence[Run]) -> dict[str, Callable[[Run], Any]]:
    """What runs can be sorted by: each name, and how a run's value is found. A setting's last part will do."""
    getters: dict[str, Callable[[Run], Any]] = {}
    for full in dict.fromkeys(key for run in runs for key in run.settings):
        getters.setdefault(full, setting_getter(full))
        getters.setdefault(full.split(".")[-1], setting_getter(full))
    for metric in dict.fromkeys([*SCORES, *(key for run in runs for key in run.result)]):
        getters[metric] = result_getter(metric)
    return getters | {
        "started": lambda run: run.started,
        "state": lambda run: run.state,
        "folder": lambda run: str(run.folder),
        "seconds": result_getter("total_s"),
    }


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
    written = f"all of it: {write_summary(sweep.folder)}"
    page = leave_report(sweep.folder)
    if page:
        written += f"\nlook at it: {page}"
    data = {
        "folder": str(sweep.folder),
        "monitor": sweep.metric,
        "ranking": [{key: row[key] for key in RANKING_KEYS} for row in ranking_rows(sweep)],
        "verdict": sweep.verdict(),
        "runs": [as_dict(run) for run in sweep.runs],
        "report": str(page) if page else None,
    }
    return Answer([*report_parts(sweep), written], data)


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
    return value if isinstance(value, str) else shown(value)
