"""result.json tells of the weights that are left: for each monitor, and when epochs are equally good."""

from pathlib import Path
from typing import Any

import pytest
import torch

from quickdraw import engine, metrics
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.run.results import summarise
from tests.support.training import network

CLASSES = ["cat", "moon", "door"]


def ends_badly(done: float) -> float:
    return 1.0 if done < 0.6 else 100.0


def never_learns(done: float) -> float:
    return 1e-9


@pytest.mark.parametrize("monitor", metrics.monitors())
@pytest.mark.parametrize("schedule", [ends_badly, never_learns])
def test_its_validation_scores_are_those_of_the_weights_left(
    monitor: str, schedule: Any, drawings: Path, tmp_path: Path
) -> None:
    data = Bitmaps(drawings, CLASSES, 32, cache=tmp_path)
    net = network()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    settings: dict[str, Any] = {"epochs": 5, "monitor": monitor, "schedule": schedule, "progress": False}
    seen: list[float] = []
    history = engine.train(
        net, optimizer, data.train, data.val, on_epoch=lambda record: seen.append(record[monitor]), **settings
    )
    config = {"trainer": {"monitor": monitor}, "seed": 0}
    result = summarise(config, data, net, history, engine.predict(net, data.test))
    best = min(seen) if monitor == "val_loss" else max(seen)
    assert (result[monitor], result["best_epoch"]) == (best, seen.index(best) + 1)
    left = engine.test(net, data.val)
    assert {f"val_{name}": value for name, value in left.items()} == {name: result[name] for name in metrics.monitors()}


def test_its_times_are_those_of_all_epochs_and_training_drawings(drawings: Path, tmp_path: Path) -> None:
    data = Bitmaps(drawings, CLASSES, 32, cache=tmp_path)
    net = network()
    history = [{"epoch": 1, "train_s": 2.0, "val_loss": 0.5}, {"epoch": 2, "train_s": 6.0, "val_loss": 0.6}]
    config = {"trainer": {"monitor": "val_loss"}, "seed": 3}
    result = summarise(config, data, net, history, engine.predict(net, data.test))
    assert (result["train_s"], result["epochs"], result["seed"]) == (8.0, 2, 3)
    assert metrics.final_tags().keys() - result.keys() == {"val_accuracy"}  # of this history, which has only the loss
    assert result["samples_per_s"] == 2 * len(data.train.indices) / 8.0
