"""The runs in a folder, as they stand on the disk: settings, state, result."""

import contextlib
import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from quickdraw.files import atomic_write
from quickdraw.metrics import lower_is_better
from quickdraw.run.folder import RunFolder
from quickdraw.settings import OUTPUT_KEYS, decoded, flatten, shown

SCORES = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")
KILLED = "its process was killed"


@dataclass(frozen=True)
class Run:
    """One run. `settings` is its flat configuration; `result` is empty until the run is completed.

    `state` is new, running, completed, interrupted, failed, diverged or pruned; `reason` says why; `started` is the
    time when it began, empty if it never did.
    """

    folder: Path
    settings: dict[str, Any]
    state: str
    reason: str
    result: dict[str, Any]
    started: str = ""

    @property
    def ended(self) -> bool:
        """Whether the run came to an end of its own: there is nothing to continue, and nothing to run again."""
        return self.state in ("completed", "diverged", "pruned")

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
        return -float(value) if lower_is_better(self.monitor) else float(value)

    def display(self, key: str) -> str:
        """Return a setting as it is read, a class by its last name; empty if the run has no such key."""
        value = self.settings.get(key, "")
        if isinstance(value, str):
            return value.rpartition(".")[2] if key.endswith("._target_") else value
        return shown(value)


def read_run(folder: Path) -> Run:
    """Return the run in a folder. One that says it is running, but that no process holds, was killed."""
    run = RunFolder(folder)
    running = run.status.get("state") == "running"
    if running and not run.held():
        running, run = False, RunFolder(folder)  # read again: it may have ended since
    result = run.result() or {}
    state, reason = str(run.status.get("state", "new")), str(run.status.get("reason", ""))
    if result:
        state, reason = "completed", ""
    elif state in ("running", "completed") and not running:  # a run is completed when its result is there
        state, reason = "interrupted", KILLED
    settings = flatten(decoded(run.status.get("config", {})))
    return Run(run.path, settings, state, reason, result, str(run.status.get("started", "")))


def read_runs(folder: Path) -> list[Run]:
    """Return the runs right below a folder, in the order of their names."""
    return [read_run(status.parent) for status in sorted(folder.glob("*/status.json"))]


def varied(runs: Sequence[Run]) -> dict[str, str]:
    """Return the settings that differ between the runs, the seed last: each key, and the name of its column.

    Left out is what comes with a choice: a key that only one of several classes has, and one that reads another key
    (`model.dropout_rate` reads `dropout_rate`). `auto` is no value of its own, for it means one of the others.
    """
    known = [run for run in runs if run.settings]
    every = dict.fromkeys(key for run in known for key in run.settings)
    columns = {key: tuple(run.display(key) for run in known) for key in every}
    differing = {key for key, column in columns.items() if len({*column} - {"auto"}) > 1}
    choices = {key.removesuffix("_target_") for key in differing if key.endswith("._target_")}
    kept: dict[tuple[str, tuple[str, ...]], str] = {}
    for key in sorted(differing - OUTPUT_KEYS - {"exp_name"}, key=lambda key: key.count(".")):
        only_there = len({*columns[key]} - {""}) == 1 and key.startswith(tuple(choices))
        if not only_there:
            kept.setdefault((key.split(".")[-1], columns[key]), key)
    keys = sorted((key for key in columns if key in kept.values()), key=lambda key: key == "seed")
    return {key: key.removesuffix("._target_") for key in keys}


def named(runs: Sequence[Run]) -> dict[Path, str]:
    """Return what differs between the runs, by folder: `lr=0.001 seed=0`."""
    keys = short(varied(runs))
    return {run.folder: name(run, keys) for run in runs}


def name(run: Run, keys: dict[str, str]) -> str:
    """Return some settings of a run, by the names of their columns."""
    return " ".join(f"{column}={run.display(key)}" for key, column in keys.items() if key in run.settings)


def short(keys: dict[str, str]) -> dict[str, str]:
    """Return the columns by the last part of their names, where no other one ends the same: `lr` for `optimizer.lr`."""
    last = [column.split(".")[-1] for column in keys.values()]
    return {key: end if last.count(end) == 1 else keys[key] for key, end in zip(keys, last, strict=True)}


def update_summary(folder: Path) -> None:
    """Write `summary.csv` of the runs right below a folder, unless another process is about to: it will see ours.

    Every job calls this when it begins and when it ends. One process writes and one waits for its turn; whoever finds
    one waiting leaves at once, for that one reads after now. So the last word is always written, and 10,000 jobs that
    end together cost two summaries rather than 10,000 (`docs/clusters.md`).
    """
    turn = FileLock(folder / ".summary.turn", timeout=0)
    with contextlib.suppress(Timeout), turn:
        write_summary(folder, before_reading=turn.release)


def write_summary(folder: Path, before_reading: Callable[[], None] = lambda: None) -> Path:
    """Write `summary.csv` of the runs right below a folder, from their folders alone: one row each.

    The lock keeps a process that read earlier from writing later.
    """
    with FileLock(folder / ".summary.lock"):
        before_reading()
        runs = read_runs(folder)
        keys = varied(runs)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*keys.values(), "state", *SCORES, "best_epoch", "seconds", "folder", "reason"])
        for run in runs:
            scores = [run.result.get(score, "") for score in (*SCORES, "best_epoch", "total_s")]
            writer.writerow([*(run.display(key) for key in keys), run.state, *scores, run.folder.name, run.reason])
        path = folder / "summary.csv"
        atomic_write(path, text.getvalue().encode())
    return path
