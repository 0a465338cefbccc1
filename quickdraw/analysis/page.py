"""`report.html`: a sweep on one page that needs no other file, no network and no script."""

import base64
import html
import io
import math
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quickdraw.analysis.rows import failure_rows
from quickdraw.analysis.sweep import Sweep, read_sweep
from quickdraw.console import note
from quickdraw.errors import QuickdrawError
from quickdraw.files import atomic_write

MOST_ROWS = 200  # of a table: a page of more than a few MB helps nobody; summary.csv has them all
DPI = 110
LONG = 60  # letters of a cell that may break its line
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
p.verdict { font-size: 1.1rem; border-left: 4px solid #0072b2; padding: .4rem 1rem; background: #f3f7fa; }
p.note { color: #555; }
img { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
div.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .55rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap; }
th { border-bottom: 2px solid #999; } td.number, th.number { text-align: right; }
td.long { white-space: pre-wrap; max-width: 40rem; }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # the browser holds us to the promise


def leave_report(folder: Path) -> Path | None:
    """Write `report.html` into a sweep's folder; None, after a warning in one line, if that fails.

    A sweep calls this at its end, and no failure of a picture may be one of the sweep.
    """
    try:
        return write_report(folder)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        note(f"warning: no report.html ({reason:.200})")
        return None


def write_report(folder: Path) -> Path:
    """Write `report.html` into a sweep's folder, from its job folders alone; return its path."""
    with warnings.catch_warnings(action="ignore"):  # of matplotlib: a letter that its font lacks, a narrow layout
        text = "".join(page(read_sweep(folder)))
    atomic_write(folder / "report.html", text.encode(errors="replace"))
    return folder / "report.html"


def page(sweep: Sweep) -> Iterator[str]:
    """Yield the page in pieces. What needs completed runs is left out where there is none, and so are its imports."""
    name = html.escape(sweep.folder.absolute().name)
    counts = Counter(run.state for run in sweep.runs)
    states = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    yield f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}</title>\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    yield f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n<body>\n'
    yield f"<h1>{name}</h1>\n{paragraph(f'{len(sweep.runs)} runs: {states}', 'note')}"
    yield paragraph(sweep.verdict(), "verdict")
    if sweep.completed:
        yield from pictures(sweep)
    yield from searched(sweep)
    yield from failures(sweep)
    yield from jobs(sweep)
    yield "</body>\n</html>\n"


def pictures(sweep: Sweep) -> Iterator[str]:
    """Yield what completed runs are compared by."""
    from quickdraw.analysis import figures, frames

    yield heading("Ranking")
    yield table(frames.ranking_frame(sweep).reset_index())
    yield paragraph(
        f"The validation score ranks. The test accuracy is for the record. {sweep.seeds_in_words()}", "note"
    )
    yield image(figures.ranking_figure(sweep), "mean and interval of each setting")
    if sweep.race:
        yield heading("The race") + image(figures.race_figure(sweep), "the score of each setting from look to look")
        yield table(frames.race_frame(sweep))
    if sweep.effects:
        yield heading("What mattered") + paragraph(sweep.effects_in_words()) + table(frames.effect_frame(sweep))
        if sweep.race:
            yield paragraph("Seen in the seeds before the first look, which all settings have.", "note")
        yield image(figures.effects_figure(sweep), "the score by the values of each setting")
    yield paragraph(sweep.interaction_in_words())
    yield image(figures.interaction_figure(sweep), "the score by the two settings that mattered most")
    yield heading("Learning curves")
    yield image(figures.curves_figure(sweep), "loss and score over the epochs")
    yield heading("Accuracy against time")
    yield image(figures.time_figure(sweep), "score over the seconds of training")
    if sweep.effects:
        yield heading("Parallel coordinates")
        yield image(figures.parallel_figure(sweep), "each run as a line from its settings to its score")
    yield from disagreement(sweep)


def searched(sweep: Sweep) -> Iterator[str]:
    """Yield what an adaptive search left beside its jobs; nothing of another sweep."""
    search = sweep.search
    if search is None or not search.ranked():
        return
    from quickdraw.analysis import figures
    from quickdraw.analysis.importance import importance, too_few

    parts = ", ".join(f"{search.names[key]} {100 * part:.0f} %" for key, part in importance(search).items())
    yield heading("Search") + image(figures.history_figure(search), "the score of each trial, and the best so far")
    if parts:
        yield paragraph(f"Importance of the settings (fANOVA): {parts}.")
    yield paragraph(too_few(search))
    yield image(figures.trials_figure(search), "each trial as a line from its settings to its score")


def disagreement(sweep: Sweep) -> Iterator[str]:
    """Yield where the runs of the two best settings disagree."""
    from quickdraw.analysis import figures

    if not sweep.best_two:
        return
    yield heading("Where the best two disagree")
    try:
        compared = sweep.comparison()
    except QuickdrawError as error:
        yield paragraph(f"Not compared: {error}", "note")
        return
    assert compared
    for letter, run, name in zip("AB", compared.runs, compared.names, strict=True):
        yield paragraph(f"{letter} is {name} ({run.folder.name})")
    yield paragraph(compared.verdict(), "verdict")
    yield image(figures.class_figure(compared), "difference of the accuracy by class")
    yield image(figures.confusion_figure(compared), "difference of the confusion matrices")
    drawn, note = figures.drawings_figures(compared)
    for made in drawn:
        yield image(made, "drawings that only one of the two gets right")
    yield paragraph(note, "note")


def failures(sweep: Sweep) -> Iterator[str]:
    """Yield the runs that were not completed, with the causes."""
    if failure_rows(sweep):
        from quickdraw.analysis.frames import failure_frame

        yield heading("Not completed") + table(failure_frame(sweep))


def jobs(sweep: Sweep) -> Iterator[str]:
    """Yield a table of all runs."""
    from quickdraw.analysis.frames import run_frame

    count = len(sweep.runs)
    title = "All runs"
    if count > MOST_ROWS:
        title += f" (the first {MOST_ROWS} of {count}; summary.csv has all)"
    yield heading(title) + table(run_frame(sweep))


def heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>\n"


def paragraph(text: str, kind: str = "") -> str:
    """Text as a paragraph of a kind; nothing if there is none."""
    return f'<p class="{kind}">{html.escape(text)}</p>\n' if text else ""


def table(frame: Any) -> str:
    """A pandas frame as a table, every cell escaped, numbers to the right."""
    kinds = list(map(column_kind, frame.dtypes))
    text = '<div class="table"><table>\n<tr>'
    for name, kind in zip(frame.columns, kinds, strict=True):
        text += element("th", str(name), kind)
    text += "</tr>\n"
    for row in frame[:MOST_ROWS].itertuples(index=False, name=None):
        text += f"<tr>{''.join(map(cell, row, kinds))}</tr>\n"
    return text + "</table></div>\n"


def column_kind(dtype: Any) -> str:
    """The kind of a column's cells: numbers are aligned to the right."""
    return "number" if getattr(dtype, "kind", "") in ("i", "u", "f") else ""


def cell(value: Any, kind: str) -> str:
    """A value in a cell; long text may break its line."""
    text = cell_text(value)
    if not kind and len(text) > LONG:
        kind = "long"
    return element("td", text, kind)


def element(tag: str, text: str, kind: str) -> str:
    """Text, escaped, in an element of a kind."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<{tag}{attribute}>{html.escape(text)}</{tag}>"


def cell_text(value: Any) -> str:
    """A value as a cell shows it: four digits after the point, a dash for what is not known."""
    if value is None or str(value) == "<NA>" or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def image(made: Any, what: str) -> str:
    """A figure as an image within the page; nothing if there is none."""
    if made is None:
        return ""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", dpi=DPI)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{what}" width="{made.get_figwidth() * 100:.0f}" src="data:image/png;base64,{data}">\n'
