"""What a network confuses: each class's accuracy and most frequent error, and every confusion there is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from quickdraw.errors import RunError
from quickdraw.predictions import Predictions, read_predictions
from quickdraw.run.listing import Run


def gives_one_class(run: Run) -> bool:
    """Whether a run's network took all its test drawings for the same class; False where that is not known."""
    if not run.result or run.result.get("test_balanced_accuracy", 0.0) > 0.5:  # more than one class can give
        return False
    try:
        return read_predictions(run.folder / "predictions.npz").one_class
    except RunError:
        return False


def class_rows(predictions: Predictions, classes: Sequence[str]) -> list[dict[str, Any]]:
    """One row a class, the worst first: drawings, accuracy, what it is `mostly taken for` wrongly, and how often."""
    counts, accuracy = predictions.confusion(len(classes)), predictions.class_accuracy(len(classes))
    rows = []
    for label in np.argsort(accuracy, kind="stable").tolist():
        row = {"class": classes[label], "drawings": int(counts[label].sum()), "accuracy": float(accuracy[label])}
        taken = commonest_error(counts[label], label)
        error: dict[str, Any] = {"mostly taken for": "", "times": None}
        if taken is not None:
            error = {"mostly taken for": classes[taken], "times": int(counts[label][taken])}
        rows.append(row | error)
    return rows


def commonest_error(counts: np.ndarray, label: int) -> int | None:
    """The class that drawings of a class are most often taken for wrongly, by its row [C] of a confusion matrix.

    None if they never are.
    """
    errors = counts.copy()
    errors[label] = 0
    if not errors.any():
        return None
    return int(errors.argmax())


def confusions(predictions: Predictions, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Every pair of a class and another one that its drawings are taken for, the most frequent first."""
    counts = predictions.confusion(len(classes))
    np.fill_diagonal(counts, 0)
    rows = []
    for label, taken in np.argwhere(counts).tolist():
        rows.append((int(counts[label, taken]), label, taken))
    rows.sort(reverse=True)
    return [{"class": classes[i], "predicted": classes[j], "drawings": count} for count, i, j in rows]
