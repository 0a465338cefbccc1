"""The test scores and the speed of every setting of some sweeps, means over the seeds, as a table for `docs/models.md`.

python run.py -m model=convnet,small_resnet seed=0,1 exp_name=models
python -m benchmarks.models outputs/multirun/models
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from quickdraw.analysis.ranking import Setting
from quickdraw.analysis.sweep import read_sweep
from quickdraw.run.listing import Run

SCORES = ("test_accuracy", "test_top3_accuracy", "test_top5_accuracy", "test_balanced_accuracy")
HEADINGS = ("sweep", "setting", "seeds", "accuracy", "top-3", "top-5", "balanced", "samples/s")


def row(sweep: str, setting: Setting) -> list[str]:
    """Return what a setting reached; settings are in the order of their validation scores."""
    done = [run for run in setting.runs if run.result]
    scores = [spread(done, score) for score in SCORES]
    return [sweep, setting.name or "-", str(len(done)), *scores, f"{values(done, 'samples_per_s')[0]:,.0f}"]


def spread(runs: Sequence[Run], key: str) -> str:
    """Return the mean, and the deviation when there is one."""
    found = values(runs, key)
    return f"{fmean(found):.4f}" + (f" ± {stdev(found):.4f}" if len(found) > 1 else "")


def values(runs: Sequence[Run], key: str) -> list[float]:
    """Return one result of each run, the largest first."""
    return sorted((run.result[key] for run in runs), reverse=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", type=Path, nargs="+", help="folders in outputs/multirun")
    rows = [row(sweep.name, each) for sweep in parser.parse_args().sweeps for each in read_sweep(sweep).settings]
    for cells in (HEADINGS, ["---"] * len(HEADINGS), *rows):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
