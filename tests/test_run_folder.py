"""One run's folder from its first file to its last: what is kept of earlier lives, and what no signal can change."""

import signal
from pathlib import Path
from typing import Any

import pytest

from quickdraw.errors import Interrupted, QuickdrawError
from quickdraw.files import read_json
from quickdraw.run import folder
from quickdraw.run.folder import RunFolder

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
