"""Our runs and the plain loop on a machine that does other things too: medians, ours against the best fixed setting.

python -m benchmarks.busy                       # every situation
python -m benchmarks.busy idle 1_busy --repeats 3

Situations: idle; N_busy, beside N processes that compute all the time; copy, beside a run of our own; quota_Q, in a
control group that may use Q cores (skipped where none can be made). Programs: ours as it is (`threads: auto`), with one
thread, with all, with all and OMP_WAIT_POLICY=passive, and plain_loop.py. Printed are training drawings a second; `of
best` is ours against the best of the three fixed settings, `of plain` against the plain loop.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from quickdraw.cores import CGROUPS, pinned_cores

ROOT = Path(__file__).parents[1]
ALL = len(pinned_cores())
SITUATIONS = ("idle", "1_busy", "2_busy", "4_busy", "copy", "quota_0.5", "quota_1", "quota_1.5")
PASSIVE = {"OMP_WAIT_POLICY": "passive"}
OURS: dict[str, tuple[dict[str, str], str]] = {
    "auto": ({}, "threads=auto"),
    "one thread": ({}, "threads=1"),
    "all threads": ({"GOMP_SPINCOUNT": "300000"}, f"threads={ALL}"),  # as libgomp does by itself
    "passive": (PASSIVE, f"threads={ALL}"),
}
PERIOD_US = 100_000  # of a quota
EPOCHS = 5  # of our runs: one takes half a second, in which beside two busy processes luck is worth a factor of 2


class Bench:
    """Starts programs on the drawings of `root`, so many of each class; `folder` takes the runs."""

    def __init__(self, root: Path, folder: Path, per_class: int) -> None:
        self.root, self.folder, self.per_class = root.resolve(), folder, per_class
        self.group: Path | None = None  # the control group of what is started

    def samples_per_s(self, program: str) -> float:
        """The training drawings a second of one program."""
        if program == "plain":
            steps = self.per_class * 10 * 7 // 10 // 64
            command = [
                sys.executable,
                "-m",
                "benchmarks.plain_loop",
                str(self.root),
                "--epochs=1",
                f"--max_steps={steps}",
            ]
            return float(json.loads(self.finish(self.start(command, {})))["samples_per_s"])
        variables, threads = OURS[program]
        place = Path(tempfile.mkdtemp(dir=self.folder))
        self.finish(self.start(self.run_command(place, threads), variables))
        return float(json.loads((place / "result.json").read_text())["samples_per_s"])

    def run_command(self, place: Path, threads: str, epochs: int = EPOCHS) -> list[str]:
        """A command of ours."""
        settings = [f"data.root={self.root}", f"data.limit_per_class={self.per_class}", f"trainer.epochs={epochs}"]
        return [sys.executable, "run.py", *settings, threads, f"hydra.run.dir={place}"]

    def start(self, command: list[str], variables: dict[str, str]) -> "subprocess.Popen[str]":
        """Start a command, in the control group if there is one."""
        if self.group:
            entered = f'echo $$ > {self.group}/cgroup.procs; exec "$@"'
            command = ["sh", "-c", entered, "sh", *command]
        environment = os.environ | variables
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def finish(self, process: "subprocess.Popen[str]") -> str:
        """Wait for a command, and return what it printed."""
        text, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{process.args} ended with exit code {process.returncode}")
        return text

    @contextlib.contextmanager
    def situation(self, name: str) -> Iterator[bool]:
        """Make a situation inside this block; false where it cannot be made."""
        kind, _, value = name.rpartition("_")
        others: list[subprocess.Popen[str]] = []
        if value == "busy":
            others = [self.start(["sh", "-c", "while :; do :; done"], {}) for _ in range(int(kind))]
        elif name == "copy":
            others = [self.start(self.run_command(self.folder / "copy", "threads=auto", epochs=10_000), {})]
            time.sleep(10)  # until it trains
        elif kind == "quota":
            self.group = quota_group(float(value))
        try:
            yield kind != "quota" or self.group is not None
        finally:
            for other in others:
                other.kill()
                other.wait()
            if self.group:
                self.group.rmdir()
                self.group = None


def quota_group(cores: float) -> Path | None:
    """A control group that may use so many cores; None where none can be made."""
    for root, file, content in (
        (CGROUPS, "cpu.max", f"{cores * PERIOD_US:.0f} {PERIOD_US}"),
        (CGROUPS / "cpu", "cpu.cfs_quota_us", f"{cores * PERIOD_US:.0f}"),
    ):
        group = root / f"quickdraw-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / file).exists():  # otherwise it is a plain folder
                (group / file).write_text(content)
                return group
            group.rmdir()
    return None


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("situations", nargs="*", default=SITUATIONS)
    parser.add_argument("--root", type=Path, default=ROOT.parent / "shared" / "quickdraw" / "bitmap")
    parser.add_argument("--per_class", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    programs = [*OURS, "plain"]
    print(f"| | {' | '.join(programs)} | of best | of plain |\n|{'---|' * (len(programs) + 3)}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.root, Path(folder), arguments.per_class)
        for name in arguments.situations:
            measured: dict[str, list[float]] = {program: [] for program in programs}
            with bench.situation(name) as made:
                if not made:
                    print(f"| {name} | skipped: no control group can be made here")
                    continue
                for _ in range(arguments.repeats):
                    for program in programs:  # in turn
                        measured[program].append(bench.samples_per_s(program))
            medians = {program: median(values) for program, values in measured.items()}
            best = max(medians[program] for program in ("one thread", "all threads", "passive"))
            cells = [f"{medians[program]:,.0f}" for program in programs]
            ratios = f"{medians['auto'] / best:.2f} | {medians['auto'] / medians['plain']:.2f}"
            print(f"| {name} | {' | '.join(cells)} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
