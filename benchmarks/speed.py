"""Ours against the plain loop, in turn on one machine, several times: medians and ratios, hardware and versions.

python -m benchmarks.speed                  # every row, into benchmarks/RESULTS.md: make bench
python -m benchmarks.speed steps fast       # some rows, to the terminal

Rows: steps, evaluation, fast, sweep, scale, start. The drawings are those of `--root`. `plain` is plain_loop.py,
`fixed` the same without its obvious flaws (no worker process, no loss read at every step).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from benchmarks import scaling
from quickdraw import hardware
from quickdraw.data.names import DEFAULT_CLASSES

ROOT = Path(__file__).parents[1]
OFFICIAL = 1_459_179  # drawings of the ten default classes
PLAIN = ROOT / "benchmarks" / "plain_loop.py"
Row = tuple[str, str, str, str, str, str]  # what, plain, fixed, ours, ratio, goal


class Bench:
    """Runs programs in turn; `root` holds the drawings, `folder` takes the runs, `repeats` says how often."""

    def __init__(self, root: Path, folder: Path, repeats: int) -> None:
        self.root, self.folder, self.repeats = root.resolve(), folder, repeats

    def plain(self, *arguments: str) -> dict[str, Any]:
        """Run the plain loop; return what it prints, and the seconds of the whole process."""
        begin = time.perf_counter()
        command = [sys.executable, str(PLAIN), str(self.root), *arguments]
        answer = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True
        )
        return json.loads(answer.stdout) | {"process_s": time.perf_counter() - begin}

    def ours(self, *arguments: str) -> dict[str, Any]:
        """Run run.py; return its result (of the first job of a sweep), and the seconds of the whole process."""
        name = f"exp_name=bench{time.monotonic_ns()}"
        begin = time.perf_counter()
        command = [sys.executable, str(ROOT / "run.py"), f"data.root={self.root}", name, *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        seconds = time.perf_counter() - begin
        paths = sorted(self.folder.glob(f"outputs/*/{name.removeprefix('exp_name=')}/*/result.json"))
        results = [json.loads(path.read_text()) for path in paths]
        return results[0] | {"process_s": seconds, "accuracies": [result["test_accuracy"] for result in results]}

    def in_turn(self, *programs: Callable[[int], dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Run each program `repeats` times, in turn, with the number of the turn; return the answers of each."""
        answers: list[list[dict[str, Any]]] = [[] for _ in programs]
        for turn in range(self.repeats):
            for program, answer in zip(programs, answers, strict=True):
                answer.append(program(turn))
        return answers

    def steps(self) -> list[Row]:
        """Training drawings a second, by batch size and threads."""
        rows = []
        for batch, threads, goal in ((64, 2, 3.5), (256, 2, 5.0), (128, 1, 4.0)):
            size, at = f"--batch_size={batch}", f"--threads={threads}"
            steps = f"--max_steps={15000 // batch}"
            plain, fixed, ours = self.in_turn(
                lambda turn, a=(size, at, steps): self.plain("--epochs=1", *a),  # type: ignore[misc]
                lambda turn, a=(size, at, steps): self.plain("--epochs=1", "--fixed", *a),  # type: ignore[misc]
                lambda turn, b=batch, t=threads: self.ours(f"data.batch_size={b}", f"threads={t}", "trainer.epochs=1"),  # type: ignore[misc]
            )
            what = f"training drawings/s, batch {batch}, {threads} thread{'s' * (threads > 1)}"
            rows.append(compare(what, "samples_per_s", plain, fixed, ours, goal, faster_is="more"))
        return rows

    def evaluation(self) -> list[Row]:
        """Evaluated drawings a second."""
        plain, fixed = self.in_turn(
            lambda turn: self.plain("--epochs=1", "--max_steps=1"),
            lambda turn: self.plain("--epochs=1", "--max_steps=1", "--fixed"),
        )
        ours = [{"evaluated_per_s": evaluate_ours(self.root)} for _ in range(self.repeats)]
        return [compare("evaluated drawings/s", "evaluated_per_s", plain, fixed, ours, 4.0, faster_is="more")]

    def fast(self) -> list[Row]:
        """Seconds to the plain loop's accuracy after ten epochs."""
        plain, ours = self.in_turn(
            lambda turn: self.plain("--epochs=10", f"--seed={turn}"),
            lambda turn: self.ours("experiment=fast", f"seed={turn}"),
        )
        self.plain_process_s = median(answer["process_s"] for answer in plain)
        self.plain_accuracy = fmean(answer["test_accuracy"] for answer in plain)
        accuracy = [spread([answer["test_accuracy"] for answer in answers]) for answers in (plain, ours)]
        return [
            compare("seconds of training, experiment=fast against 10 plain epochs", "train_s", plain, [], ours, 12.0),
            compare("the same, whole process", "process_s", plain, [], ours, 5.0),
            (f"their test accuracy, {self.repeats} seeds", accuracy[0], "", accuracy[1], "", "no less"),
        ]

    def sweep(self) -> list[Row]:
        """Eight jobs against eight plain runs one after the other (by the median of the plain runs above)."""
        if not hasattr(self, "plain_process_s"):
            self.fast()
        seeds = "seed=" + ",".join(map(str, range(8)))
        equal = self.ours("-m", "trainer.epochs=10", "data.batch_size=64", seeds)
        fast = self.ours("-m", "experiment=fast", seeds)
        plain = [{"process_s": 8 * self.plain_process_s}]
        return [
            compare("8 jobs of 10 epochs, seconds", "process_s", plain, [], [equal], 5.5),
            compare("8 jobs of experiment=fast, seconds", "process_s", plain, [], [fast], 15.0),
            ("their test accuracy", f"{self.plain_accuracy:.4f}", "", spread(fast["accuracies"]), "", "no less"),
        ]

    def scale(self) -> list[Row]:
        """All drawings of the ten classes, tiled: seconds to the first step at the second start, and memory."""
        answers = scaling.measure(list(DEFAULT_CLASSES), OFFICIAL, 300, plain=True, arguments=[])
        plain, ours = answers["plain"], answers["ours"]
        return [
            (
                f"{OFFICIAL:,} drawings: {what}",
                f"{plain[key]:,.{digits}f}",
                "",
                f"{ours[key]:,.{digits}f}",
                f"{plain[key] / ours[key]:.1f}",
                goal,
            )
            for what, key, digits, goal in (
                ("seconds to the first step", "first_step_s", 1, "4 s"),
                ("anonymous memory, MB", "anonymous_mb", 0, "400 MB"),
                ("memory with the mapped files, MB", "rss_mb", 0, "1,600 MB"),
            )
        ]

    def start(self) -> list[Row]:
        """What does not need torch must not wait for it."""
        rows = []
        for arguments in (["--help"], ["--cfg", "job"]):
            seconds = []
            for _ in range(self.repeats):
                begin = time.perf_counter()
                subprocess.run([sys.executable, str(ROOT / "run.py"), *arguments], check=True, capture_output=True)
                seconds.append(time.perf_counter() - begin)
            rows.append((f"python run.py {' '.join(arguments)}, seconds", "", "", f"{median(seconds):.2f}", "", "0.8"))
        return rows


def evaluate_ours(root: Path) -> float:
    """Return how many test drawings a second `engine.test` evaluates."""
    from quickdraw.data.bitmaps import Bitmaps
    from quickdraw.engine import test
    from quickdraw.model.convnet import ConvNet

    with tempfile.TemporaryDirectory() as cache:
        data = Bitmaps(root, cache=cache)
    hardware.keep_memory()  # as every run does
    net = ConvNet()
    seconds = []
    for _ in range(6):
        begin = time.perf_counter()
        test(net, data.test)
        seconds.append(time.perf_counter() - begin)
    return len(data.test.indices) / median(seconds[1:])


def compare(
    what: str,
    key: str,
    plain: list[dict[str, Any]],
    fixed: list[dict[str, Any]],
    ours: list[dict[str, Any]],
    goal: float,
    faster_is: str = "less",
) -> Row:
    """Return a row of medians, and ours as so many times as fast as plain."""
    values = [median(answer[key] for answer in answers) if answers else None for answers in (plain, fixed, ours)]
    assert values[0]
    assert values[2]
    ratio = values[2] / values[0] if faster_is == "more" else values[0] / values[2]
    cells = ["" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in values]
    return what, cells[0], cells[1], cells[2], f"{ratio:.1f}", f"{goal:g}"


def spread(values: list[float]) -> str:
    """Return mean and standard deviation."""
    return f"{fmean(values):.4f} ± {stdev(values):.4f}" if len(values) > 1 else f"{values[0]:.4f}"


def table(rows: list[Row]) -> str:
    """Return a Markdown table."""
    lines = ["| | plain | fixed | ours | times | goal |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def main() -> None:
    """Run the rows that were asked for."""
    names = ("steps", "evaluation", "fast", "sweep", "scale", "start")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=[], metavar="ROW")
    parser.add_argument("--root", type=Path, default=ROOT.parent / "shared" / "quickdraw" / "bitmap")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if not arguments.root.is_dir():
        sys.exit(f"{arguments.root}: no drawings there; name a folder with the ten classes: --root FOLDER")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.root, Path(folder), arguments.repeats)
        rows = [row for name in arguments.rows or names for row in getattr(bench, name)()]
    machine, versions = hardware.describe(), hardware.versions()
    facts = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; " + ", ".join(
        f"{name} {version}" for name, version in versions.items()
    )
    text = f"{table(rows)}\n\n{facts}. Medians of {arguments.repeats}, in turn.\n"
    print(text)
    if not arguments.rows:
        title = "# Speed\n\n`make bench` (`python -m benchmarks.speed`) made this file.\n\n"
        (ROOT / "benchmarks" / "RESULTS.md").write_text(title + text, encoding="utf-8")


if __name__ == "__main__":
    main()
