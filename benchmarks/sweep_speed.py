"""How much faster a sweep is on two cores than its jobs one after the other, and what a job costs beside its training.

    python -m benchmarks.sweep_speed                  8 jobs of at least 20 s, real drawings if ../shared has them
    python -m benchmarks.sweep_speed --seconds 2      the same with short jobs, to try it

Both sweeps run the same jobs, one thread each, by the local launcher, so the baseline pays for no import either; their
weights are compared. The cost of a job is the time from one job's end to the next one's, less the same under Hydra's
basic launcher, which runs all jobs in one warm process.
"""

import argparse
import hashlib
import json
import math
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
DRAWINGS = ROOT.parent / "shared" / "quickdraw" / "bitmap"
SHORT_JOBS = 8


def main() -> None:
    """Run the sweeps and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--cores", type=int, default=2, help="jobs at once")
    parser.add_argument("--seconds", type=float, default=20, help="least training time of a job")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = [f"data.root={DRAWINGS}"] if DRAWINGS.is_dir() else ["data=synthetic"]
        data += ["data.limit_per_class=2000", "threads=1"]
        sweep(folder / "trial", 1, *data, "trainer.epochs=3")
        (trial,) = results(folder / "trial")
        epochs = math.ceil(arguments.seconds / (trial["train_s"] / 3) * 1.1)
        fixed = [*data, f"trainer.epochs={epochs}"]

        alone = sweep(folder / "alone", arguments.jobs, *fixed, "hydra.launcher.n_jobs=1")
        together = sweep(folder / "together", arguments.jobs, *fixed, f"hydra.launcher.n_jobs={arguments.cores}")
        shortest = min(result["train_s"] for result in results(folder / "alone"))
        same = weights(folder / "alone") == weights(folder / "together")
        print(f"{arguments.jobs} jobs of {epochs} epochs, at least {shortest:.1f} s of training each, one thread each")
        print(f"one after the other  {alone:7.1f} s")
        print(f"{arguments.cores} at once            {together:7.1f} s   {alone / together:.2f} times as fast")
        print(f"the weights are {'the same, bit for bit' if same else 'DIFFERENT'}")

        short = [*data, "data.limit_per_class=100", "trainer.epochs=1"]
        sweep(folder / "warm", SHORT_JOBS, *short, "hydra/launcher=basic", "hydra/sweeper=basic")
        sweep(folder / "forked", SHORT_JOBS, *short, "hydra.launcher.n_jobs=1", "hydra.launcher.report=false")
        warm, forked = interval(folder / "warm"), interval(folder / "forked")
        print(f"a short job: {warm:.2f} s in a warm process, {forked:.2f} s in its own: {forked - warm:+.2f} s")


def sweep(folder: Path, jobs: int, *arguments: str) -> float:
    """Run a sweep over seeds in an empty folder; return the seconds it took."""
    folder.mkdir()
    seeds = ",".join(map(str, range(jobs)))
    begin = time.perf_counter()
    command = [sys.executable, str(ROOT / "run.py"), "-m", f"seed={seeds}", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def results(folder: Path) -> list[dict[str, float]]:
    """Return the results of the jobs of the sweep in a folder."""
    return [json.loads(path.read_bytes()) for path in folder.glob("outputs/multirun/*/*/result.json")]


def weights(folder: Path) -> dict[str, str]:
    """Return the sha256 of each job's weights."""
    paths = folder.glob("outputs/multirun/*/*/weights/*.pth")
    return {path.parents[1].name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def interval(folder: Path) -> float:
    """Return the median time between the ends of jobs that ran one after the other; the first is left out."""
    ends = sorted(path.stat().st_mtime for path in folder.glob("outputs/multirun/*/*/result.json"))
    return median(end - begin for begin, end in pairwise(ends))


if __name__ == "__main__":
    main()
