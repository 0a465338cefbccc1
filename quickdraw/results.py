"""What a finished run says of itself: the content of `result.json`, and the description of its weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from quickdraw import hardware
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.run_folder import encoded
from quickdraw.state import Record


def summarise(
    config: Mapping[str, Any], data: Bitmaps, net: nn.Module, history: Sequence[Record], scores: Mapping[str, float]
) -> dict[str, Any]:
    """Return the content of `result.json`, of the best epoch's weights in `net` and their test `scores`."""
    monitor = config["trainer"]["monitor"]
    sign = -1 if monitor.endswith("loss") else 1
    best = max(history, key=lambda record: sign * record[monitor])  # the first of equals, as in training
    train_s = sum(record["train_s"] for record in history)
    return {
        "test_accuracy": scores["accuracy"],
        "test_loss": scores["loss"],
        "val_accuracy": best["val_accuracy"],
        "val_loss": best["val_loss"],
        "best_epoch": best["epoch"],
        "epochs": len(history),
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "train_s": train_s,
        "total_s": hardware.process_age_s(),
        "samples_per_s": len(history) * len(data.train.indices) / train_s,
        "peak_rss_mb": hardware.peak_rss_mb(),
        "classes": data.classes,
        "seed": config["seed"],
    }


def describe_weights(
    config: Mapping[str, Any], data: Bitmaps, result: Mapping[str, Any], environment: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what `<exp_name>_net.json` says beside the contract of input and output."""
    return {
        "classes": data.classes,
        "model": config["model"]["_target_"],
        "drawings": data.counts(),
        "metrics": {
            key: result[key] for key in ("test_accuracy", "test_loss", "val_accuracy", "val_loss", "best_epoch")
        },
        "config": encoded(config),
        "fingerprints": data.fingerprints,
        "versions": environment["versions"],
    }
