"""What a finished run says of itself: the content of `result.json`, and the description of its weights."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from quickdraw import hardware
from quickdraw.data.dataset import Dataset
from quickdraw.metrics import lower_is_better
from quickdraw.predictions import Predictions
from quickdraw.settings import encoded
from quickdraw.state import Record


def summarise(
    config: Mapping[str, Any], data: Dataset, net: nn.Module, history: Sequence[Record], tested: Predictions
) -> dict[str, Any]:
    """Return the content of `result.json`, of the best epoch's weights in `net` and what it says of the test split."""
    monitor = config["trainer"]["monitor"]
    sign = -1 if lower_is_better(monitor) else 1
    best = max(history, key=lambda record: sign * record[monitor])  # the first of equals, as in training
    class_accuracy = tested.class_accuracy(len(data.classes))
    train_s = sum(record["train_s"] for record in history)
    return {
        **{f"test_{name}": value for name, value in tested.scores().items()},
        "test_calibration_error": tested.calibration_error(),
        **{name: value for name, value in best.items() if name.startswith("val_")},
        "best_epoch": best["epoch"],
        "epochs": len(history),
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "train_s": train_s,
        "total_s": hardware.process_age_s(),
        "samples_per_s": len(history) * len(data.train.indices) / train_s,
        "peak_rss_mb": hardware.peak_rss_mb(),
        "classes": data.classes,
        "test_class_accuracy": [None if math.isnan(value) else value for value in class_accuracy.tolist()],
        "seed": config["seed"],
    }


def describe_weights(
    config: Mapping[str, Any], data: Dataset, result: Mapping[str, Any], environment: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what `<exp_name>_net.json` says beside the contract of input and output."""
    return {
        "classes": data.classes,
        "model": config["model"]["_target_"],
        "drawings": data.counts(),
        "metrics": {
            key: value for key, value in result.items() if key.startswith(("test_", "val_")) or key == "best_epoch"
        },
        "config": encoded(config),
        "fingerprints": data.fingerprints,
        "versions": environment["versions"],
    }
