"""The runs in a folder, as they stand on the disk: settings, state, result."""

import contextlib
import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from quickdraw.files import atomic_write
from quickdraw.locks import take_lock
from quickdraw.metrics import lower_is_better
from quickdraw.records import read_metrics
from quickdraw.run.folder import RunFolder
from quickdraw.settings import OUTPUT_KEYS, decoded, flatten, shown

SCORES = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")
INCOMPLETE = ("failed", "diverged", "interrupted", "damaged")  # states whose reason is worth reading
DEEPEST = 50  # folders between a sweep and its runs
KILLED = "its process was killed"
SPLIT_SEED = "data.split_seed"


@dataclass(frozen=True)
class Run:
    """One run. `settings` is its flat configuration; `result` is empty until the run is completed.

    `state` is new, running, completed, interrupted, failed, diverged, pruned, or damaged where a file of the folder
    makes no sense; `reason` says why; `started` is the time when it began, empty if it never did.
    """

    folder: Path
    settings: dict[str, Any]
    state: str
    reason: str
    result: dict[str, Any]
    started: str = ""

    @property
    def ended(self) -> bool:
        """Whether the run ended by itself: there is nothing to continue, and nothing to run again."""
        return self.state in ("completed", "diverged", "pruned")

    @property
    def damaged(self) -> bool:
        """Whether a file of the folder makes no sense: nothing may write there until somebody has seen to it."""
        return self.state == "damaged"

    @property
    def incomplete(self) -> bool:
        """Whether the run stopped without a result, and nobody decided so: its reason is listed as a failure."""
        return self.state in INCOMPLETE

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
        if lower_is_better(self.monitor):
            return -float(value)
        return float(value)

    def display(self, key: str) -> str:
        """A setting as text, a class by its last name; empty if the run has no such key."""
        text = display(self.settings.get(key, ""))
        if key.endswith("._target_"):
            return last_part(text)
        return text


def display(value: Any) -> str:
    """A setting's value as text, without quotes."""
    return value if isinstance(value, str) else shown(value)


def read_run(folder: Path) -> Run:
    """The run in a folder. One that says it is running, but that no process holds, was killed."""
    run = RunFolder(folder)
    running = run.status.get("state") == "running"
    if running and not run.held():
        running, run = False, RunFolder(folder)  # read again: it may have ended since
    result, damage = run.read_result()
    settings = flatten(decoded(run.status.get("config", {})))
    damage = run.damage or damage or score_missing(settings, result)
    state, reason = run.status.get("state", "new"), run.status.get("reason", "")
    if damage:
        state, reason, result = "damaged", damage, {}
    elif result:
        state, reason = "completed", ""
    elif state in ("running", "completed") and not running:  # a run is completed when its result is there
        state, reason = "interrupted", KILLED
    return Run(run.path, settings, state, reason, result, run.status.get("started", ""))


def score_missing(settings: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Why a run with a result cannot be ranked; an empty text if it can."""
    monitor = settings.get("trainer.monitor", "val_accuracy")
    if not result or monitor in result:
        return ""
    return f"result.json: {monitor}: expected a score, and it is absent"


def read_runs(folder: Path) -> list[Run]:
    """The runs below a folder, at any depth, in the order of their names."""
    return [read_run(place) for place in run_folders(folder)]


def run_folders(folder: Path, depth: int = DEEPEST) -> Iterator[Path]:
    """The folders of the runs below a folder, in the order of their names.

    Nothing is looked for inside a run, behind a link, which may lead back, or more than `depth` folders down.
    """
    for place in sorted(folder.glob("[!.]*/")):
        if os.path.lexists(place / "status.json"):  # whatever it is: a folder in its place is damage
            yield place
        elif depth > 1 and not place.is_symlink():
            yield from run_folders(place, depth - 1)


def read_epochs(folder: Path) -> list[dict[str, float]]:
    """A run's `metrics.csv`, one row an epoch, whole numbers as int; empty if there is no such table of numbers."""
    try:
        return read_metrics(folder / "metrics.csv")
    except (OSError, ValueError):
        return []


def varied(runs: Sequence[Run]) -> dict[str, str]:
    """The settings that differ between the runs, the seed last: each key, and the name of its column.

    Left out is what comes with a choice: a key that only one of several classes has, and one that reads another key
    (`model.dropout_rate` reads `dropout_rate`). `auto` is no value of its own, because it means one of the others.
    """
    columns = setting_columns(runs)
    differing = [key for key, column in columns.items() if len({*column} - {"auto"}) > 1]
    choices = tuple(key.removesuffix("_target_") for key in differing if key.endswith("._target_"))

    # Of keys with the same last part and the same values one is kept: that nearest to the top.
    kept: dict[tuple[str, tuple[str, ...]], str] = {}
    for key in sorted(differing, key=depth):
        if key in OUTPUT_KEYS or key == "exp_name" or (key == SPLIT_SEED and split_goes_with_seed(runs)):
            continue
        in_one_class_only = key.startswith(choices) and len({*columns[key]} - {""}) == 1
        if not in_one_class_only:
            kept.setdefault((last_part(key), columns[key]), key)

    # The order is the configuration's.
    keys = [key for key in differing if key in kept.values() and key != "seed"]
    if "seed" in kept.values():
        keys.append("seed")
    return {key: key.removesuffix("._target_") for key in keys}


def split_goes_with_seed(runs: Iterable[Run]) -> bool:
    """Whether each seed has one split into train and val, the test split apart: then it is no setting, but luck too."""
    splits: dict[Any, Any] = {}
    for run in runs:
        split = run.settings.get(SPLIT_SEED)
        if run.settings.get("data.test_seed") is None or splits.setdefault(run.settings.get("seed"), split) != split:
            return False
    return True


def setting_columns(runs: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    """Every key of the runs, and its value in each run whose settings are known."""
    known = [run for run in runs if run.settings]
    columns: dict[str, tuple[str, ...]] = {}
    for run in known:
        for key in run.settings:
            if key not in columns:
                columns[key] = tuple(other.display(key) for other in known)
    return columns


def depth(key: str) -> int:
    return key.count(".")


def last_part(key: str) -> str:
    return key.rpartition(".")[2]


def named(runs: Sequence[Run]) -> dict[Path, str]:
    """What differs between the runs, by folder: `lr=0.001 seed=0`."""
    keys = short_names(varied(runs))
    return {run.folder: setting_text(run, keys) for run in runs}


def setting_text(run: Run, keys: Mapping[str, str]) -> str:
    """Some settings of a run, by the names of their columns: `lr=0.001 dropout_rate=0.3`."""
    return " ".join(f"{column}={run.display(key)}" for key, column in keys.items() if key in run.settings)


def short_names(keys: Mapping[str, str]) -> dict[str, str]:
    """The columns by the last part of their names, where no other one ends the same: `lr` for `optimizer.lr`."""
    counts = Counter(map(last_part, keys.values()))
    names = {}
    for key, column in keys.items():
        end = last_part(column)
        names[key] = column
        if counts[end] == 1:
            names[key] = end
    return names


def job_row(run: Run, sweep: Path, keys: Mapping[str, str], scores: Iterable[str] = SCORES) -> dict[str, Any]:
    """A run of a sweep as a row of a table: its settings by the names of their columns, then how it ended.

    None: not known.
    """
    settings = {column: run.display(key) for key, column in keys.items()}
    values = {score: run.result.get(score) for score in scores}
    times = {"best_epoch": run.result.get("best_epoch"), "seconds": run.result.get("total_s")}
    return (
        settings | {"state": run.state} | values | times | {"folder": place_in(sweep, run.folder), "reason": run.reason}
    )


def place_in(sweep: Path, folder: Path) -> str:
    """A job's folder as its sweep knows it: by the path below the sweep's own."""
    return Path(os.path.relpath(folder, sweep)).as_posix()


def update_summary(folder: Path) -> None:
    """Write `summary.csv` of the runs below a folder, unless another process is about to: it will see ours.

    Every job calls this when it begins and when it ends. One process writes and one waits for its turn; whoever finds
    one waiting leaves at once, because that one reads after now. So the last word is always written, and 10,000 jobs
    that end together cost two summaries rather than 10,000 (`docs/clusters.md`).
    """
    turn = FileLock(folder / ".summary.turn", timeout=0)
    with contextlib.suppress(Timeout), turn:
        write_summary(folder, before_reading=turn.release)


def write_summary(folder: Path, before_reading: Callable[[], None] = lambda: None) -> Path:
    """Write `summary.csv` of the runs below a folder, from their folders alone: one row each.

    The lock keeps a process that read earlier from writing later.
    """
    with take_lock(folder / ".summary.lock"):
        before_reading()
        runs = read_runs(folder)
        keys = varied(runs)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*keys.values(), "state", *SCORES, "best_epoch", "seconds", "folder", "reason"])
        for run in runs:
            writer.writerow(job_row(run, folder, keys).values())
        path = folder / "summary.csv"
        atomic_write(path, text.getvalue().encode(errors="backslashreplace"))
    return path
