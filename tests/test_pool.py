"""Processes of this machine: each has a slot of its own, and starting them leaves nothing changed here."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from quickdraw.sweep.pool import Pool, environment, make_socket_folder
from tests.support.program import ROOT  # noqa: F401  # whose server forks our processes


def wait_for(file: Path, slot: int) -> None:
    """End once a file is there."""
    end = time.monotonic() + 60
    while time.monotonic() < end and not file.exists():
        time.sleep(0.01)


def test_a_slot_that_became_free_is_taken_whichever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(2)
    monkeypatch.setattr(pool, "warm_up", lambda: None)
    for name in ("first", "second", "third"):
        if name == "third":
            (tmp_path / "first").touch()
            ended = pool.next()
            assert ended
            assert ended.name == "first"
        pool.submit(name, wait_for, tmp_path / name)
    assert {slot: child.process.name for slot, child in pool.running.items()} == {0: "third", 1: "second"}
    for name in ("second", "third"):
        (tmp_path / name).touch()
    assert {ended.name for ended in (pool.next(), pool.next()) if ended} == {"second", "third"}


def test_variables_are_as_they_were_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKDRAW_KNOWN", "before")
    with environment({"QUICKDRAW_KNOWN": "inside", "QUICKDRAW_NEW": "inside"}):
        assert (os.environ["QUICKDRAW_KNOWN"], os.environ["QUICKDRAW_NEW"]) == ("inside", "inside")
    assert os.environ["QUICKDRAW_KNOWN"] == "before"
    assert "QUICKDRAW_NEW" not in os.environ


def test_only_the_socket_lies_elsewhere_where_tmpdir_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("folder" * 15)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    make_socket_folder()
    assert tempfile.gettempdir() == str(long)
