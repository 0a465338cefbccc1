"""Do races on real drawings end with the setting that many seeds call the best?

    python -m benchmarks.races_on_drawings            about two hours on two cores; the same command goes on
    python -m benchmarks.races_on_drawings --again    races over the grid's own seeds, each in another order
    python -m benchmarks.races_on_drawings --table    the table of what there is

A grid of twelve settings is trained with 30 seeds each; its first setting is taken for the truth. Then ten races over
the same settings, each with seeds of its own that neither the grid nor another race has. Every training is a job of
`run.py -m`: 9 epochs on 300 drawings a class of `../shared/quickdraw/bitmap`, one thread.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from quickdraw.analysis.sweep import Sweep, read_sweep
from quickdraw.statistics.race import Decision, decide

ROOT = Path(__file__).parents[1]
DRAWINGS = ROOT.parent / "shared" / "quickdraw" / "bitmap"
GRID = ("optimizer.lr=2e-3,4e-3,8e-3", "dropout_rate=0.1,0.3,0.5,0.7")


def train(folder: Path, name: str, arguments: Sequence[str]) -> None:
    """Run a sweep in a folder, or what is left of it; ends this program if it fails."""
    command = [sys.executable, str(ROOT / "run.py"), "-m", f"exp_name={name}", "hydra.launcher.report=false"]
    done = subprocess.run([*command, *arguments], cwd=folder, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def decided_again(truth: Sweep, races: int, most_seeds: int) -> list[Decision]:
    """Races that find the grid's scores instead of training: each over some of its seeds, in an order of its own."""
    scores = {setting.name: setting.scores for setting in truth.settings}
    seeds = sorted(truth.settings[0].scores)
    rng = np.random.default_rng(0)
    return [decide(scores, seeds=rng.permutation(seeds)[:most_seeds].tolist()) for _ in range(races)]


def table(truth: Sweep, races: Sequence[Decision], most_seeds: int) -> Iterator[str]:
    """What the grid calls the best, and a row a race, in Markdown; trainings as a part of so many seeds each."""
    best = truth.settings[0].name
    yield f"{len(truth.settings[0].scores)} seeds of all: {truth.verdict()}"
    yield ""
    yield f"| race | ended by | trainings | of {most_seeds} seeds each | left | holds the best |"
    yield "|---|---|---|---|---|---|"
    held = 0
    for number, decision in enumerate(races, 1):
        held += best in decision.kept
        share = decision.jobs / (most_seeds * len(truth.settings))
        answer = "yes" if best in decision.kept else "no"
        yield f"| {number} | {decision.why} | {decision.jobs} | {share:.0%} | {', '.join(decision.kept)} | {answer} |"
    yield ""
    yield f"{held} of {len(races)} races hold the best, {best}"


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("outputs/races_on_drawings"))
    parser.add_argument("--root", type=Path, default=DRAWINGS)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--races", type=int, default=10)
    parser.add_argument("--most-seeds", type=int, default=20, help="of a race, and of the design it is compared with")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--again", action="store_true", help="train the grid only, and race over its own seeds")
    parser.add_argument("--table", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    fixed = [
        *GRID, f"data.root={arguments.root.absolute()}", f"data.limit_per_class={arguments.limit}",
        f"trainer.epochs={arguments.epochs}", "threads=1",
    ]  # fmt: skip
    names = [f"race-{number}" for number in range(1, arguments.races + 1)]
    if not arguments.table:
        train(arguments.folder, "grid", [*fixed, f"seed=range({arguments.seeds})"])
    if not (arguments.table or arguments.again):
        for number, name in enumerate(names, 1):
            keys = ["hydra/sweeper=race", f"hydra.sweeper.max_seeds={arguments.most_seeds}", "hydra.sweeper.confirm=0"]
            train(arguments.folder, name, [*fixed, *keys, f"seed={100 * number}"])
    sweeps = arguments.folder / "outputs" / "multirun"
    truth = read_sweep(sweeps / "grid")
    if arguments.again:
        races = decided_again(truth, arguments.races, arguments.most_seeds)
    else:
        races = [decision for name in names if (decision := read_sweep(sweeps / name).decision)]
    for line in table(truth, races, arguments.most_seeds):
        print(line)


if __name__ == "__main__":
    main()
