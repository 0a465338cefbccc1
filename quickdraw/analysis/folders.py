"""Finding runs and sweeps: by their folders, by a folder's name alone, or the newest."""

import glob
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from quickdraw.data.names import nearest_names
from quickdraw.errors import RunError
from quickdraw.run.listing import Run, read_run, read_runs

OUTPUTS = Path("outputs")


def all_runs(outputs: Path = OUTPUTS, exp_name: str = "*") -> list[Run]:
    """Return the runs of `outputs/runs` and `outputs/multirun`, newest first; those that never began come last.

    `exp_name` may be a pattern, `dropout*`. Raises RunError when there is none.
    """
    places = sorted(place for kind in ("runs", "multirun") for place in (outputs / kind).glob("*") if place.is_dir())
    chosen = [place for place in places if fnmatchcase(place.name, exp_name)]
    runs = [run for place in chosen for run in read_runs(place)]
    if not runs and exp_name != "*":
        near = nearest_names(exp_name, {place.name for place in places}, count=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise RunError(f"{outputs}: there is no run of the exp_name '{exp_name}'{hint}")
    if not runs:
        raise RunError(f"{outputs}: there is no run yet; train one: python run.py")
    return sorted(runs, key=lambda run: run.started, reverse=True)


def find_run(name: str, outputs: Path = OUTPUTS) -> Run:
    """Return the run in the folder `name`; or else the one below `outputs` whose folder's name begins with it.

    Raises RunError when there is none, or more than one.
    """
    if (Path(name) / "status.json").is_file():
        return read_run(Path(name))
    pattern = f"*/*/{glob.escape(name)}*/status.json"
    found = [] if "/" in name or not name else sorted(outputs.glob(pattern))
    exact = [status for status in found if status.parent.name == name]
    if len(exact or found) == 1:
        return read_run((exact or found)[0].parent)
    if found:
        some = ", ".join(str(status.parent) for status in found[:3])
        raise RunError(f"{name}: {len(found)} runs begin like this ({some}{', ...' if len(found) > 3 else ''})")
    jobs = read_runs(Path(name))
    if jobs:
        raise RunError(f"{name}: expected a run's folder, got one with {len(jobs)} of them, such as {jobs[0].folder}")
    raise RunError(f"{name}: expected a run's folder, with a status.json; python -m quickdraw.analysis list shows them")


def find_sweep(folder: Path | str | None = None, outputs: Path = OUTPUTS) -> Path:
    """Return the folder of a sweep: the one named (a name alone is looked for in `outputs/multirun`), or the newest.

    The newest is the one whose job was last active. Raises RunError when there is none.
    """
    if folder is not None:
        for place in (Path(folder), outputs / "multirun" / folder):
            if any(place.glob("*/status.json")):
                return place
        raise RunError(f"{folder}: expected a sweep's folder, with one folder a job; there is no job in it")
    active = {status: status.stat().st_mtime for status in (outputs / "multirun").glob("*/*/status.json")}
    if not active:
        raise RunError(f"{outputs / 'multirun'}: there is no sweep yet; run one: python run.py -m dropout_rate=0.3,0.5")
    return max(active, key=lambda status: active[status]).parents[1]


def metric(runs: Sequence[Run]) -> str:
    """Return the name of the validation score that ranks these runs: the monitor of the first that was completed."""
    return next((run.monitor for run in [*(run for run in runs if run.result), *runs]), "val_accuracy")
