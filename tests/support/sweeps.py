"""Calls sweeps as a user would, watches their jobs, and kills what a test wants killed."""

import csv
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import SMALL
from tests.support.program import PATIENCE_S, Outcome, Program


def share_server() -> None:
    """Let the launcher fork its jobs from the tests' own server, which has imported torch already (2 s a sweep)."""
    from multiprocessing import forkserver

    forkserver.ensure_running = forkserver._forkserver.ensure_running = lambda: None  # type: ignore[attr-defined]


def start(folder: Path, data: Path | str, *arguments: str) -> Program:
    """Start `run.py -m` on small drawings, two jobs at once, without pictures at the end: they take 2 s."""
    fixed = ["-m", "hydra.launcher.n_jobs=2", "hydra.launcher.report=false", *SMALL]
    given = {argument.split("=")[0] for argument in arguments}
    if "hydra/launcher" in given:
        given |= {"hydra.launcher.n_jobs", "hydra.launcher.report"}
    fixed = [argument for argument in fixed if argument.split("=")[0] not in given]
    return Program(folder, [*fixed, f"data.root={data}", *arguments], share_server)


def sweep(folder: Path, data: Path | str, *arguments: str) -> Outcome:
    """Call `run.py -m` as `start` does and wait for its end."""
    return start(folder, data, *arguments).wait(PATIENCE_S)


def until(condition: Callable[[], Any], what: str, program: Program | None = None) -> Any:
    """Wait until a condition holds and return what it gives; no longer than a program lives."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        dead = program and not program.process.is_alive()
        value = condition()
        if value:
            return value
        if dead and program:
            raise TimeoutError(f"{what}: {program.wait()}")
        time.sleep(0.005)
    raise TimeoutError(what)


def two_jobs(folder: Path, program: Program | None = None) -> list[int]:
    """Wait until two jobs train and one has saved; return the processes of the two."""
    until(lambda: list(folder.glob("outputs/multirun/*/*/checkpoint/*.safetensors")), "a checkpoint", program)
    pids: list[int] = until(lambda: p if len(p := running(folder)) == 2 else [], "two jobs at once", program)
    return pids


def job_folders(folder: Path, name: str = "*") -> list[Path]:
    """Return the folders of all jobs of the only sweep in a folder, or of those whose names match."""
    return sorted(path for path in folder.glob(f"outputs/multirun/*/{name}") if path.is_dir())


def status(job: Path) -> dict[str, Any]:
    """Return a job's status; empty where there is none."""
    try:
        value: dict[str, Any] = json.loads((job / "status.json").read_bytes())
    except FileNotFoundError:
        return {}
    return value


def running(folder: Path, name: str = "*") -> list[int]:
    """Return the processes that train in the jobs of a sweep: begun, not ended, alive."""
    states = [status(job) for job in job_folders(folder, name)]
    return [each["pid"] for each in states if each.get("state") == "running" and alive(each["pid"])]


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def packs(folder: Path) -> list[int]:
    """Return the processes of packs that train jobs of sweeps in a folder."""
    found = []
    for stderr in Path("/proc").glob("[0-9]*/fd/2"):
        try:
            log = stderr.readlink()
        except OSError:  # it has ended, or is another user's
            continue
        if log.name.startswith(".pack-") and log.is_relative_to(folder):
            found.append(int(stderr.parts[2]))
    return found


def kill(folder: Path, name: str, number: int, program: Program | None = None) -> None:
    """Send a signal to the job whose folder's name matches, as soon as it trains."""
    (pid,) = until(lambda: running(folder, name), f"{name} trains", program)
    os.kill(pid, number)


def states(folder: Path) -> dict[str, str]:
    """Return each job's state by the folder's name without its hash."""
    return {job.name.rsplit("-", 1)[0]: status(job).get("state", "new") for job in job_folders(folder)}


def weights(folder: Path) -> dict[str, str]:
    """Return the sha256 of each job's weights by the job's folder."""
    paths = folder.glob("outputs/multirun/*/*/weights/*.pth")
    return {path.parents[1].name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def times(folders: Sequence[Path]) -> dict[Path, int]:
    """Return when each file of some jobs was last written to."""
    return {path: path.stat().st_mtime_ns for job in folders for path in job.rglob("*") if path.is_file()}


def summary(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the only sweep's summary."""
    (path,) = folder.glob("outputs/multirun/*/summary.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
