"""Links inside a folder that is written to are refused before anything is: nothing lands outside of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from quickdraw import links
from quickdraw.errors import RunError
from quickdraw.links import check_run_folder, check_sweep_folder
from quickdraw.sweep.job import Job
from tests.conftest import SMALL
from tests.support.made_up import make_run
from tests.support.program import Outcome, call
from tests.support.resuming import TINY, contents, refused
from tests.support.sweeps import sweep

INSIDE = [
    "run.log",
    ".hydra",
    ".hydra/hydra.yaml",
    "weights",
    "checkpoint",
    "tensorboard",
    "metrics.csv",
    "a/b/c",
    ".lock",
]
SWEEPS_OWN = ["multirun.yaml", ".places", ".places.lock", "summary.csv", "study.journal", ".submitit"]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is somebody else's, with a file."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "diary.txt").write_text("dear diary")
    return folder


def link(path: Path, outside: Path, kind: str) -> None:
    """Make a path a link to a file or a folder that is there, or to a file that is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(outside / {"file": "diary.txt", "folder": ".", "nothing": "new.txt"}[kind])


def untouched(outside: Path) -> bool:
    """Whether the folder outside holds what it held."""
    return [path.name for path in outside.iterdir()] == ["diary.txt"] and (
        (outside / "diary.txt").read_text() == "dear diary"
    )


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
@pytest.mark.parametrize("name", INSIDE)
def test_a_link_at_any_depth_of_a_runs_folder_is_refused(name: str, kind: str, outside: Path, tmp_path: Path) -> None:
    link(tmp_path / "run" / name, outside, kind)
    with pytest.raises(RunError, match="expected a plain file or folder, got a link to ") as error:
        check_run_folder(tmp_path / "run")
    assert str(error.value).startswith(str(tmp_path / "run" / name))


def test_a_pipe_is_refused_as_a_link_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.log")
    with pytest.raises(RunError, match="expected a plain file or folder, got neither"):
        check_run_folder(tmp_path)


def test_a_file_that_another_process_removes_meanwhile_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "status.json").write_text("{}")
    seen = [(str(tmp_path), ["checkpoint"], ["status.json", ".status.json.3d0a575c.tmp"])]
    monkeypatch.setattr(links.os, "walk", lambda folder: seen)
    check_run_folder(tmp_path)
    monkeypatch.setattr(links, "entries", lambda folder: [tmp_path / ".summary.csv.9cd2.tmp"])
    check_sweep_folder(tmp_path)


def test_a_runs_whole_folder_may_be_a_link(tmp_path: Path) -> None:
    real = make_run(tmp_path / "disk" / "run", score=None)
    (tmp_path / "run").symlink_to(real)
    check_run_folder(tmp_path / "run")
    check_sweep_folder(tmp_path)  # as the job of a sweep, too
    check_run_folder(tmp_path / "new")  # what is not there


@pytest.mark.parametrize("name", SWEEPS_OWN)
def test_a_link_among_a_sweeps_own_files_is_refused(name: str, outside: Path, tmp_path: Path) -> None:
    link(tmp_path / "sweep" / name, outside, "folder" if name == ".submitit" else "nothing")
    with pytest.raises(RunError, match="got a link to "):
        check_sweep_folder(tmp_path / "sweep")


def test_a_job_with_a_link_in_its_folder_is_not_begun(outside: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "finished")
    make_run(tmp_path / "stopped", score=None, state="interrupted")
    for name in ("finished", "stopped", "new"):
        link(tmp_path / name / "run.log", outside, "file")
    settings = {"exp_name": tmp_path.name, "seed": 0, "trainer": {"monitor": "val_accuracy"}}
    assert Job([], tmp_path / "finished", settings, lambda: None).on_disk().ended  # nothing more is written there
    for name in ("stopped", "new"):
        with pytest.raises(RunError, match=r"run\.log: expected a plain file"):
            Job([], tmp_path / name, settings, lambda: None).on_disk()


Start = Callable[[Path, Path], Outcome]


def new_run(folder: Path, data: Path) -> Outcome:
    """Train in the folder `run`."""
    return call(folder, f"data.root={data}", *TINY)


def resumed(folder: Path, data: Path) -> Outcome:
    """Continue the run in the folder `run`."""
    make_run(folder / "stopped", score=None, state="interrupted")
    for path in (folder / "stopped").iterdir():
        path.rename(folder / "run" / path.name)
    return call(folder, "resume=run", f"data.root={data}")


@pytest.mark.parametrize("start", [new_run, resumed])
def test_a_run_is_refused_before_anything_is_written(
    start: Start, outside: Path, tmp_path: Path, drawings: Path
) -> None:
    link(tmp_path / "run/.hydra/config.yaml", outside, "file")
    link(tmp_path / "run/run.log", outside, "nothing")
    assert refused(start(tmp_path, drawings), "got a link to ")
    assert untouched(outside)
    assert not (tmp_path / "run/.hydra/hydra.yaml").exists()


@pytest.mark.parametrize("place", ["multirun.yaml", "job/run.log"])
def test_a_sweep_is_refused_before_its_first_job(place: str, outside: Path, tmp_path: Path, drawings: Path) -> None:
    link(tmp_path / "all" / place, outside, "file")
    typed = ("seed=0", "hydra.sweep.dir=all", "hydra.sweep.subdir=job")
    assert refused(sweep(tmp_path, drawings, *typed), place, "got a link to ")
    assert untouched(outside)
    assert not (tmp_path / "all/job/status.json").exists()


def test_a_search_is_refused_before_its_first_trial(outside: Path, tmp_path: Path, drawings: Path) -> None:
    link(tmp_path / "all" / ".study.lock", outside, "nothing")
    typed = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=1", "dropout_rate=0.1,0.2", "hydra.sweep.dir=all")
    before = contents(outside)
    outcome = call(tmp_path, "-m", *SMALL, f"data.root={drawings}", *typed)
    assert refused(outcome, "got a link to ")
    assert contents(outside) == before
    assert len(list((tmp_path / "all").iterdir())) == 1
