"""Tables for the terminal: any rows under a header, and those of a sweep."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickdraw.analysis.ranking import SAME
from quickdraw.analysis.rows import failure_rows, ranking_rows
from quickdraw.analysis.sweep import Sweep
from quickdraw.errors import printable
from quickdraw.run.listing import Run, job_row

if TYPE_CHECKING:
    from quickdraw.statistics.race import Dropped

JOB_SCORES = ("val_accuracy", "val_loss", "test_accuracy")


@dataclass(frozen=True)
class Table:
    """Rows under a header. `str()` aligns the columns, numbers to the right, text to the left."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    @property
    def cells(self) -> list[list[str]]:
        """Every value as text."""
        return [list(map(text, row)) for row in self.rows]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds only numbers."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.header)
        return [all(isinstance(value, int | float | None) for value in column) for column in columns]

    def __str__(self) -> str:
        lines = [list(self.header), *self.cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for place, numeric in enumerate(self.numeric):
            align = str.rjust if numeric else str.ljust
            for line in lines:
                line[place] = align(line[place], widths[place])
        return "\n".join("  ".join(line).rstrip() for line in lines)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as aligned columns."""
    return str(Table(header, rows))


def text(value: Any) -> str:
    """A cell: four digits after the point (none for a thousand and more), a dash for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:.0f}"
    return printable(str(value)).replace("\n", r"\n")  # a cell is one line


def job_table(sweep: Sweep) -> Table:
    """The runs, best validation score first; then the diverged ones, then those that did not finish.

    There is a column for their states unless all are completed.
    """
    header = [*sweep.keys.values(), "state", *JOB_SCORES, "seconds", "folder"]
    if all(run.state == "completed" for run in sweep.runs):
        header.remove("state")
    rows = []
    for run in sorted(sweep.runs, key=place):
        row = job_row(run, sweep.folder, sweep.keys, JOB_SCORES)
        if row["seconds"] is not None:
            row["seconds"] = round(row["seconds"])
        rows.append([row[name] for name in header])
    return Table(header, rows)


def place(run: Run) -> tuple[Any, ...]:
    """What jobs are sorted by."""
    return run.score is None, not run.ended, -(run.score or 0.0), run.folder


def ranking_table(sweep: Sweep) -> Table:
    """The settings with mean, standard deviation and 95 % interval of the mean over their seeds."""
    fallen = {}
    if sweep.decision:
        fallen = {dropped.name: fall_text(dropped) for dropped in sweep.decision.dropped}
    rows = []
    for row in ranking_rows(sweep):
        notes = []
        if row["may_be_best"]:
            notes.append("may be the best")
        if row["setting"] in fallen:
            notes.append(fallen[row["setting"]])
        if row["diverged"]:
            notes.append(f"{row['diverged']} diverged")
        if row["one_class"]:
            notes.append(f"{row['one_class']} of {row['seeds']} gave all drawings one class")
        numbers = [row["seeds"], row["mean"], row["deviation"], interval_text(row), row["test_accuracy"]]
        rows.append([row["rank"], row["setting"] or SAME, *numbers, ", ".join(notes)])
    return Table(["rank", "setting", "seeds", sweep.metric, "deviation", "95 %", "test_accuracy", ""], rows)


def interval_text(row: dict[str, Any]) -> str:
    """The interval of a row's mean: `± 0.0123`; its two ends where one is the end of all scores; or a dash."""
    low, high, mean = row["low"], row["high"], row["mean"]
    if math.isnan(low):
        return "-"
    if math.isclose(high - mean, mean - low, abs_tol=1e-9):
        return f"± {row['half_width']:.4f}"
    return f"{low:.4f} to {high:.4f}"


def fall_text(dropped: "Dropped") -> str:
    """When a setting of a race fell, and by how much: `out after 3 seeds, by 0.0200 (+0.0050 to +0.0350)`."""
    text = f"out after {dropped.seeds} seeds"
    if dropped.why == "diverged":
        return text
    return f"{text}, by {dropped.difference:.4f} ({dropped.low:+.4f} to {dropped.high:+.4f})"


def failure_table(sweep: Sweep) -> Table | None:
    """Every run that failed, diverged or was interrupted: what it was, where its log is, and why. None for none."""
    rows = []
    for row in failure_rows(sweep):
        cause = row["cause"].partition("\n")[0]
        if row["state"] != "failed" or not cause:
            cause = f"{row['state']}: {cause}"
        rows.append([row["run"], row["log"], cause])
    if not rows:
        return None
    return Table(["not completed", "log", "cause"], rows)


def report_parts(sweep: Sweep) -> list[Table | str]:
    """All that a sweep's end prints: its jobs, the ranking over seeds with its verdict, and every failure.

    A race has hundreds of jobs, each with a line of its own before: they are left out.
    """
    parts: list[Table | str] = []
    if not sweep.race:
        parts.append(job_table(sweep))
    if any(len(setting.runs) > 1 for setting in sweep.settings):
        parts.append(ranking_table(sweep))
    seeds_alone = "" if sweep.setting_keys else sweep.seeds_in_words()
    parts += filter(None, [sweep.verdict(), seeds_alone, failure_table(sweep)])
    return parts


def report(sweep: Sweep) -> str:
    """The same as plain text."""
    return "\n\n".join(map(str, report_parts(sweep)))
