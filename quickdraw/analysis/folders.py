"""Finding runs and sweeps: by their folders, by only a folder's name, or the newest."""

import glob
import os
from fnmatch import fnmatchcase
from pathlib import Path

from quickdraw.analysis.sweep import Sweep, read_sweep
from quickdraw.errors import RunError
from quickdraw.files import user_path
from quickdraw.program import module_command, run_command
from quickdraw.run.folder import moment
from quickdraw.run.listing import Run, read_run, read_runs, run_folders
from quickdraw.settings import nearest

OUTPUTS = Path("outputs")


def all_runs(outputs: Path = OUTPUTS, exp_name: str = "*") -> list[Run]:
    """The runs of `outputs/runs` and `outputs/multirun`, newest first; those that never began come last.

    `exp_name` may be a pattern, `dropout*`. Raises RunError when there is none.
    """
    places = sorted((outputs / "runs").glob("*")) + sorted((outputs / "multirun").glob("*"))
    places = [place for place in places if place.is_dir()]
    runs: list[Run] = []
    for place in places:
        if fnmatchcase(place.name, exp_name):
            runs += read_runs(place)
    if not runs and exp_name != "*":
        hint = nearest(exp_name, sorted({place.name for place in places}))
        raise RunError(f"{outputs}: there is no run of the exp_name '{exp_name}'{hint}")
    if not runs:
        raise RunError(f"{outputs}: there is no run yet; train one: {run_command()}")
    return sorted(runs, key=lambda run: moment(run.started) or 0.0, reverse=True)


def find_run(name: str, outputs: Path = OUTPUTS) -> Run:
    """The run in the folder `name`; or otherwise the one below `outputs` whose folder's name begins with it.

    Raises RunError when there is none, or more than one.
    """
    place = user_path(name)
    if os.path.lexists(place / "status.json"):
        return read_run(place)

    # One that begins like this, or has exactly this name.
    found: list[Path] = []
    if name and "/" not in name:
        found = [status.parent for status in sorted(outputs.glob(f"*/*/**/{glob.escape(name)}*/status.json"))]
    exact = [folder for folder in found if folder.name == name]
    if len(exact or found) == 1:
        return read_run((exact or found)[0])

    # What was meant instead.
    if found:
        some = ", ".join(map(str, found[:3]))
        if len(found) > 3:
            some += ", ..."
        raise RunError(f"{name}: {len(found)} runs begin like this ({some})")
    jobs = read_runs(place)
    if jobs:
        raise RunError(f"{name}: expected a run's folder, got one with {len(jobs)} of them, such as {jobs[0].folder}")
    shown = f"{module_command('quickdraw.analysis')} list"
    raise RunError(f"{name}: expected a run's folder, with a status.json; {shown} shows them")


def find_sweep(name: Path | str | None = None, outputs: Path = OUTPUTS) -> Sweep:
    """The sweep in the folder `name`, or in the one of that name in `outputs/multirun`; or the newest for None.

    The newest is the one whose job was last active. Raises RunError when there is none.
    """
    if name is not None:
        for place in (user_path(name), outputs / "multirun" / name):
            if next(run_folders(place), None):
                return read_sweep(place)
        raise RunError(f"{name}: expected a sweep's folder, with one folder a job; there is no job in it")
    sweeps = [place for place in (outputs / "multirun").glob("[!.]*/") if next(run_folders(place), None)]
    if not sweeps:
        typed = f"{run_command()} -m dropout_rate=0.3,0.5"
        raise RunError(f"{outputs / 'multirun'}: there is no sweep yet; run one: {typed}")
    return read_sweep(max(sweeps, key=last_active))


def last_active(sweep: Path) -> float:
    """When a job of the sweep was last active."""
    return max((place / "status.json").lstat().st_mtime for place in run_folders(sweep))
