"""The result of a finished run: the content of `result.json`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from quickdraw import hardware, metrics
from quickdraw.data.dataset import Dataset
from quickdraw.predictions import Predictions
from quickdraw.state import EpochRecord


def summarise(
    config: Mapping[str, Any], data: Dataset, net: nn.Module, history: Sequence[EpochRecord], tested: Predictions
) -> dict[str, Any]:
    """The content of `result.json`, for the weights of the best epoch in `net` and their predictions of the test split.

    The validation scores are the best epoch's. `train_s` is the time spent in training epochs, without validation.
    """
    best = metrics.best(history, config["trainer"]["monitor"])
    train_s = sum(record["train_s"] for record in history)
    test_scores = {f"test_{name}": value for name, value in metrics.final_scores(tested).items()}
    val_scores = {name: value for name, value in best.items() if name.startswith("val_")}
    return {
        **test_scores,
        **val_scores,
        "best_epoch": best["epoch"],
        "epochs": len(history),
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "train_s": train_s,
        "total_s": hardware.process_age_s(),
        "samples_per_s": len(history) * len(data.train.indices) / train_s,
        "peak_rss_mb": hardware.peak_rss_mb(),
        "classes": data.classes,
        "test_class_accuracy": class_accuracy(tested, len(data.classes)),
        "seed": config["seed"],
    }


def class_accuracy(tested: Predictions, classes: int) -> list[float | None]:
    """The accuracy on each class's drawings; None, for JSON has no nan, where there are none."""
    values = tested.class_accuracy(classes).tolist()
    return [None if math.isnan(value) else value for value in values]
