"""What one GPU does with these networks: plain loops, one run step by step and in graphs, sweeps. In under 4 minutes.

python -m benchmarks.gpu                       prints a Markdown table for benchmarks/RESULTS-gpu.md
python -m benchmarks.gpu --device cpu --quick  a little of everything on the CPU, to see that it works

The drawings are synthetic, 15,750 for training, unless `--root` names a folder with the ten classes. `drawings/s` of
`run.py` and a plain loop are those of all steps, of other trainings those of the last epoch, and of a sweep all of its
jobs' in the seconds of the whole command. The shares are of what this device was measured to copy (bytes read and
written, counted as each operation's inputs and outputs) and to multiply (bfloat16, two operations a multiply-add).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from benchmarks.step_work import work
from quickdraw import engine, graphs, hardware
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.resident import on_device
from quickdraw.data.synthetic import Synthetic
from quickdraw.errors import QuickdrawError, first_line
from quickdraw.lanes import Pack, Training
from quickdraw.model.convnet import ConvNet
from quickdraw.model.mlp import MLP
from quickdraw.model.resnet18 import ResNet18
from quickdraw.model.small_resnet import SmallResNet

ROOT = Path(__file__).parents[1]
MODELS: dict[str, Callable[..., nn.Module]] = {
    "ConvNet": ConvNet,
    "MLP": MLP,
    "small_resnet": SmallResNet,
    "resnet18": ResNet18,
}
HEADINGS = (
    "what",
    "batch",
    "drawings/s",
    "ms a step",
    "training, s",
    "command, s",
    "of its copying",
    "of its products",
)


@dataclass
class Size:
    """How much is measured."""

    per_class: int
    models: list[str]
    batch_sizes: list[int]
    epochs: int  # of a run alone, and of the commands
    sweeps: dict[int, int]  # jobs: epochs; the first is the one that is judged
    sharing: int  # processes on one device
    matrix: int  # rows of the products that show the device's peak
    copied: int  # bytes
    seconds: float  # after which no more is begun


FULL = Size(2250, list(MODELS), [64, 256, 1024], 10, {64: 20, 8: 20, 256: 4}, 8, 8192, 1 << 30, 225)
NO_TIME = "not finished in the time that was left"
QUICK = Size(30, ["ConvNet", "MLP"], [64], 2, {2: 1}, 2, 256, 1 << 22, 225)


@dataclass
class Answer:
    """What a command printed, and the seconds that it took."""

    printed: str
    seconds: float


class Bench:
    """Measures on one device and collects the rows of the table; `folder` takes the drawings and the runs."""

    def __init__(self, device: str, size: Size, root: Path | None, folder: Path) -> None:
        self.device, self.size, self.folder = device, size, folder
        self.began = time.monotonic()
        self.precision = hardware.resolve_precision("auto", device)
        self.rows: list[tuple[str, ...]] = []
        if root is None:
            Synthetic(per_class=size.per_class, cache=folder / "drawn")
            (root,) = (folder / "drawn").glob("synthetic-*")
        self.root = root
        self.data = Bitmaps(root, cache=folder / "cache")

    def measure_device(self) -> None:
        """What the device copies and multiplies at most."""
        copied = torch.empty(self.size.copied, dtype=torch.uint8, device=self.device)
        target = torch.empty_like(copied)
        matrix = torch.randn(self.size.matrix, self.size.matrix, device=self.device).bfloat16()
        self.copies = 2 * self.size.copied / self.seconds(lambda: target.copy_(copied))
        self.products = 2 * self.size.matrix**3 / self.seconds(lambda: matrix @ matrix)

    def seconds(self, function: Callable[[], Any], repeats: int = 10) -> float:
        """The mean seconds of a call, after three that do not count."""
        for _ in range(3):
            function()
        self.wait()
        begin = time.perf_counter()
        for _ in range(repeats):
            function()
        self.wait()
        return (time.perf_counter() - begin) / repeats

    def wait(self) -> None:
        """Let the device finish."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()

    def left_s(self) -> float:
        """The seconds that may still be spent."""
        return max(1.0, self.size.seconds - (time.monotonic() - self.began))

    def described(self) -> str:
        """The device and the versions, below the table."""
        machine, versions = hardware.describe(), hardware.versions()
        name = machine["processor"]
        if self.device.startswith("cuda"):
            name = f"{torch.cuda.get_device_name()}, {name}"
        known = ", ".join(f"{package} {version}" for package, version in versions.items())
        return (
            f"{name}, {machine['cores']} cores; {self.precision}; {len(self.data.train.indices):,} training drawings; "
            f"copies {self.copies / 1e9:,.0f} GB/s, multiplies {self.products / 1e12:.3g} TFLOP/s; {known}; "
            f"{time.monotonic() - self.began:.0f} s in all"
        )

    def tried(self, what: str, measure: Callable[[], None]) -> None:
        """Let a measurement in this process add its row; if it fails, or no time is left, the row says so instead."""
        if time.monotonic() - self.began > self.size.seconds:
            self.add(what, NO_TIME)
            return
        try:
            measure()
        except (QuickdrawError, RuntimeError) as error:  # whatever CUDA says is a RuntimeError
            self.add(what, f"failed: {first_line(error)}")

    def one_run(self, what: str, model: str, batch_size: int, captured: bool) -> None:
        """A training in this process, its steps launched one operation at a time or as graphs."""
        train, val = on_device(self.data.train, self.device), on_device(self.data.val, self.device)
        train.batch_size = batch_size
        torch.manual_seed(0)
        net = MODELS[model](num_classes=len(self.data.classes)).to(self.device)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
        settings = {"epochs": 3, "precision": self.precision, "progress": False, "on_epoch": lambda record: None}
        with mock.patch.dict(graphs.RECORDERS, clear=not captured):
            history = engine.train(net, optimizer, train, val, **settings)
        per_s = history[-1]["samples_per_s"]
        moved, multiplied = work(net, next(train.epoch(0, 0)), self.precision)
        self.add(
            *(what, f"{batch_size}", f"{per_s:,.0f}", f"{1000 * batch_size / per_s:.2f}", "", ""),
            *(f"{moved * per_s / self.copies:.1%}", f"{multiplied * per_s / self.products:.1%}"),
        )

    def one_pack(self, what: str, width: int) -> None:
        """So many trainings side by side in this process."""
        train, val = on_device(self.data.train, self.device), on_device(self.data.val, self.device)
        train.batch_size = 64
        pack, ended = Pack(width, train, val), list[Training]()
        for seed in range(width):
            torch.manual_seed(seed)
            net = ConvNet(num_classes=len(self.data.classes)).to(self.device)
            optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
            settings = {"epochs": 2, "precision": self.precision}
            pack.admit(Training(f"{seed}", net, optimizer, seed, settings, lambda record: None, None))
        while not ended:
            ended = pack.epoch()
        step_s = 64 / ended[0].history[-1]["samples_per_s"]
        self.add(what, "64", f"{width * 64 / step_s:,.0f}", f"{1000 * step_s:.2f}")

    def plain_loop(self, what: str, *arguments: str) -> None:
        """The loop that one writes at first, in a process of its own."""
        command = ["-m", "benchmarks.plain_loop", str(self.root), f"--device={self.device}", "--epochs=2", *arguments]
        answer = self.called(what, ROOT, command)
        if answer:
            result = json.loads(answer.printed)
            self.add_command(what, result["samples_per_s"], result["train_s"], answer.seconds)

    def run(self, *arguments: str) -> None:
        """One run of the program, a whole command: the second of two, which finds its files in memory."""
        what = f"run.py, ConvNet, {self.size.epochs} epochs"
        self.called(what, self.folder, self.typed("first", 1, *arguments))
        if answer := self.called(what, self.folder, self.typed("alone", self.size.epochs, *arguments)):
            (result,) = self.results("runs/alone")
            self.add_command(what, result["samples_per_s"], result["train_s"], answer.seconds)

    def lanes(self, jobs: int, epochs: int) -> None:
        """A sweep whose jobs all train side by side."""
        self.sweep(f"{jobs} jobs of {epochs} epochs in {jobs} lanes", jobs, epochs, f"hydra.launcher.lanes={jobs}")

    def sweep(self, what: str, jobs: int, epochs: int, *arguments: str) -> None:
        """A sweep over seeds, a whole command."""
        name = f"sweep{len(self.rows)}"
        seeds = ",".join(map(str, range(jobs)))
        answer = self.called(what, self.folder, self.typed(name, epochs, "-m", f"seed={seeds}", *arguments))
        if answer:
            seen = len(self.results(f"multirun/{name}")) * epochs * len(self.data.train.indices)
            self.add_command(what, seen / answer.seconds, None, answer.seconds)

    def typed(self, name: str, epochs: int, *arguments: str) -> list[str]:
        """A command line of run.py."""
        common = ["data=bitmaps", f"data.root={self.root}", "data.batch_size=64", f"device={self.device}"]
        return [str(ROOT / "run.py"), *common, f"exp_name={name}", f"trainer.epochs={epochs}", *arguments]

    def results(self, place: str) -> list[dict[str, Any]]:
        """What the runs of a name left."""
        return [json.loads(path.read_text()) for path in self.folder.glob(f"outputs/{place}/*/result.json")]

    def called(self, what: str, folder: Path, command: list[str]) -> Answer | None:
        """Run a program in a folder; None with a row that says why, if it failed or the time was over."""
        begin = time.perf_counter()
        options: dict[str, Any] = {"cwd": folder, "capture_output": True, "text": True, "timeout": self.left_s()}
        try:
            answer = subprocess.run([sys.executable, *command], check=True, **options)
        except subprocess.TimeoutExpired:
            self.add(what, NO_TIME)
            return None
        except subprocess.CalledProcessError as error:
            self.add(what, "failed: " + error.stderr.strip().rpartition("\n")[2])
            return None
        return Answer(answer.stdout, time.perf_counter() - begin)

    def add_command(self, what: str, per_s: float, train_s: float | None, command_s: float) -> None:
        """Add the row of a command that trained with batches of 64."""
        step_ms, trained = "", ""
        if train_s is not None:  # of one training
            step_ms, trained = f"{64000 / per_s:.2f}", f"{train_s:.1f}"
        self.add(what, "64", f"{per_s:,.0f}", step_ms, trained, f"{command_s:.1f}")

    def add(self, *cells: str) -> None:
        """Add a row, and show it at once."""
        self.rows.append((*cells, *[""] * (len(HEADINGS) - len(cells))))
        print("| " + " | ".join(self.rows[-1]) + " |", flush=True)


def main() -> None:
    """Measure everything; the most important first, in case the time does not suffice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="a little of everything")
    parser.add_argument("--root", type=Path, help="a folder with the ten classes")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("error: torch finds no GPU here; to try the program, python -m benchmarks.gpu --device cpu --quick")
    # A command whose time was over may still be writing there.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bench = Bench(options.device, QUICK if options.quick else FULL, options.root, Path(folder))
        print("| " + " | ".join(HEADINGS) + " |\n" + "|---" * len(HEADINGS) + "|")
        measure(bench)
        print(f"\n{bench.described()}")


def measure(bench: Bench) -> None:
    """Add all rows."""
    size, on_gpu = bench.size, bench.device.startswith("cuda")
    bench.measure_device()

    # What is judged: one run, and a sweep in lanes.
    bench.run()
    (judged, epochs), *others = size.sweeps.items()
    bench.lanes(judged, epochs)

    # Each model step by step and in graphs, and trainings side by side.
    for model in size.models:
        for batch_size in size.batch_sizes:
            for captured in (False, True) if on_gpu else (False,):
                what = f"{model}, {'in graphs' if captured else 'step by step'}"
                bench.tried(what, partial(bench.one_run, what, model, batch_size, captured))
    for jobs in size.sweeps:
        what = f"ConvNet, {jobs} in lanes"
        bench.tried(what, partial(bench.one_pack, what, jobs))

    # The loops that one writes by hand, and processes that share the device.
    bench.plain_loop("plain loop, 2 epochs")
    bench.plain_loop("the same without its flaws", "--fixed")
    jobs, epochs = size.sharing, size.epochs
    what = f"{jobs} jobs of {epochs} epochs in {jobs} processes"
    bench.sweep(what, jobs, epochs, "hydra.launcher.lanes=1", f"hydra.launcher.n_jobs={jobs}")

    # More sweeps in lanes, as far as the time suffices.
    for jobs, epochs in others:
        bench.lanes(jobs, epochs)


if __name__ == "__main__":
    main()
