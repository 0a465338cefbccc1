"""One run's folder from its first file to its last: what is kept of earlier lives, and what no signal can change."""

import signal
from pathlib import Path
from typing import Any

import pytest

from quickdraw.errors import DivergedError, Interrupted, PrunedError, QuickdrawError, RunError
from quickdraw.files import read_json
from quickdraw.run import folder
from quickdraw.run.folder import RunFolder
from tests.support.program import call

CONFIG: dict[str, Any] = {"seed": 0, "trainer": {"epochs": 1}}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A new folder for a run, in new folders."""
    path = tmp_path / "outputs" / "runs" / "a"
    path.mkdir(parents=True)
    return path


def end_by(place: Path, error: BaseException, completed: bool) -> None:
    """Let a run end by an error, perhaps when it is completed."""
    run = RunFolder(place)
    with run.claimed(), run.outcome():
        run.begin(CONFIG, [])
        if completed:
            run.complete({"test_accuracy": 0.5})
        raise error


@pytest.mark.parametrize("completed", [True, False])
def test_a_signal_after_the_result_leaves_a_completed_run(place: Path, completed: bool) -> None:
    with pytest.raises(Interrupted):
        end_by(place, Interrupted(signal.SIGTERM), completed)
    status = read_json(place / "status.json") or {}
    assert (status["state"], status["reason"]) == (("completed", "") if completed else ("interrupted", "SIGTERM"))
    assert (read_json(place / "result.json") is not None) == completed


def test_an_unexpected_error_is_a_bug_that_is_recorded(place: Path) -> None:
    with pytest.raises(QuickdrawError, match="KeyError: 'x'; this is a bug"):
        end_by(place, KeyError("x"), completed=False)
    assert (read_json(place / "status.json") or {})["state"] == "failed"


@pytest.mark.parametrize(
    ("error", "state"), [(DivergedError("no loss"), "diverged"), (PrunedError("no hope"), "pruned")]
)
def test_a_run_that_ends_itself_is_recorded_by_how_it_did(place: Path, error: QuickdrawError, state: str) -> None:
    with pytest.raises(type(error)):
        end_by(place, error, completed=False)
    status = read_json(place / "status.json") or {}
    assert (status["state"], status["reason"]) == (state, str(error))


def test_a_run_that_is_refused_leaves_the_other_as_it_was(place: Path) -> None:
    with pytest.raises(Interrupted):
        end_by(place, Interrupted(signal.SIGINT), completed=False)
    run = RunFolder(place)
    with pytest.raises(RunError, match="seed was 0 and is 1"), run.claimed(), run.outcome():
        run.begin(CONFIG | {"seed": 1}, [])
    status = read_json(place / "status.json") or {}
    assert (status["state"], status["reason"]) == ("interrupted", "SIGINT")


def test_what_a_killed_process_was_writing_is_removed_when_its_run_goes_on(place: Path) -> None:
    torn = place / "weights" / ".net.pth.0a1b.tmp"
    torn.parent.mkdir()
    torn.touch()
    with RunFolder(place).claimed():
        assert not torn.exists()


def test_the_drawings_are_found_where_they_lay_last(place: Path) -> None:
    run = RunFolder(place)
    run.begin(CONFIG, ["data.root=first", "seed=0"])
    for root in ("second", "third"):
        run.note_changes(["threads=1", f"data.root={root}"])
    assert (read_json(place / "status.json") or {})["overrides"] == ["seed=0", "data.root=third"]


def test_the_number_of_lanes_is_kept_as_it_was_last(place: Path) -> None:
    run = RunFolder(place)
    assert run.lanes == 1
    run.begin(CONFIG | {"lanes": 64}, ["seed=0", "lanes=64"])
    assert RunFolder(place).lanes == 64
    run.note_changes(["seed=0", "threads=1", "lanes=32"])
    assert (read_json(place / "status.json") or {})["overrides"] == ["seed=0", "lanes=32"]


def test_the_warnings_of_all_lives_are_kept(place: Path) -> None:
    for number in range(3):
        run = RunFolder(place)
        with run.claimed():
            run.begin(CONFIG, [])
            run.warn(f"warning {number}")
    assert (read_json(place / "status.json") or {})["warnings"] == ["warning 0", "warning 1", "warning 2"]


def test_a_runs_new_folders_are_flushed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(folder, "sync_folder", flushed.append)
    with RunFolder(place).claimed():
        assert {place.parent, place.parent.parent, place.parent.parent.parent} <= set(flushed)


DRAWN = ("data=synthetic", "data.per_class=30", "trainer=smoke")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, but for the caches."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("first", "place"),
    [
        (["hydra.run.dir=mine"], ["hydra.run.dir=mine"]),
        (["hydra.run.dir=."], ["hydra.run.dir=."]),
        (["hydra.run.dir=mine"], ["resume=mine"]),
    ],
)
def test_other_settings_than_those_of_a_folders_run_are_refused_before_anything_is_written(
    tmp_path: Path, first: list[str], place: list[str]
) -> None:
    mine = tmp_path / first[0].partition("=")[2]
    assert call(tmp_path, *DRAWN, "threads=1", "optimizer.lr=0.002", *first).code == 0
    before = contents(mine / ".hydra") | contents(mine / "weights")
    for other in ("optimizer.lr=0.004", "trainer.epochs=25", "model=mlp"):
        own = DRAWN if "resume" not in place[0] else ()
        outcome = call(tmp_path, *own, "threads=1", "optimizer.lr=0.002", other, *place)
        assert outcome.code == 1
        assert outcome.err.startswith("error: ")
        assert outcome.err.count("\n") == 1
        assert other.partition("=")[0] in outcome.err
        assert first[0].partition("=")[2] in outcome.err
    assert contents(mine / ".hydra") | contents(mine / "weights") == before


def test_the_same_settings_in_a_completed_runs_folder_leave_it_as_it_is(tmp_path: Path) -> None:
    arguments = (*DRAWN, "threads=1", "seed=3", "hydra.run.dir=mine")
    assert call(tmp_path, *arguments).code == 0
    before = contents(tmp_path / "mine")
    again = call(tmp_path, *arguments)
    assert (again.code, "nothing to do" in again.out) == (0, True)
    assert contents(tmp_path / "mine") == before


def test_resume_takes_the_settings_that_the_completed_run_has(tmp_path: Path) -> None:
    assert call(tmp_path, *DRAWN, "threads=1", "hydra.run.dir=mine").code == 0
    again = call(tmp_path, "resume=mine", "trainer.epochs=1")
    assert (again.code, "nothing to do" in again.out) == (0, True)
