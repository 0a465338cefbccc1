"""What `python -m quickdraw.analysis` answers of one run, and of two."""

from pathlib import Path
from typing import Any

import numpy as np

from quickdraw.analysis.commands import as_dict, typed
from quickdraw.analysis.comparison import Comparison, compare, state_text
from quickdraw.analysis.confusions import class_rows, confusions
from quickdraw.analysis.folders import find_run
from quickdraw.analysis.tables import Table
from quickdraw.analysis.terminal import Answer
from quickdraw.predictions import read_predictions
from quickdraw.records import read_metrics
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run

MOST_CLASSES = 20  # with more, the table shows the FEW_CLASSES that matter most; --json has all
FEW_CLASSES = 10
MOST_EPOCHS = 12
EPOCH_KEYS = ("epoch", "train_loss", "val_loss", "lr", "train_s")  # and the monitor


def show_run(name: str, outputs: Path) -> Answer:
    """All that is known from a run's folder."""
    run = find_run(name, outputs)
    status = RunFolder(run.folder).status
    epochs, warnings = epochs_of(run)
    settings = [[key, typed(value)] for key, value in own_settings(run).items()]
    parts: list[Table | str] = [heading(run, status, warnings), Table(["setting", "value"], settings)]
    data = as_dict(run) | {"overrides": status.get("overrides", []), "epochs": epochs}
    if epochs:
        parts.append(epoch_table(run, epochs))
    if "classes" in run.result:
        classes = run.result["classes"]
        predictions = read_predictions(run.folder / "predictions.npz", len(classes))
        data["confusions"] = confusions(predictions, classes)
        parts += [result_table(run), class_table(class_rows(predictions, classes))]
    return Answer(parts, data)


def epochs_of(run: Run) -> tuple[list[dict[str, float]], list[str]]:
    """The rows of a run's `metrics.csv`, and why there are none if that file makes no sense."""
    try:
        return read_metrics(run.folder / "metrics.csv"), []
    except FileNotFoundError:  # there is no epoch yet
        return [], []
    except (OSError, ValueError) as error:
        return [], [f"metrics.csv is damaged: {error}"]


def heading(run: Run, status: dict[str, Any], warnings: list[str]) -> str:
    """The lines above the tables: how the run stands, what was typed, and its warnings."""
    lines = [f"{run.folder}: {state_text(run)}"]
    if run.started:
        started = run.started[:19].replace("T", " ")
        lines.append(f"started {started} with: {' '.join(status.get('overrides', []))}")
    lines += [f"warning: {text}" for text in [*status.get("warnings", []), *warnings]]
    return "\n".join(lines)


def own_settings(run: Run) -> dict[str, Any]:
    """A run's settings without what only Hydra needs, and without what is there twice."""
    return {
        key.removesuffix("._target_"): value
        for key, value in run.settings.items()
        if not key.endswith("._partial_") and not key.startswith("trainer.schedule.")
    }


def epoch_table(run: Run, epochs: list[dict[str, float]]) -> Table:
    """Some epochs at equal distances, and the best one."""
    columns = [key for key in epochs[0] if key in EPOCH_KEYS or key == run.monitor]
    places = {*np.linspace(0, len(epochs) - 1, MOST_EPOCHS).astype(int).tolist()}
    rows = []
    for place, epoch in enumerate(epochs):
        if place in places or epoch.get("epoch") == run.result.get("best_epoch"):
            row: dict[str, Any] = {key: epoch.get(key) for key in columns}
            if row.get("lr") is not None:
                row["lr"] = f"{row['lr']:.3g}"
            rows.append(list(row.values()))
    return Table(columns, rows)


def result_table(run: Run) -> Table:
    """Every number of the result."""
    rows = [[key, value] for key, value in run.result.items() if isinstance(value, int | float) and key != "seed"]
    return Table(["result", "value"], rows)


def class_table(rows: list[dict[str, Any]]) -> Table:
    """Each class with its most frequent error; only the worst if there are many."""
    first, *others = rows[0]
    if len(rows) > MOST_CLASSES:
        rows = rows[:FEW_CLASSES]
        first = f"{first} (worst {FEW_CLASSES})"
    return Table([first, *others], [list(row.values()) for row in rows])


def compare_runs(first: str, second: str, outputs: Path) -> Answer:
    """What differs between two runs, and whether one is better on their common test split."""
    compared = compare(find_run(first, outputs), find_run(second, outputs))
    classes, verdict = compared.class_rows(), compared.verdict()
    metrics = {key: {"a": a, "b": b, "difference": b - a} for key, (a, b) in compared.metrics.items()}
    parts: list[Table | str] = [legend(compared), "Their settings are the same."]
    if compared.settings:
        parts[-1] = Table(["setting", "A", "B"], [[key, *pair] for key, pair in compared.settings.items()])
    parts += [
        Table(["metric", "A", "B", "B - A"], [[key, *row.values()] for key, row in metrics.items()]),
        difference_table(classes),
    ]
    counts = right_counts(compared)
    total, both, only_a, only_b, neither = sum(counts.values()), *counts.values()
    parts.append(
        f"{total:,} test drawings: {both:,} right in both, {only_a:,} only in A, {only_b:,} only in B, "
        f"{neither:,} in neither"
    )
    data = {
        "a": as_dict(compared.runs[0]),
        "b": as_dict(compared.runs[1]),
        "settings": {key: {"a": a, "b": b} for key, (a, b) in compared.settings.items()},
        "metrics": metrics,
        "classes": classes,
        **counts,
        "difference": compared.difference,
        "interval": list(compared.interval),
        "p": compared.p,
        "verdict": verdict,
    }
    return Answer([*parts, verdict], data)


def legend(compared: Comparison) -> str:
    """Which run is A and which is B."""
    lines = []
    for letter, run, name in zip("AB", compared.runs, compared.names, strict=True):
        line = f"{letter}  {run.folder}"
        if name != run.folder.name:
            line += f"  ({name})"
        lines.append(line)
    return "\n".join(lines)


def difference_table(rows: list[dict[str, Any]]) -> Table:
    """Each class in both runs; only those that differ most if there are many."""
    first = "class"
    few = rows
    if len(rows) > MOST_CLASSES:
        few = rows[:FEW_CLASSES]
        first = f"class (the {FEW_CLASSES} of {len(rows)} that differ most)"
    header = [first, "drawings", "A", "B", "B - A", "only A right", "only B right"]
    return Table(header, [list(row.values()) for row in few])


def right_counts(compared: Comparison) -> dict[str, int]:
    """How many drawings both get right, only A, only B, and neither."""
    both = int((compared.a.correct & compared.b.correct).sum())
    only_a, only_b = int(compared.only_a.sum()), int(compared.only_b.sum())
    neither = len(compared.a.label) - both - only_a - only_b
    return {"both_right": both, "only_a_right": only_a, "only_b_right": only_b, "neither_right": neither}
