"""What the files of a run must hold: what is whole passes, and each thing that is wrong is named."""

import copy
import csv
from pathlib import Path
from typing import Any

import pytest

from quickdraw.records import (
    EPOCH,
    checkpoint_complaint,
    provenance_complaint,
    read_metrics,
    result_complaint,
    status_complaint,
    weights_complaint,
)

RECORD = dict.fromkeys(EPOCH, 0.5)
FACTS: dict[str, Any] = {"fingerprints": {"cat": "1"}, "environment": {"versions": {}}}
POSITION: dict[str, Any] = {"epoch": 2, "step": 0, "epoch_s": 0.0, "best_epoch": 1, "history": [RECORD, RECORD]}
CHECKPOINT: dict[str, Any] = {"training": {"position": POSITION, "optimizer": [[0, "step", 1.0]]}, "facts": FACTS}


def changed(value: dict[str, Any], path: str, new: Any) -> dict[str, Any]:
    """A copy with another value at a path, `training.position.epoch`."""
    copied = copy.deepcopy(value)
    *parents, last = path.split(".")
    inner = copied
    for key in parents:
        inner = inner[key]
    inner[last] = new
    return copied


@pytest.mark.parametrize(
    ("path", "new", "words"),
    [
        ("training.position.history", [RECORD], "position: expected 2 epochs, got 1"),
        ("training.position.history", [RECORD] * 3, "position: expected 2 epochs, got 3"),
        ("training.position.history", [RECORD, {"epoch": 2}], "history: expected a list of epochs"),
        ("training.position.history", [RECORD, RECORD | {"step": "2"}], "history: expected a list of epochs"),
        ("training.position.epoch_s", -1.0, "epoch_s: expected"),
        ("training.optimizer", [[0, "step"]], "optimizer: expected a list of parameter, name, value"),
        ("training.optimizer", [[0, "step", 1.0, 2.0]], "optimizer: expected a list of parameter, name, value"),
        ("training.optimizer", [[-1, "step", 1.0]], "optimizer: expected a list of parameter, name, value"),
        ("facts", {"environment": {}}, "fingerprints: expected a value, and it is absent"),
        ("facts.environment", {"versions": 3}, "environment: expected an object with versions"),
    ],
)
def test_a_checkpoint_is_whole_or_names_what_is_wrong(path: str, new: Any, words: str) -> None:
    assert checkpoint_complaint(CHECKPOINT) == ""
    assert words in checkpoint_complaint(changed(CHECKPOINT, path, new))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_s": -1.0}, "train_s: expected a number from 0 up"),
        ({"test_top3_accuracy": 1.5}, "test_top3_accuracy: expected a number in [0, 1]"),
        ({"val_new_loss": "low"}, "val_new_loss: expected a number"),
        ({"test_class_accuracy": [0.5, 2.0]}, "test_class_accuracy: expected a list of shares"),
    ],
)
def test_a_result_holds_times_from_0_up_and_shares(changes: dict[str, Any], words: str) -> None:
    whole = {"train_s": 0.0, "test_top3_accuracy": 1.0, "val_new_loss": 9.5, "test_class_accuracy": [0.5, None]}
    assert result_complaint(whole) == ""
    assert words in result_complaint(whole | changes)


def test_a_run_may_stand_before_its_first_epoch() -> None:
    assert status_complaint({"state": "running", "epoch": 0, "step": 0, "pid": 1}) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fingerprints": {"cat": "1"}}, "fingerprints: expected one for each class"),
        ({"fingerprints": {"cat": "1", "moon": "2", "door": "3"}}, "fingerprints: expected one for each class"),
        ({"sha256": "12"}, "sha256: expected a sha256 in hex"),
        ({"classes": None}, "classes: expected"),
    ],
)
def test_weights_name_their_classes_and_one_fingerprint_each(changes: dict[str, Any], words: str) -> None:
    whole = {"classes": ["cat", "moon"], "fingerprints": {"cat": "1", "moon": "2"}}
    assert weights_complaint(whole) == ""
    assert weights_complaint({"classes": ["cat", "moon"]}) == ""
    assert words in weights_complaint(whole | changes)
    assert "classes: expected a value" in weights_complaint({"fingerprints": {}})


def test_the_start_that_makes_no_sense_is_counted_from_1() -> None:
    starts: list[dict[str, Any]] = [{"program": {}, "environment": {}}, {"program": "mine"}]
    assert provenance_complaint({"starts": starts[:1]}) == ""
    assert provenance_complaint({"starts": starts}).startswith("start 2: program: expected an object")


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e999"])
def test_a_cell_is_a_finite_number(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["epoch", "val_loss"], [1, "-2.5e-3"], [2, cell]])
    with pytest.raises(ValueError, match="not a finite number"):
        read_metrics(path)
    path.write_text("epoch,val_loss\n1,-2.5e-3\n")
    assert read_metrics(path) == [{"epoch": 1, "val_loss": -0.0025}]


def test_a_cell_with_a_quote_in_its_middle_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text('epoch,val_loss\n1,"0.5"5\n')  # 0.55, where one is not strict
    with pytest.raises(ValueError, match="expected"):
        read_metrics(path)
