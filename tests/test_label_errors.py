"""The drawings that a network finds hardest, and those that are probably not what their label says."""

import numpy as np

from quickdraw.explore.label_errors import hardest, likely_mislabelled
from quickdraw.predictions import Predictions


def predictions(*probabilities: tuple[int, list[float]]) -> Predictions:
    """Return those of a network that gives the classes these probabilities, of drawings with these labels."""
    label = np.array([own for own, _ in probabilities])
    shares = np.array([row for _, row in probabilities])
    own = shares[np.arange(len(label)), label]
    return Predictions(
        index=np.arange(len(label)) + 100,
        label=label,
        predicted=shares.argmax(axis=1),
        rank=(shares > own[:, None]).sum(axis=1),
        confidence=shares.max(axis=1).astype(np.float32),
        loss=-np.log(own).astype(np.float32),
    )


JUDGED = predictions(
    (0, [0.90, 0.05, 0.05]),
    (0, [0.80, 0.10, 0.10]),
    (0, [0.05, 0.70, 0.25]),  # surer of 1 than it usually is of drawings of 1
    (1, [0.30, 0.60, 0.10]),
    (1, [0.50, 0.40, 0.10]),  # wrong, but it is usually surer of 0
    (2, [0.94, 0.02, 0.04]),  # surest of another class
    (2, [0.10, 0.00001, 0.89999]),
)


def test_the_hardest_have_the_largest_loss() -> None:
    assert hardest(JUDGED, 3).tolist() == [5, 2, 4]
    assert hardest(JUDGED, 2, label=1).tolist() == [4, 3]
    assert hardest(JUDGED, 9, label=3).tolist() == []


def test_likely_mislabelled_is_what_looks_as_much_like_another_class_as_that_classes_own() -> None:
    assert likely_mislabelled(JUDGED).tolist() == [5, 2]


def test_a_class_without_drawings_is_no_reason_to_doubt_a_label() -> None:
    assert likely_mislabelled(predictions((0, [0.1, 0.9]), (0, [0.9, 0.1]))).tolist() == []


def test_planted_mislabelled_drawings_are_found_before_all_others() -> None:
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 50)
    logits = random.normal(size=(200, 4)) + 6 * np.eye(4)[truth]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = truth.copy()
    planted = np.sort(random.choice(200, 8, replace=False))
    label[planted] = (label[planted] + 1) % 4
    found = likely_mislabelled(predictions(*zip(label.tolist(), shares.tolist(), strict=True)))
    assert set(found[:6].tolist()) <= set(planted.tolist())
    assert len(found) <= 10
