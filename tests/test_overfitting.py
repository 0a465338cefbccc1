"""How a training went: curves, and whether it overfitted, in words."""

import re
from typing import Any

import pytest

from quickdraw.explore.overfitting import curves, overfitting


def history(train: list[float], val: list[float]) -> list[dict[str, Any]]:
    return [
        {"epoch": number, "train_loss": one, "val_loss": other, "train_accuracy": 0.5, "val_accuracy": number / 10}
        for number, (one, other) in enumerate(zip(train, val, strict=True), 1)
    ]


def scores(loss: float, accuracy: float = 0.9) -> dict[str, float]:
    return {"loss": loss, "accuracy": accuracy}


@pytest.mark.parametrize(
    ("train", "val", "verdict"),
    [
        ([0.9, 0.5, 0.2], [0.8, 0.6, 0.7], r"did overfit: .* lowest in epoch 2, 0\.600, and rose to 0\.700 by epoch 3"),
        ([0.9, 0.7, 0.6], [0.8, 0.7, 0.6], r"did not overfit: .*from 0\.800 to 0\.600 and was still falling"),
        (
            [0.9, 0.7, 0.6],
            [0.8, 0.600, 0.605],
            r"did not overfit: .* \(lowest in epoch 2, 0\.600: a difference that may be chance\)\. The trained",
        ),
        ([0.9, 0.7, 0.8], [0.8, 0.6, 0.9], r"did not overfit, but .* training loss as well"),
        ([0.9], [0.8], r"did not overfit: the validation loss is 0\.800\. The trained"),
    ],
)
def test_it_overfitted_when_only_the_validation_loss_rises(train: list[float], val: list[float], verdict: str) -> None:
    assert re.search(verdict, overfitting(history(train, val), scores(0.5), scores(0.6)))


def test_both_splits_are_compared_as_the_trained_network_sees_them() -> None:
    said = overfitting(history([0.9, 0.7], [0.8, 0.6]), scores(0.5, 0.91), scores(0.6, 0.876))
    assert "0.500 on training drawings and 0.600 on validation drawings, 20% more; its accuracy 91.0% and 87.6%" in said


def test_curves_show_training_and_validation_over_the_epochs() -> None:
    loss, accuracy = curves(history([0.9, 0.5], [0.8, 0.6])).axes
    drawn = {str(line.get_label()): list(line.get_xydata().ravel()) for line in loss.lines}
    assert drawn == {"training": [1, 0.9, 2, 0.5], "validation": [1, 0.8, 2, 0.6]}
    assert [list(line.get_ydata()) for line in accuracy.lines] == [[0.5, 0.5], [0.1, 0.2]]
