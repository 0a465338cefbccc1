"""What `python -m quickdraw.analysis` answers: each command's tables and sentences, and the same as plain data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quickdraw.analysis.folders import OUTPUTS, all_runs, find_sweep, metric
from quickdraw.analysis.ranking import Setting, rank, verdict
from quickdraw.analysis.tables import Table, report_parts
from quickdraw.data.names import nearest_names
from quickdraw.errors import RunError
from quickdraw.metrics import lower_is_better
from quickdraw.run.listing import SCORES, Run, named, write_summary
from quickdraw.settings import shown

FIRST_KEYS = ("started", "exp_name", "state", "seconds", "folder")


@dataclass(frozen=True)
class Answer:
    """What a command says to a person, part by part, and to a program."""

    parts: Sequence[Table | str]
    data: Any


def list_runs(outputs: Path, exp_name: str, sort: str, reverse: bool) -> Answer:
    """Answer with the runs, newest first, or by a metric (best first) or a setting (ascending)."""
    runs = all_runs(outputs, exp_name)
    keys = known_keys(runs)
    if sort not in keys:
        near = nearest_names(sort, keys, count=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise RunError(f"--sort {sort}: expected a metric or a setting of the runs{hint}")
    names: dict[Path, str] = {}
    for group in {run.settings.get("exp_name") for run in runs}:  # what differs within one experiment tells it apart
        names |= named([run for run in runs if run.settings.get("exp_name") == group])
    present = [run for run in runs if keys[sort](run) not in (None, "")]
    downwards = sort == "started" or "accuracy" in sort or sort == "samples_per_s"
    ordered = sorted(present, key=lambda run: order(keys[sort](run)), reverse=downwards != reverse)
    ordered += [run for run in runs if keys[sort](run) in (None, "")]
    score = metric(runs)
    columns = list(dict.fromkeys([score, "test_accuracy", "seconds"]))
    if sort not in (*columns, *FIRST_KEYS):
        columns.insert(0, sort)
    rows = [
        [
            run.started[:16].replace("T", " "),
            run.settings.get("exp_name", ""),
            run.state,
            names[run.folder],
            *(listed(run, key, keys[key](run)) for key in columns),
            str(run.folder),
        ]
        for run in ordered
    ]
    header = ["started", "exp_name", "state", "setting", *columns, "folder"]
    return Answer([Table(header, rows)], [facts(run) for run in ordered])


def listed(run: Run, key: str, value: Any) -> Any:
    """Return a cell of the list: a metric as a number, whole seconds, a setting as it was set (1e-05 is not 0.0000)."""
    if key == "seconds":
        return None if value is None else round(value)
    return value if value is None or key in run.result else told(value)


def known_keys(runs: Sequence[Run]) -> dict[str, Callable[[Run], Any]]:
    """Return what runs can be sorted by: each name, and how a run's value is found. A setting's last part will do."""
    keys: dict[str, Callable[[Run], Any]] = {}
    for full in dict.fromkeys(key for run in runs for key in run.settings):
        for key in (full, full.split(".")[-1]):
            keys.setdefault(key, lambda run, full=full: run.settings.get(full))  # type: ignore[misc]
    for metric_name in dict.fromkeys([*SCORES, *(key for run in runs for key in run.result)]):
        keys[metric_name] = lambda run, name=metric_name: run.result.get(name)  # type: ignore[misc]
    return keys | {
        "started": lambda run: run.started,
        "state": lambda run: run.state,
        "folder": lambda run: str(run.folder),
        "seconds": lambda run: run.result.get("total_s"),
    }


def order(value: Any) -> tuple[bool, float, str]:
    """Return a key that sorts numbers by size, and before texts."""
    number = isinstance(value, int | float)
    return not number, float(value) if number else 0.0, "" if number else str(value)


def show_sweep(name: str, outputs: Path = OUTPUTS) -> Answer:
    """Rebuild `summary.csv` and `report.html` in a sweep's folder; answer with its jobs, ranking and failures."""
    from quickdraw.analysis.page import leave_report
    from quickdraw.run.listing import read_runs

    folder = find_sweep(name, outputs)
    runs = read_runs(folder)
    settings = rank(runs)
    written = [f"all of it: {write_summary(folder)}"]
    page = leave_report(folder)
    written += [f"look at it: {page}"] if page else []
    data = {
        "folder": str(folder),
        "monitor": metric(runs),
        "ranking": [ranked(place, setting) for place, setting in enumerate(settings, 1)],
        "verdict": verdict(settings),
        "runs": [facts(run) for run in runs],
        "report": str(page) if page else None,
    }
    return Answer([*report_parts(runs), "\n".join(written)], data)


def ranked(place: int, setting: Setting) -> dict[str, Any]:
    """Return a setting's place in the ranking as plain data. A loss is as it was measured."""
    sign = -1 if lower_is_better(setting.runs[0].monitor) else 1
    return {
        "rank": place,
        "setting": setting.name,
        "mean": sign * setting.mean,
        "deviation": setting.deviation,
        "half_width": setting.half_width,
        "scores": {str(seed): sign * score for seed, score in setting.scores.items()},
        "test_accuracy": setting.test_accuracy(),
        "diverged": setting.diverged,
    }


def facts(run: Run) -> dict[str, Any]:
    """Return a run as plain data."""
    return {
        "folder": str(run.folder),
        "state": run.state,
        "reason": run.reason,
        "started": run.started,
        "settings": run.settings,
        "result": run.result,
    }


def told(value: Any) -> str:
    """Return a setting as it is typed: text without quotes, a list of classes in full."""
    if isinstance(value, list):
        return f"[{','.join(map(told, value))}]"
    return value if isinstance(value, str) else shown(value)
