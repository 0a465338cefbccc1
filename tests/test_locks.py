"""A lock with a wait: one holder at a time, and the others hear once that they wait."""

import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from quickdraw.locks import Timeout, is_held, take_lock


def test_a_free_lock_is_taken_without_a_word_in_a_folder_made_for_it(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):  # it is given back at the end of the block
        with take_lock(tmp_path / "a" / "b" / ".lock", lambda: said.append("waits")):
            assert (tmp_path / "a" / "b" / ".lock").exists()
    assert said == []


def test_who_finds_it_taken_says_so_once_and_comes_next(tmp_path: Path) -> None:
    events: list[str] = []
    waiting = threading.Event()

    def wait() -> None:
        with take_lock(tmp_path / ".lock", lambda: (events.append("waits"), waiting.set())):
            events.append("second")

    other = threading.Thread(target=wait)
    with take_lock(tmp_path / ".lock"):
        other.start()
        assert waiting.wait(60)
        events.append("first")
    other.join(60)
    assert events == ["waits", "first", "second"]


def test_a_wait_can_be_bounded(tmp_path: Path) -> None:
    with take_lock(tmp_path / ".lock"), pytest.raises(Timeout):
        take_lock(tmp_path / ".lock", timeout_s=0)


def test_an_error_of_the_block_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="of the block"), take_lock(tmp_path / ".lock"):
        raise OSError("of the block")
    with take_lock(tmp_path / ".lock", timeout_s=0):
        pass


def test_a_place_for_no_file_is_an_os_error_before_the_block(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        take_lock(tmp_path / "file" / ".lock")


def test_who_asks_whether_a_lock_is_held_is_not_taken_for_its_holder(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="another process asks by flock")
    path = tmp_path / ".lock"
    path.touch()
    with path.open("rb") as another:
        fcntl.flock(another, fcntl.LOCK_SH)
        assert not is_held(path)


def test_whether_a_lock_is_held_is_asked_without_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".lock"
    assert not is_held(path)
    with FileLock(path):
        assert is_held(path)
    path.touch()

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert not is_held(path)
    path.unlink()
    path.mkdir()
    assert not is_held(path)
