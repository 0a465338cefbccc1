"""Whether two checkouts train the same bits: weights, metrics and names of folders of the same commands, side by side.

    python -m benchmarks.same_bits OLD NEW            every model, optimizer, schedule and experiment
    python -m benchmarks.same_bits OLD NEW --quick    one thread, mostly synthetic drawings: 6 minutes of processor time
    python -m benchmarks.same_bits OLD NEW --only hydra   those that contain a word: here a sweep, a search

Each command is typed in both checkouts, in an empty folder of its own, and what it leaves is compared: the sha256 of
the weights, `metrics.csv` without its times, the names of folders, how each run ended. So are the jobs of a sweep, the
trials of a search (with optuna), and a run that OLD began, continued by each. Real drawings: `../shared/quickdraw`, if
it is there.
"""

import argparse
import csv
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

REAL = Path(__file__).parents[2] / "shared" / "quickdraw"
GROUPS = ("model", "optimizer", "schedule", "experiment")
SYNTHETIC = ["data=synthetic", "data.per_class=60"]
LARGE_MODELS = ("resnet18", "all_classes")  # one epoch, or they take minutes
OWN_FOLDER = "*/outputs/runs/*/*"  # named by time and chance
LATER_DIGITS = re.compile(r"(?<=-[0-9a-f]{8})[0-9a-f]{8}$")  # of a job's hash, which once had eight
PATIENCE_S = 600
Left = dict[str, str]  # what a command left: a fact about each file, by its name


def main() -> int:
    """Run every command in both checkouts and print a line for each; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--quick", action="store_true", help="one thread; synthetic drawings where that is possible")
    parser.add_argument("--only", default="", metavar="WORD", help="only the commands that contain this word")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of both")
    arguments = parser.parse_args()
    checkouts = arguments.old.resolve(), arguments.new.resolve()

    different = 0
    for command in commands(checkouts[0], arguments.quick):
        if arguments.only not in " ".join(command):
            continue
        with tempfile.TemporaryDirectory() as name:
            old, new = side_by_side(arguments.python, checkouts, command, Path(name))
        different += report(" ".join(command), old, new)
    if arguments.only in "resume=":
        with tempfile.TemporaryDirectory() as name:
            old, new = continued(arguments.python, checkouts, Path(name))
        different += report("resume= a run that OLD began", old, new)
    print(f"{different} differ" if different else "all the same")
    return int(different > 0)


def commands(checkout: Path, quick: bool) -> Iterator[list[str]]:
    """Yield the arguments of each command: the defaults, each other choice, a sweep, and a search."""
    bitmaps = [f"data.root={REAL / 'bitmap'}", "data.limit_per_class=60"]
    drawings = [SYNTHETIC]
    if REAL.is_dir() and not quick:
        drawings.append(bitmaps)
    for data in drawings:
        for choice in choices(checkout):
            epochs = 1 if choice.endswith(LARGE_MODELS) else 2
            for threads in (1,) if quick else (1, 2):
                chosen = [choice] if choice else []
                yield [*chosen, *the_classes(choice, data), f"threads={threads}", f"trainer.epochs={epochs}"]

    one_thread = ["threads=1", "trainer.epochs=2"]
    yield [*SYNTHETIC, *one_thread, "data.augment=0.5", "data.balance=true", "trainer.label_smoothing=0.1"]
    yield [*SYNTHETIC, *one_thread, "trainer.monitor=val_loss", "trainer.grad_clip=1", "trainer.precision=float32"]
    if REAL.is_dir():
        yield ["data=strokes", f"data.root={REAL / 'strokes'}", *one_thread]

    jobs = ["hydra.launcher.report=false", "hydra.launcher.n_jobs=2", *SYNTHETIC, *one_thread]
    yield ["-m", "dropout_rate=0.3,0.5", "seed=0,1", *jobs]
    yield ["-m", "model=convnet,mlp", "optimizer.lr=1e-3,1e30", "exp_name=diverging", *jobs]
    if importlib.util.find_spec("optuna"):
        search = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=8", "hydra.sweeper.startup_trials=4"]
        space = ["optimizer.lr=tag(log,interval(1e-4,1e-1))", "model=choice(convnet,mlp)"]
        yield ["-m", *search, *space, *jobs, "hydra.launcher.n_jobs=1", "trainer.epochs=4"]


def choices(checkout: Path) -> list[str]:
    """List `group=name` for each yaml file that is not among the defaults; the defaults themselves are ''."""
    defaults = yaml.safe_load((checkout / "conf" / "config.yaml").read_text())["defaults"]
    standard = {f"{group}={name}" for entry in defaults if isinstance(entry, dict) for group, name in entry.items()}
    there = [f"{path.parent.name}={path.stem}" for group in GROUPS for path in checkout.glob(f"conf/{group}/*.yaml")]
    return ["", *sorted(set(there) - standard)]


def the_classes(choice: str, data: list[str]) -> list[str]:
    """Give the overrides for the drawings; all 345 classes have a folder of their own."""
    if choice != "experiment=all_classes":
        return data
    if data == SYNTHETIC:
        return [*SYNTHETIC, "data.classes=[cat,moon,door]"]
    return [f"data.root={REAL / 'bitmap_345'}", "data.limit_per_class=10"]


def side_by_side(python: str, checkouts: tuple[Path, Path], command: list[str], folder: Path) -> list[Left]:
    """Run the command in both checkouts at the same time."""
    started = []
    for name, checkout in zip(("old", "new"), checkouts, strict=True):
        (folder / name).mkdir()
        started.append(start(python, checkout, command, folder / name))
    codes = [process.wait(PATIENCE_S) for process in started]
    return [left(folder / name, code) for name, code in zip(("old", "new"), codes, strict=True)]


def continued(python: str, checkouts: tuple[Path, Path], folder: Path) -> list[Left]:
    """Let OLD begin a run, stop it after an epoch, and let both continue it."""
    first = folder / "old"
    first.mkdir()
    process = start(python, checkouts[0], [*SYNTHETIC, "threads=1", "trainer.epochs=12"], first)
    wait_for_an_epoch(first, process)
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE_S)
    shutil.copytree(first, folder / "new")
    lefts = []
    for name, checkout in zip(("old", "new"), checkouts, strict=True):
        (run,) = folder.glob(f"{name}/outputs/runs/*/*")
        if (run / "result.json").exists():
            sys.exit("error: OLD's run was over before it could be stopped")
        resumed = start(python, checkout, [f"resume={run.relative_to(folder / name)}"], folder / name)
        lefts.append(left(folder / name, resumed.wait(PATIENCE_S)))
    return lefts


def wait_for_an_epoch(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the only run in a folder has finished an epoch."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        for status in folder.glob("outputs/runs/*/*/status.json"):
            if json.loads(status.read_bytes()).get("epoch", 0) >= 1:
                return
        time.sleep(0.02)
    sys.exit("error: OLD finished no epoch; see whether it runs at all")


def start(python: str, checkout: Path, command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    """Start `run.py` of a checkout in a folder; what it prints goes into `printed.txt` there."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with (folder / "printed.txt").open("ab") as printed:
        return subprocess.Popen(
            [python, str(checkout / "run.py"), *command],
            cwd=folder,
            env=environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )


def left(folder: Path, code: int) -> Left:
    """Describe what a command left: its exit code, each run's folder, weights and metrics."""
    facts = {"exit code": str(code)}
    for status in sorted(folder.glob("outputs/*/*/*/status.json")):
        run = status.parent
        name = LATER_DIGITS.sub("", str(run.relative_to(folder)))
        if run.match(OWN_FOLDER):
            name = str(run.parent.relative_to(folder))
        facts[name] = json.loads(status.read_bytes())["state"]
        for weights in run.glob("weights/*.pth"):
            facts[f"{name}/weights/{weights.name}"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        for number, row in enumerate(metrics(run / "metrics.csv"), start=1):
            facts[f"{name}/metrics.csv, row {number}"] = row
    if len(facts) == 1:
        facts["printed"] = (folder / "printed.txt").read_text(errors="replace")[-500:]
    return facts


def metrics(path: Path) -> Iterator[str]:
    """Yield the rows of the table, if there is one, without the columns of times and speeds."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            values = [f"{key}={value}" for key, value in row.items() if not key.endswith("_s")]
            yield " ".join(values)


def report(command: str, old: Left, new: Left) -> bool:
    """Print one line for a command, and one for each difference; whether there is any."""
    differences = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    trained = sum(name.endswith(".pth") for name in old)
    if not trained:
        differences.append("exit code")
    shown = command.replace(str(REAL), REAL.name)
    print(f"{'DIFFERENT' if differences else 'same':9}  {trained:2} weights  {shown}", flush=True)
    for name in differences:
        print(f"    {name}\n      old: {old.get(name, 'absent')}\n      new: {new.get(name, 'absent')}")
    if not trained:
        print(f"    nothing was trained: {old.get('printed', '')}")
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
