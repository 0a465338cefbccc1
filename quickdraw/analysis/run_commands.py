"""What `python -m quickdraw.analysis` answers of one run, and of two."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from quickdraw.analysis.commands import Answer, facts, told
from quickdraw.analysis.comparison import Comparison, compare, told_state
from quickdraw.analysis.folders import find_run
from quickdraw.analysis.tables import Table
from quickdraw.files import read_json
from quickdraw.predictions import commonest_errors, read_predictions
from quickdraw.run.listing import Run

MOST_CLASSES = 20  # with more, the table shows the MOST_TOLD most telling ones; --json has all
MOST_TOLD = 10
MOST_EPOCHS = 12
CLASS_KEYS = ("class", "drawings", "a", "b", "difference", "only_a_right", "only_b_right")


def show_run(name: str, outputs: Path) -> Answer:
    """Answer with all that a run's folder tells."""
    run = find_run(name, outputs)
    status = read_json(run.folder / "status.json") or {}
    epochs = read_epochs(run.folder / "metrics.csv")
    head = [f"{run.folder}: {told_state(run)}", *(f"warning: {text}" for text in status.get("warnings", []))]
    if run.started:
        head.insert(1, f"started {run.started[:19].replace('T', ' ')} with: {' '.join(status.get('overrides', []))}")
    parts: list[Table | str] = ["\n".join(head)]
    parts.append(Table(["setting", "value"], [[key, told(value)] for key, value in own_settings(run).items()]))
    data = facts(run) | {"overrides": status.get("overrides", []), "epochs": epochs}
    if epochs:
        columns = [key for key in epochs[0] if key in ("epoch", "train_loss", "val_loss", run.monitor, "lr", "train_s")]
        steps = np.unique(np.linspace(0, len(epochs) - 1, MOST_EPOCHS).astype(int)).tolist()
        best = [at for at, epoch in enumerate(epochs) if epoch.get("epoch") == run.result.get("best_epoch")]
        chosen = [epochs[at] for at in sorted({*steps, *best})]
        rows = [[f"{epoch[key]:.3g}" if key == "lr" else epoch[key] for key in columns] for epoch in chosen]
        parts.append(Table(columns, rows))
    if run.result:
        numbers = [[key, value] for key, value in run.result.items() if isinstance(value, int | float)]
        parts.append(Table(["result", "value"], [[key, value] for key, value in numbers if key != "seed"]))
        rows, data["confusions"] = classes_of(run)
        more = f"class (worst {len(rows)})" if len(rows) < len(run.result["classes"]) else "class"
        parts.append(Table([more, "drawings", "accuracy", "mostly taken for", "times"], rows))
    return Answer(parts, data)


def own_settings(run: Run) -> dict[str, Any]:
    """Return a run's settings without what Hydra alone needs, and without what is there twice."""
    return {
        key.removesuffix("._target_"): value
        for key, value in run.settings.items()
        if not key.endswith("._partial_") and not key.startswith("trainer.schedule.")
    }


def classes_of(run: Run) -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """Return a row for each class, worst first, with its most frequent error; and every confusion there is."""
    classes = run.result["classes"]
    predictions = read_predictions(run.folder / "predictions.npz")
    counts, accuracy = predictions.confusion(len(classes)), predictions.class_accuracy(len(classes))
    errors = commonest_errors(counts)
    rows = []
    for label in np.argsort(accuracy, kind="stable").tolist():
        error = errors[label]
        most = [classes[error.label], error.drawings] if error else ["", None]
        rows.append([classes[label], int(counts[label].sum()), float(accuracy[label]), *most])
    off = counts * (1 - np.eye(len(classes), dtype=np.int64))
    found = sorted(((int(off[i, j]), i, j) for i, j in np.argwhere(off).tolist()), reverse=True)
    confusions = [{"class": classes[i], "predicted": classes[j], "drawings": count} for count, i, j in found]
    return rows if len(rows) <= MOST_CLASSES else rows[:MOST_TOLD], confusions


def compare_runs(first: str, second: str, outputs: Path) -> Answer:
    """Answer with what differs between two runs, and whether one is better on their common test split."""
    compared = compare(find_run(first, outputs), find_run(second, outputs))
    rows = [[key, a, b, b - a if isinstance(a, int | float) else None] for key, (a, b) in compared.metrics.items()]
    both = int((compared.a.correct & compared.b.correct).sum())
    only_a, only_b = int(compared.only_a.sum()), int(compared.only_b.sum())
    none = len(compared.a.label) - both - only_a - only_b
    legend = [
        f"{letter}  {run.folder}  ({name})" if name != run.folder.name else f"{letter}  {run.folder}"
        for letter, run, name in zip("AB", compared.runs, compared.names, strict=True)
    ]
    classes = class_rows(compared)
    few = classes if len(classes) <= MOST_CLASSES else classes[:MOST_TOLD]
    header = ["class", "drawings", "A", "B", "B - A", "only A right", "only B right"]
    settings = [[key, *pair] for key, pair in compared.settings.items()]
    parts: list[Table | str] = [
        "\n".join(legend),
        Table(["setting", "A", "B"], settings) if settings else "Their settings are the same.",
        Table(["metric", "A", "B", "B - A"], rows),
        Table(
            [f"class (the {len(few)} of {len(classes)} that differ most)" if few != classes else "class", *header[1:]],
            few,
        ),
        f"{len(compared.a.label):,} test drawings: {both:,} right in both, {only_a:,} in A alone, {only_b:,} in B "
        f"alone, {none:,} in neither",
        compared.verdict(),
    ]
    data = {
        "a": facts(compared.runs[0]),
        "b": facts(compared.runs[1]),
        "settings": {key: {"a": a, "b": b} for key, (a, b) in compared.settings.items()},
        "metrics": {key: {"a": a, "b": b, "difference": b - a} for key, (a, b) in compared.metrics.items()},
        "classes": [dict(zip(CLASS_KEYS, row, strict=True)) for row in classes],
        "both_right": both,
        "only_a_right": only_a,
        "only_b_right": only_b,
        "neither_right": none,
        "difference": compared.difference,
        "interval": [compared.difference - compared.half_width, compared.difference + compared.half_width],
        "p": compared.p,
        "verdict": compared.verdict(),
    }
    return Answer(parts, data)


def class_rows(compared: Comparison) -> list[list[Any]]:
    """Return a row for each class: test drawings, both accuracies, their difference, and who alone was right how often.

    What differs most comes first.
    """
    a, b = compared.class_accuracy
    label, count = compared.a.label, len(compared.classes)
    drawings = np.bincount(label, minlength=count)
    only_a = np.bincount(label[compared.only_a], minlength=count)
    only_b = np.bincount(label[compared.only_b], minlength=count)
    columns = (drawings, a, b, b - a, only_a, only_b)
    rows = [[name, *(column[at].item() for column in columns)] for at, name in enumerate(compared.classes)]
    return sorted(rows, key=lambda row: -abs(row[4]) if not math.isnan(row[4]) else 1.0)


def read_epochs(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a `metrics.csv`, whole numbers as int, others as float; none where there is no such file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{key: number(text) for key, text in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError):
        return []


def number(text: str) -> float | int:
    return int(text) if text.lstrip("-").isdigit() else float(text)
