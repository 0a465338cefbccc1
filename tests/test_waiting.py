"""How torch's threads wait: awake, and asleep while other programs compute on their cores."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from quickdraw import waiting
from quickdraw.console import call
from tests.support import program
from tests.support.program import PATIENCE_S, QUICK, ROOT
from tests.support.two_threads import WAITS


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a user who has not set how threads wait; it is put back at the end."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    if not waiting.find_openmp():
        pytest.skip("torch has no libgomp here")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


def test_where_there_is_no_libgomp_threads_wait_awake_briefly_unless_the_user_says_how(
    environment: pytest.MonkeyPatch,
) -> None:
    assert call(lambda: None) == 0
    assert os.environ["KMP_BLOCKTIME"] == "1"
    environment.setenv("KMP_BLOCKTIME", "7")
    call(lambda: None)
    assert os.environ["KMP_BLOCKTIME"] == "7"
    environment.delenv("KMP_BLOCKTIME")
    environment.setenv("OMP_WAIT_POLICY", "active")
    call(lambda: None)
    assert "KMP_BLOCKTIME" not in os.environ


def test_threads_sleep_while_others_have_their_cores_and_compute_the_same() -> None:
    if not waiting.find_openmp() or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("torch has no libgomp here, or one core, on which its threads always sleep")
    command = [sys.executable, "-m", "tests.support.two_threads"]
    environment = os.environ | {"GOMP_SPINCOUNT": "infinite"}
    printed = subprocess.check_output(command, cwd=ROOT, env=environment, text=True, timeout=PATIENCE_S)
    counts, sums = zip(*(line.split() for line in printed.splitlines()), strict=True)
    alone, beside_others, alone_again = map(int, counts)
    assert max(alone, alone_again) < WAITS // 10
    assert beside_others >= WAITS // 2
    assert len(set(sums)) == 1


def watches() -> list[threading.Thread]:
    """The threads that watch the load."""
    return [thread for thread in threading.enumerate() if isinstance(thread, waiting.Watch)]


@pytest.mark.usefixtures("two_threads")
def test_the_load_is_watched_during_a_block_only(environment: pytest.MonkeyPatch) -> None:
    call(lambda: None)
    with waiting.asleep_beside_others():
        assert len(watches()) == 1
    with pytest.raises(KeyError), waiting.asleep_beside_others():
        raise KeyError
    assert watches() == []


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "7")])
def test_what_the_user_has_set_is_left_alone(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with waiting.asleep_beside_others():
        assert watches() == []


def test_one_thread_waits_for_nobody(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(torch, "get_num_threads", lambda: 1)
    with waiting.asleep_beside_others():
        assert watches() == []


def tell_looks() -> None:
    """Let the watch of a run say when it looks."""
    waiting.Watch.look = lambda self: print(f"looked, for {self.threads} threads")  # type: ignore[method-assign]


def test_a_run_is_watched_if_it_has_several_threads(tmp_path: Path) -> None:
    if not waiting.find_openmp():
        pytest.skip("torch has no libgomp here")
    outcomes = [program.call(tmp_path, *QUICK, f"threads={count}", setup=tell_looks) for count in (1, 2)]
    assert [outcome.code for outcome in outcomes] == [0, 0]
    assert ["looked, for 2 threads" in outcome.out for outcome in outcomes] == [False, True]
