"""The predictions of a network for every drawing of a split, and what can be counted in them.

A run keeps those of its test split in `predictions.npz`: looking at mistakes and comparing runs need no network. Which
of the numbers are a run's scores: `quickdraw.metrics`.
"""

import io
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

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

    def top_accuracy(self, count: int) -> float:
        """The share of drawings whose label is among the `count` likeliest classes."""
        return float((self.rank < count).mean())

    def balanced_accuracy(self) -> float:
        """The mean of the accuracies of those classes that have drawings."""
        return float(np.nanmean(self.class_accuracy(int(self.label.max()) + 1)))

    def class_accuracy(self, classes: int) -> np.ndarray:
        """The accuracy on each class's drawings, float64 [classes]; nan for a class that has none."""
        drawings = np.bincount(self.label, minlength=classes)
        right = np.bincount(self.label[self.correct], minlength=classes)
        with np.errstate(invalid="ignore"):
            return right / drawings

    def calibration(self, bins: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The drawings of each of some equal ranges of confidence, their mean confidence, and their accuracy.

        int64 [bins] and twice float64 [bins], nan for a range without drawings.
        """
        place = np.clip(np.ceil(self.confidence * bins).astype(np.int64) - 1, 0, bins - 1)
        drawings = np.bincount(place, minlength=bins)
        confidence = np.bincount(place, self.confidence, bins)
        right = np.bincount(place, self.correct, bins)
        with np.errstate(invalid="ignore"):
            return drawings, confidence / drawings, right / drawings

    def calibration_error(self) -> float:
        """The expected calibration error: how far confidence and accuracy lie apart, on average over drawings.

        Source: Guo et al. (2017), On Calibration of Modern Neural Networks, with their 15 ranges.
        """
        drawings, confidence, accuracy = self.calibration()
        return float(np.nansum(drawings * np.abs(accuracy - confidence)) / drawings.sum())

    def confusion(self, classes: int) -> np.ndarray:
        """How many drawings of each class (row) were taken for each class (column), int64 [classes, classes]."""
        counts = np.bincount(self.label * classes + self.predicted, minlength=classes * classes)
        return counts.reshape(classes, classes)

    def write(self, path: Path) -> None:
        """Write them as `.npz`, whole or not at all, in the smallest types that hold them."""
        small = asdict(self)
        for name, values in small.items():
            if values.dtype == np.int64:
                small[name] = values.astype(np.min_scalar_type(values.max(initial=0)))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **small)
        atomic_write(path, buffer.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Read what `Predictions.write` wrote; raises RunError when it is missing or damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in Predictions.__dataclass_fields__}
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); a completed run leaves it") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: expected a run's predictions, got something else ({error})") from error
    for name, array in arrays.items():
        if array.dtype.kind == "u":
            arrays[name] = array.astype(np.int64)
    return Predictions(**arrays)
