"""`python -m quickdraw.analysis sweep FOLDER`: the table of a sweep, from its job folders alone."""

import argparse
import sys
from pathlib import Path

from quickdraw.analysis.runs import read_runs, write_summary
from quickdraw.analysis.tables import report
from quickdraw.errors import QuickdrawError, RunError


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m quickdraw.analysis", description=__doc__)
    commands = parser.add_subparsers(required=True)
    sweep = commands.add_parser("sweep", help="rebuild summary.csv of a sweep and print its ranking")
    sweep.add_argument("folder", type=Path, help="outputs/multirun/<exp_name>")
    arguments = parser.parse_args()
    try:
        print(show_sweep(arguments.folder))
    except QuickdrawError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def show_sweep(folder: Path) -> str:
    """Rebuild `summary.csv` in a sweep's folder and return what to print of it."""
    runs = read_runs(folder)
    if not runs:
        raise RunError(f"{folder}: expected a sweep's folder, with one folder a job; there is no job in it")
    return f"{report(runs)}\n\nwritten to {write_summary(folder)}"


if __name__ == "__main__":
    sys.exit(main())
