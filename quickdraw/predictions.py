"""The predictions of a network for every drawing of a split, and what can be counted in them.

A run keeps those of its test split in `predictions.npz`: looking at mistakes and comparing runs need no network. Which
of the numbers are a run's scores: `quickdraw.metrics`.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from quickdraw.errors import RunError
from quickdraw.files import atomic_write, read_bounded

LARGEST_FILE = 1_000_000_000  # bytes; a test split of all 50 million drawings takes about 100 MB
MOST_UNPACKED, MOST_RATIO = 64_000_000, 20  # bytes in all, and for each byte of the file
MOST_CLASSES = 10_000
ROUNDING = 1e-3
HEADER = re.compile(  # as numpy writes it, of an array with one dimension
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<dtype>[<|][iuf][1248])', 'fortran_order': False, "
    rb"'shape': \((?P<length>\d{1,12}),\), \} *\n",
    re.DOTALL,
)


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

    @property
    def one_class(self) -> bool:
        """Whether all drawings were taken for the same class."""
        return bool((self.predicted == self.predicted[0]).all())

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


def read_predictions(path: Path, classes: int = MOST_CLASSES) -> Predictions:
    """Read what `Predictions.write` wrote, of that many classes at most; raises RunError for a damaged file."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_bounded(path, LARGEST_FILE))) as archive:
            check_size(archive, path.stat().st_size)
            columns = {name: read_column(archive, f"{name}.npy") for name in Predictions.__dataclass_fields__}
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); a completed run leaves it") from error
    except (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise RunError(f"{path}: expected a run's predictions, got something else ({error})") from error
    complaint = column_complaint(columns, classes)
    if complaint:
        raise RunError(f"{path}: expected a run's predictions, got {complaint}")
    return Predictions(**columns)


def check_size(archive: zipfile.ZipFile, packed: int) -> None:
    """Raise ValueError for an archive of so many bytes that unpacks to far more, or is packed in another way."""
    members = archive.infolist()
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise ValueError("packed in another way")
    size = sum(member.file_size for member in members)
    if size > MOST_UNPACKED + MOST_RATIO * packed:
        raise ValueError(f"{packed:,} bytes that unpack to {size:,}")


def read_column(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array [N] of the archive, whole numbers as int64; raises ValueError for anything else."""
    data = archive.read(name)
    header = HEADER.match(data)
    if not header:
        raise ValueError(f"{name} is no array of numbers [N]")
    dtype = np.dtype(header["dtype"].decode())
    values = np.frombuffer(data, dtype, offset=header.end())
    if len(values) != int(header["length"]):
        raise ValueError(f"{name} holds {len(values):,} values and says {int(header['length']):,}")
    return values.astype(np.int64 if dtype.kind in "iu" else np.float32)


def column_complaint(columns: Mapping[str, np.ndarray], classes: int) -> str:
    """What makes no sense in the predictions of so many classes, in words; an empty text for nothing."""
    drawings = len(columns["label"])
    if not drawings or any(len(column) != drawings for column in columns.values()):
        return "columns of different lengths, or of none"
    for name in ("label", "predicted", "rank"):
        column = columns[name]
        if column.dtype != np.int64 or column.min() < 0 or column.max() >= classes:
            return f"a {name} that is none of {classes} classes"
    if columns["index"].dtype != np.int64 or columns["index"].min() < 0:
        return "an index below 0"
    if not ((columns["confidence"] >= 0) & (columns["confidence"] <= 1 + ROUNDING)).all():
        return "a confidence outside [0, 1]"
    if np.isnan(columns["loss"]).any():
        return "a loss that is no number"
    return ""
