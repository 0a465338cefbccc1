"""A sweep's, a search's and a race's own process dies, meets a full disk or a signal before any file operation.

Nothing is lost. Their jobs train nothing and run in that process, so each of its operations on files costs
milliseconds; so does the page at their end, which is without its pictures here.
"""

import contextlib
import errno
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from quickdraw.analysis import page
from quickdraw.analysis.race import Race
from quickdraw.errors import QuickdrawError
from quickdraw.race.runner import RaceRunner
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import read_runs
from quickdraw.search.pruning import make_pruner
from quickdraw.search.runner import SearchRunner
from quickdraw.search.sampling import Proposer
from quickdraw.search.space import Axis, Params
from quickdraw.search.study import Study, held
from quickdraw.sweep.job import Job
from quickdraw.sweep.places import Places
from quickdraw.sweep.runner import SweepRunner
from tests.support.faults import before_every_operation
from tests.support.jobs_here import JobsHere

FOLDER = Path("sweep")
SCORES = (0.5, 0.75, 0.25)
RACE = {"max_seeds": 3, "max_jobs": None, "tolerance": 0.0, "futility": 0.1, "looks": [2, 3], "confirm": 1}
Command = Callable[[], None]


def job(number: int, score: float, seed: int = 0) -> Job:
    config = {"seed": seed, "optimizer": {"lr": score}, "trainer": {"monitor": "val_accuracy", "epochs": 1}}
    folder = Places(FOLDER, keep=True).folder(FOLDER / f"lr-{score}-seed-{seed}-{number:016x}", config)
    luck = round(score * 100) * seed % 3 / 100
    return Job([f"optimizer.lr={score}"], folder, config, partial(train, folder, config, score + luck))


def train(folder: Path, config: dict[str, Any], score: float, judge: Callable[[], str]) -> None:
    """Do to the folder of a job what a training does."""
    folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(folder)
    with contextlib.suppress(QuickdrawError, OSError), run.claimed(), run.outcome():
        run.begin(config, [])
        run.complete({"val_accuracy": score, "val_loss": 1.0, "test_accuracy": score, "test_loss": 1.0, "total_s": 1.0})


def sweep() -> None:
    SweepRunner(JobsHere(FOLDER, 1), map(job, count(), SCORES)).run(fail_fast=False)


def search() -> None:
    FOLDER.mkdir(exist_ok=True)

    def jobs_of(number: int, params: Params) -> list[Job]:
        return [job(round(params["lr"] * 100), params["lr"])]

    with held(FOLDER):
        study = Study(
            FOLDER, Proposer([Axis("lr", choices=SCORES)], "random", 0, 1), make_pruner("none", 1, 2, 1), "maximize"
        )
        SearchRunner(JobsHere(FOLDER, 1), study, "val_accuracy", 3, jobs_of).run(fail_fast=False)


def race() -> None:
    FOLDER.mkdir(exist_ok=True)
    settings = {f"lr={score}": score for score in SCORES[:2]}

    def compose(name: str, seed: int) -> Job:
        return job(round(settings[name] * 1000) + seed, settings[name], seed)

    asked = Race(RACE | {"vary": ["seed"]}, 0, {name: {} for name in settings})
    RaceRunner(JobsHere(FOLDER, 1), asked, compose).run(fail_fast=False)


def killed(what: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stopped(what: str) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def full(what: str) -> None:
    if not what.startswith("os.remove"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), what)


def in_a_process(folder: Path, command: Command, fault: Callable[[str], None], first: int) -> int | None:
    """Run a command in a process of its own, below a folder, with a fault before operation `first` (0: none).

    Return the exit code.
    """

    def run() -> None:
        os.chdir(folder)
        numbers = count(1)

        def act(what: str) -> None:
            if next(numbers) == first:
                fault(what)
            if not first:
                with contextlib.suppress(OSError):
                    os.write(log, f"{what}\n".encode())

        log = os.open(folder.with_suffix(".operations"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        before_every_operation(act)
        with contextlib.suppress(QuickdrawError, OSError):
            command()

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(120)
    return process.exitcode


def ending(folder: Path) -> dict[str, Any]:
    """How every job ended, by its place, and the sweep's own files."""
    runs = {str(run.folder.relative_to(folder)): (run.state, run.result) for run in read_runs(folder / FOLDER)}
    own = {name: (folder / FOLDER / name) for name in ("summary.csv", "race.json")}
    return runs | {name: path.read_text() for name, path in own.items() if path.exists()}


def results(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("result.json")}


@pytest.fixture(scope="module", autouse=True)
def without_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(page, "pictures", lambda sweep: iter(()))
        yield


@pytest.fixture(scope="module", params=[sweep, search, race], ids=lambda command: command.__name__)
def command(request: pytest.FixtureRequest) -> Command:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def operations(command: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """What the undisturbed command ends with, and how many operations on files it does."""
    folder = tmp_path_factory.mktemp("undisturbed") / "home"
    folder.mkdir()
    in_a_process(folder, command, killed, 0)
    return ending(folder), len(folder.with_suffix(".operations").read_text().splitlines())


def check(home: Path, command: Command, fault: Callable[[str], None], number: int, expected: dict[str, Any]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    code = in_a_process(home, command, fault, number)
    assert code is not None
    assert (code == -signal.SIGKILL) == (fault is killed)
    finished = results(home)
    page_found = home / FOLDER / "report.html"
    assert not page_found.exists() or page_found.read_text().endswith("</html>\n"), "whole or absent"
    with contextlib.chdir(home):
        command()
    assert ending(home) == expected, f"{fault.__name__} at operation {number}"
    assert {path: path.read_bytes() for path in finished} == finished, "what was finished is there as it was"


@pytest.mark.parametrize("fault", [killed, stopped, full])
def test_the_same_command_ends_as_if_nothing_had_been(
    fault: Callable[[str], None], command: Command, operations: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    expected, operation_count = operations
    for number in range(1, operation_count + 1, operation_count // 5):
        check(tmp_path / "home", command, fault, number, expected)


@pytest.mark.stress
@pytest.mark.parametrize("fault", [killed, stopped, full])
def test_a_fault_at_every_single_file_operation(
    fault: Callable[[str], None], command: Command, operations: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    expected, operation_count = operations
    for number in range(1, operation_count + 1):
        check(tmp_path / "home", command, fault, number, expected)
