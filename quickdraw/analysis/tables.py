"""Tables for the terminal."""

import math
from collections.abc import Sequence
from typing import Any

from quickdraw.analysis.ranking import Setting, rank, verdict
from quickdraw.analysis.runs import Run, named, varied
from quickdraw.settings import shown


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as aligned columns: numbers to the right, text to the left."""
    cells = [[text(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    numeric = [all(isinstance(v, int | float) or v is None for v in column) for column in zip(*rows, strict=True)]
    aligned = [
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)).rstrip()
        for row in (header, *cells)
    ]
    return "\n".join(aligned)


def text(value: Any) -> str:
    """Return a cell: four digits after the point, nothing for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def job_table(runs: Sequence[Run]) -> str:
    """Return the runs, best validation score first; those without a score come last."""
    keys = varied(runs)
    ordered = sorted(runs, key=lambda run: (run.score is None, -(run.score or 0.0), run.folder))
    rows = [
        [
            *(shown(run.settings[key]) if key in run.settings else "-" for key in keys),
            run.state,
            run.result.get("val_accuracy"),
            run.result.get("val_loss"),
            run.result.get("test_accuracy"),
            round(run.result["total_s"]) if run.result else None,
            run.folder.name,
        ]
        for run in ordered
    ]
    return table([*keys, "state", "val_accuracy", "val_loss", "test_accuracy", "seconds", "folder"], rows)


def ranking_table(settings: Sequence[Setting]) -> str:
    """Return the settings with mean, standard deviation and 95 % interval over their seeds."""
    loss = settings[0].runs[0].monitor.endswith("loss")
    sign, name = (-1, "val_loss") if loss else (1, "val_accuracy")
    rows = [
        [
            place,
            setting.name or "(all the same)",
            len(setting.scores),
            sign * setting.mean,
            setting.deviation,
            "-"
            if math.isnan(setting.half_width)
            else f"{sign * setting.mean - setting.half_width:.4f} to {sign * setting.mean + setting.half_width:.4f}",
            setting.test_accuracy(),
        ]
        for place, setting in enumerate(settings, 1)
    ]
    return table(["rank", "setting", "seeds", name, "deviation", "95 %", "test_accuracy"], rows)


def failure_table(runs: Sequence[Run]) -> str:
    """Return every failed run: what it was, why it failed, where its log is."""
    names = named(runs)
    rows = [
        [
            names[run.folder] or run.folder.name,
            run.reason.splitlines()[0] if run.reason else "unknown",
            str(run.folder / "run.log"),
        ]
        for run in runs
        if run.state == "failed"
    ]
    return table(["failed", "cause", "log"], rows)


def report(runs: Sequence[Run]) -> str:
    """Return all that a sweep's end says: its jobs, the ranking over seeds with its verdict, and every failure."""
    parts = [job_table(runs)]
    settings = rank(runs)
    if any(len(setting.scores) > 1 for setting in settings):
        parts.append(ranking_table(settings))
    if verdict(settings):
        parts.append(verdict(settings))
    if any(run.state == "failed" for run in runs):
        parts.append(failure_table(runs))
    return "\n\n".join(parts)
