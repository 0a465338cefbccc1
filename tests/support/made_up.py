"""Folders of runs that nobody trained: as a run leaves them, with scores and predictions that a test chooses."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quickdraw import metrics
from quickdraw.predictions import Predictions
from quickdraw.run.folder import RunFolder

CLASSES = ("cat", "moon", "door")
EPOCHS = 3
PER_CLASS = 20  # test drawings


def make_run(
    folder: Path,
    score: float | None = 0.9,
    state: str = "completed",
    reason: str = "",
    wrong: Sequence[int] = (),
    classes: Sequence[str] = CLASSES,
    **settings: Any,
) -> Path:
    """Make one run's folder; `a__b` stands for the key `a.b`, `wrong` are the drawings taken for the next class."""
    folder.mkdir(parents=True)
    config: dict[str, Any] = {"exp_name": folder.parent.name, "seed": 0, "trainer": {"monitor": "val_accuracy"}}
    for key, value in settings.items():
        group, _, last = key.rpartition("__")
        (config.setdefault(group, {}) if group else config)[last] = value
    run = RunFolder(folder)
    run.begin(config, [f"{key.replace('__', '.')}={value}" for key, value in settings.items()])
    run.update(state=state, reason=reason)
    if score is None:
        return folder
    rows = [epoch_record(epoch, score) for epoch in range(1, EPOCHS + 1)]
    with (folder / "metrics.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    predictions = predicted(len(classes), wrong)
    predictions.write(folder / "predictions.npz")
    (folder / "weights").mkdir()
    description = {"classes": list(classes), "fingerprints": {name: f"of {name}" for name in classes}}
    (folder / "weights" / "made_up_net.json").write_text(json.dumps(description))
    scores = {f"test_{name}": value for name, value in metrics.scores(predictions).items()}
    run.complete(
        {
            **scores,
            "val_accuracy": score,
            "val_loss": 1 - score,
            "best_epoch": EPOCHS,
            "train_s": EPOCHS * 1.5,
            "total_s": 6.0,
            "classes": list(classes),
            "seed": config["seed"],
        }
    )
    return folder


def epoch_record(epoch: int, score: float) -> dict[str, float]:
    at = score * epoch / EPOCHS
    scores = {"train_loss": 1.1 - at, "val_loss": 1 - at, "val_accuracy": at}
    return {"epoch": epoch, **scores, "lr": 0.008 / epoch, "train_s": 1.5}


def predicted(classes: int, wrong: Sequence[int] = ()) -> Predictions:
    """Return predictions for PER_CLASS drawings of each class, right but for some, of which the last is the surest."""
    label = np.repeat(np.arange(classes), PER_CLASS)
    said, confidence = label.copy(), np.full(len(label), 0.5, np.float32)
    for place in wrong:
        said[place] = (label[place] + 1) % classes
        confidence[place] = 0.5 + place / 200
    rank = (said != label).astype(np.int64)
    return Predictions(np.arange(len(label)) * 2, label, said, rank, confidence, 1 - confidence)


def make_sweep(folder: Path, seeds: int = 3) -> Path:
    """Make a sweep of a learning rate that matters and a dropout rate that does not; one run failed, one diverged."""
    for lr, gain in ((0.001, 0.0), (0.01, 0.1)):
        for dropout_rate in (0.3, 0.5):
            for seed in range(seeds):
                luck = 0.01 * ((7 * seed + int(100 * dropout_rate)) % 5)
                wrong = range(seed, 10 if lr < 0.005 else 4)
                name = f"lr-{lr}_dropout-{dropout_rate}_seed-{seed}"
                known = {"optimizer__lr": lr, "dropout_rate": dropout_rate, "seed": seed}
                make_run(folder / name, 0.7 + gain + luck, wrong=wrong, **known)
    failed = {"optimizer__lr": 0.01, "dropout_rate": 0.5}
    make_run(folder / "failed", None, "failed", "killed by SIGKILL (out of memory?)", seed=seeds, **failed)
    make_run(folder / "diverged", None, "diverged", "the loss became nan", seed=seeds + 1, **failed)
    return folder
