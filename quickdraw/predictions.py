"""What a network says of every drawing of a split, and the scores that follow from it.

A run keeps those of its test split in `predictions.npz`: looking at mistakes and comparing runs need no network.
"""

import io
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from quickdraw.errors import RunError
from quickdraw.files import atomic_write


@dataclass(frozen=True)
class Predictions:
    """One value a drawing, each an array [N]."""

    index: np.ndarray  # int64: which drawing, counted through the files of all classes in order
    label: np.ndarray  # int64
    predicted: np.ndarray  # int64: the class of the largest logit
    rank: np.ndarray  # int64: of the label's logit among all; 0 where the prediction is right
    confidence: np.ndarray  # float32: the predicted class's probability
    loss: np.ndarray  # float32: -log of the label's probability

    @property
    def correct(self) -> np.ndarray:
        """Whether each prediction is right, bool [N]."""
        return self.predicted == self.label

    def scores(self) -> dict[str, float]:
        """Return `loss`, `accuracy`, `balanced_accuracy`, `top3_accuracy` and `top5_accuracy`.

        Balanced accuracy is the mean of the classes' accuracies, each class counting once however many drawings it has.
        """
        return {
            "loss": float(self.loss.mean(dtype=np.float64)),
            "accuracy": float(self.correct.mean()),
            "balanced_accuracy": float(np.nanmean(self.class_accuracy(int(self.label.max()) + 1))),
            "top3_accuracy": self.top_accuracy(3),
            "top5_accuracy": self.top_accuracy(5),
        }

    def top_accuracy(self, count: int) -> float:
        """Return the share of drawings whose label is among the `count` likeliest classes."""
        return float((self.rank < count).mean())

    def class_accuracy(self, classes: int) -> np.ndarray:
        """Return the accuracy on each class's drawings, float64 [classes]; nan for a class that has none."""
        drawings = np.bincount(self.label, minlength=classes)
        right = np.bincount(self.label[self.correct], minlength=classes)
        with np.errstate(invalid="ignore"):
            return right / drawings

    def calibration(self, bins: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the drawings of each of some equal ranges of confidence, their mean confidence, and their accuracy.

        int64 [bins] and twice float64 [bins], nan for a range without drawings.
        """
        place = np.clip(np.ceil(self.confidence * bins).astype(np.int64) - 1, 0, bins - 1)
        drawings, confidence, right = (
            np.bincount(place, weights, bins) for weights in (None, self.confidence, self.correct)
        )
        with np.errstate(invalid="ignore"):
            return drawings, confidence / drawings, right / drawings

    def calibration_error(self) -> float:
        """Return the expected calibration error: how far confidence and accuracy lie apart, on average over drawings.

        Source: Guo et al. (2017), On Calibration of Modern Neural Networks, with their 15 ranges.
        """
        drawings, confidence, accuracy = self.calibration()
        return float(np.nansum(drawings * np.abs(accuracy - confidence)) / drawings.sum())

    def confusion(self, classes: int) -> np.ndarray:
        """Return how many drawings of each class (row) were taken for each class (column), int64 [classes, classes]."""
        counts = np.bincount(self.label * classes + self.predicted, minlength=classes * classes)
        return counts.reshape(classes, classes)

    def write(self, path: Path) -> None:
        """Write them as `.npz`, whole or not at all, in the smallest types that hold them."""
        small = {
            name: values.astype(np.min_scalar_type(values.max(initial=0))) if values.dtype == np.int64 else values
            for name, values in asdict(self).items()
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **small)
        atomic_write(path, buffer.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Return what `Predictions.write` wrote; raises RunError when it is missing or damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in Predictions.__dataclass_fields__}
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); a completed run leaves it") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: expected a run's predictions, got something else ({error})") from error
    return Predictions(
        **{name: array.astype(np.int64) if array.dtype.kind == "u" else array for name, array in arrays.items()}
    )


class ClassError(NamedTuple):
    """What drawings of a class were taken for wrongly, and how many of them."""

    label: int
    drawings: int


def commonest_errors(counts: np.ndarray) -> list[ClassError | None]:
    """Each class's most frequent error by `Predictions.confusion`, the first of equals; None for a class without."""
    found: list[ClassError | None] = []
    for label, row in enumerate(counts):
        wrong = row.copy()
        wrong[label] = 0
        most = int(wrong.argmax())
        found.append(ClassError(most, int(wrong[most])) if wrong[most] else None)
    return found
