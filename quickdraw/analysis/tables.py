"""Tables for the terminal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quickdraw.analysis.ranking import Setting, rank, verdict
from quickdraw.metrics import lower_is_better
from quickdraw.run.listing import Run, named, short, varied


@dataclass(frozen=True)
class Table:
    """Rows under a header. `str()` aligns the columns, numbers to the right, text to the left."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    @property
    def cells(self) -> list[list[str]]:
        """Every value as text."""
        return [[text(value) for value in row] for row in self.rows]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers alone."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.header)
        return [all(isinstance(v, int | float) or v is None for v in column) for column in columns]

    def __str__(self) -> str:
        cells, numeric = self.cells, self.numeric
        widths = [max(map(len, column)) for column in zip(self.header, *cells, strict=True)]
        aligned = [
            "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)).rstrip()
            for row in (self.header, *cells)
        ]
        return "\n".join(aligned)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as aligned columns."""
    return str(Table(header, rows))


def text(value: Any) -> str:
    """Return a cell: four digits after the point (none for a thousand and more), a dash for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def job_table(runs: Sequence[Run]) -> Table:
    """Return the runs, best validation score first; then the diverged ones, then those that came to no end.

    There is a column for their states unless all are completed.
    """
    keys = short(varied(runs))
    told = any(run.state != "completed" for run in runs)
    ordered = sorted(runs, key=lambda run: (run.score is None, not run.ended, -(run.score or 0.0), run.folder))
    rows = [
        [
            *(run.display(key) for key in keys),
            *([run.state] if told else []),
            run.result.get("val_accuracy"),
            run.result.get("val_loss"),
            run.result.get("test_accuracy"),
            round(run.result["total_s"]) if run.result else None,
            run.folder.name,
        ]
        for run in ordered
    ]
    header = [*keys.values(), *(["state"] if told else []), "val_accuracy", "val_loss", "test_accuracy", "seconds"]
    return Table([*header, "folder"], rows)


def ranking_table(settings: Sequence[Setting]) -> Table:
    """Return the settings with mean, standard deviation and 95 % interval of the mean over their seeds."""
    monitor = settings[0].runs[0].monitor
    sign = -1 if lower_is_better(monitor) else 1
    rows = [
        [
            place,
            setting.name or "(all the same)",
            len(setting.scores),
            sign * setting.mean,
            setting.deviation,
            "-" if math.isnan(setting.half_width) else f"± {setting.half_width:.4f}",
            setting.test_accuracy(),
            f"{setting.diverged} diverged" if setting.diverged else "",
        ]
        for place, setting in enumerate(settings, 1)
    ]
    return Table(["rank", "setting", "seeds", monitor, "deviation", "95 %", "test_accuracy", ""], rows)


def failure_table(runs: Sequence[Run]) -> Table | None:
    """Return every run that came to no end: what it was, where its log is, and why. None if there is none."""
    names = named(runs)
    rows = [
        [
            names[run.folder] or run.folder.name,
            str(run.folder / "run.log"),
            run.reason.splitlines()[0] if run.state == "failed" and run.reason else f"{run.state}: {run.reason}",
        ]
        for run in runs
        if run.state in ("failed", "interrupted")
    ]
    return Table(["failed", "log", "cause"], rows) if rows else None


def report_parts(runs: Sequence[Run]) -> list[Table | str]:
    """Return all that a sweep's end says: its jobs, the ranking over seeds with its verdict, and every failure."""
    settings = rank(runs)
    several = any(len(setting.runs) > 1 for setting in settings)
    parts = [job_table(runs), ranking_table(settings) if several else None, verdict(settings), failure_table(runs)]
    return [part for part in parts if part]


def report(runs: Sequence[Run]) -> str:
    """Return the same as plain text."""
    return "\n\n".join(map(str, report_parts(runs)))
