"""The runs in a folder, as they stand on the disk: settings, state, result."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from quickdraw.files import atomic_write
from quickdraw.run_folder import RunFolder, decoded
from quickdraw.settings import ABSENT, OUTPUT_KEYS, flatten, shown

SCORES = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")


@dataclass(frozen=True)
class Run:
    """One run. `settings` is its flat configuration; `result` is empty until the run is completed."""

    folder: Path
    settings: dict[str, Any]
    state: str
    reason: str
    result: dict[str, Any]

    @property
    def monitor(self) -> str:
        """The metric that chose the best epoch, and ranks the run."""
        return str(self.settings.get("trainer.monitor", "val_accuracy"))

    @property
    def score(self) -> float | None:
        """The best validation score, higher is better; None until the run is completed."""
        value = self.result.get(self.monitor)
        if value is None:
            return None
        return -float(value) if self.monitor.endswith("loss") else float(value)


def read_run(folder: Path) -> Run:
    """Return the run in a folder. One that says it is running, but that no process holds, was killed."""
    run = RunFolder(folder)
    result = run.result() or {}
    state, reason = str(run.status.get("state", "new")), str(run.status.get("reason", ""))
    if result:
        state = "completed"
    elif state == "running" and not run.held():
        state, reason = "interrupted", "its process was killed"
    return Run(run.path, flatten(decoded(run.status.get("config", {}))), state, reason, result)


def read_runs(folder: Path) -> list[Run]:
    """Return the runs right below a folder, in the order of their names."""
    return [read_run(status.parent) for status in sorted(folder.glob("*/status.json"))]


def varied(runs: Sequence[Run]) -> list[str]:
    """Return the keys whose values differ between the runs, in the order of the configuration, the seed last."""
    keys = sorted(dict.fromkeys(key for run in runs for key in run.settings), key=lambda key: key == "seed")
    top = {key for key in keys if "." not in key}
    return [
        key
        for key in keys
        if key not in OUTPUT_KEYS | {"exp_name"}
        and not (key.split(".")[-1] in top and "." in key)  # model.dropout_rate reads dropout_rate
        and len({shown(run.settings.get(key, ABSENT)) for run in runs if run.settings}) > 1
    ]


def named(runs: Sequence[Run]) -> dict[Path, str]:
    """Return what differs between the runs, as it would be typed, by folder."""
    keys = varied(runs)
    return {
        run.folder: " ".join(f"{key}={shown(run.settings[key])}" for key in keys if key in run.settings) for run in runs
    }


def write_summary(folder: Path) -> Path:
    """Write `summary.csv` of the runs right below a folder, from their folders alone: one row each.

    Every job calls this when it ends; the lock keeps one that read earlier from writing later.
    """
    with FileLock(folder / ".summary.lock"):
        return _write_summary(folder)


def _write_summary(folder: Path) -> Path:
    runs = read_runs(folder)
    keys = varied(runs)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*keys, "state", *SCORES, "best_epoch", "seconds", "folder", "reason"])
    for run in runs:
        values = [shown(run.settings[key]) if key in run.settings else "" for key in keys]
        scores = [run.result.get(name, "") for name in (*SCORES, "best_epoch", "total_s")]
        writer.writerow([*values, run.state, *scores, run.folder.name, run.reason])
    path = folder / "summary.csv"
    atomic_write(path, text.getvalue().encode())
    return path
