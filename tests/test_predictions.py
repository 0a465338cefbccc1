"""What is kept of a network's predictions: the scores against scikit-learn's, and the file."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from quickdraw import metrics
from quickdraw.errors import RunError
from quickdraw.predictions import Predictions, read_predictions

CLASSES = 7


@pytest.fixture
def logits() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(200, CLASSES)).astype(np.float32)


@pytest.fixture
def predictions(logits: np.ndarray) -> Predictions:
    """Predictions for labels of which class 0 has most, and class 5 none."""
    label = np.random.default_rng(1).choice(CLASSES, len(logits), p=[0.5, 0.1, 0.1, 0.1, 0.1, 0, 0.1]).astype(np.int64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    own = logits[np.arange(len(label)), label][:, None]
    return Predictions(
        index=np.arange(1000, 1200),
        label=label,
        predicted=logits.argmax(axis=1),
        rank=(logits > own).sum(axis=1),
        confidence=shares.max(axis=1),
        loss=-np.log(shares[np.arange(len(label)), label]),
    )


def test_scores_are_those_of_scikit_learn(predictions: Predictions, logits: np.ndarray) -> None:
    scores = metrics.scores(predictions)
    label, predicted = predictions.label, predictions.predicted
    assert scores["accuracy"] == (label == predicted).mean()
    counts = confusion_matrix(label, predicted, labels=range(CLASSES))
    present = counts.sum(axis=1) > 0
    assert scores["balanced_accuracy"] == pytest.approx(
        (counts.diagonal() / counts.sum(axis=1).clip(1))[present].mean()
    )
    for count in (3, 5):
        expected = top_k_accuracy_score(label, logits, k=count, labels=range(CLASSES))
        assert scores[f"top{count}_accuracy"] == pytest.approx(expected)


def test_confusion_counts_are_those_of_scikit_learn(predictions: Predictions) -> None:
    expected = confusion_matrix(predictions.label, predictions.predicted, labels=range(CLASSES))
    assert predictions.confusion(CLASSES).tolist() == expected.tolist()


def test_a_class_without_drawings_has_no_accuracy_and_does_not_count(predictions: Predictions) -> None:
    accuracy = predictions.class_accuracy(CLASSES)
    assert np.isnan(accuracy[5])
    assert metrics.scores(predictions)["balanced_accuracy"] == pytest.approx(np.nanmean(accuracy))


def test_a_confidence_on_an_edge_belongs_to_the_range_below_it() -> None:
    confidence = np.array([0.25, 0.5, 1.0, 0.3], np.float32)
    label, predicted = np.array([0, 0, 0, 0]), np.array([0, 1, 0, 0])
    made = Predictions(np.arange(4), label, predicted, predicted, confidence, np.zeros(4, np.float32))
    drawings, _, accuracy = made.calibration(bins=4)
    assert drawings.tolist() == [1, 2, 0, 1]
    assert accuracy[[0, 1, 3]].tolist() == [1.0, 0.5, 1.0]


def test_the_file_gives_back_the_same_in_few_bytes(predictions: Predictions, tmp_path: Path) -> None:
    predictions.write(tmp_path / "predictions.npz")
    again = read_predictions(tmp_path / "predictions.npz")
    for name in Predictions.__dataclass_fields__:
        before, after = getattr(predictions, name), getattr(again, name)
        assert (before.dtype, before.tolist()) == (after.dtype, after.tolist()), name
    assert (tmp_path / "predictions.npz").stat().st_size < 4000


@pytest.mark.parametrize("content", [None, b"", b"PK", "cut", "object"])
def test_a_damaged_file_is_refused(content: bytes | str | None, predictions: Predictions, tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    if content == "cut":
        predictions.write(path)
        path.write_bytes(path.read_bytes()[:-100])
    elif content == "object":
        np.savez(path, **{name: np.array([print]) for name in Predictions.__dataclass_fields__})
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"predictions\.npz"):
        read_predictions(path)
