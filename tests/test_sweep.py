"""Submit and next: processes that end in every way, and how many run at once."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from quickdraw.errors import ConfigError, RunError
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run, read_runs, update_summary, write_summary
from quickdraw.sweep import process
from quickdraw.sweep.jobs import Plan, Sweep, cause
from quickdraw.sweep.pool import Pool
from tests.support import program  # noqa: F401  its server forks our processes


def crash(folder: Path, number: int, slot: int) -> None:
    """End as a signal ends a process, or with an exit code, without a word."""
    os.environ.pop("PYTHONFAULTHANDLER", None)
    if number < 0:
        os.kill(os.getpid(), -number)
    sys.exit(number)


def word(folder: Path, state: str, slot: int) -> None:
    """Leave a word and end."""
    folder.mkdir(parents=True, exist_ok=True)
    RunFolder(folder).update(state=state, reason="my own word", started="now", config={"seed": 1})
    sys.exit(1)


def finish(folder: Path, score: float, slot: int) -> None:
    """Do what a completed run does."""
    folder.mkdir(parents=True)
    RunFolder(folder).complete({"val_accuracy": score, "test_accuracy": score, "total_s": 1.0})


def last(folder: Path, seconds: float, slot: int) -> None:
    """Take a while, and tell from when to when, and in which slot."""
    begin = time.monotonic()
    time.sleep(seconds)
    folder.mkdir(parents=True)
    (folder / "times.json").write_text(json.dumps([begin, time.monotonic(), slot]))


def answer(pipe: "connection.Connection", question: str) -> None:
    if question == "die":
        sys.exit(3)
    pipe.send(question.upper())


def plan(folder: Path, function: Callable[..., None], argument: Any) -> Plan:
    return Plan([f"seed={folder.name}"], folder, {"seed": 1, "threads": "auto"}, (function, (folder, argument)))


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    sweep = Sweep(tmp_path, 1)
    sweep.pool.warm_up = lambda: None  # type: ignore[method-assign]
    return sweep


def outcome(sweep: Sweep, plan: Plan) -> Run:
    sweep.submit(plan)
    run = sweep.next(60)
    assert run
    return run


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (-signal.SIGKILL, "killed by SIGKILL (out of memory?)"),
        (-signal.SIGSEGV, "killed by SIGSEGV"),
        (0, "its process ended with exit code 0"),
        (3, "its process ended with exit code 3"),
    ],
)
@pytest.mark.parametrize("before", [None, "running", "failed", "interrupted", "completed"])
def test_death_without_a_word_is_recorded_with_its_cause(
    sweep: Sweep, tmp_path: Path, end: int, told: str, before: str | None
) -> None:
    if before:
        (tmp_path / "a").mkdir()
        RunFolder(tmp_path / "a").update(state=before, reason="an older one", started="then", config={"seed": 1})
    run = outcome(sweep, plan(tmp_path / "a", crash, end))
    assert (run.state, run.reason) == ("failed", told)
    (read,) = read_runs(tmp_path)
    assert (read.state, read.reason, read.settings["seed"]) == ("failed", told, 1)
    assert told in (tmp_path / "summary.csv").read_text()


@pytest.mark.parametrize("state", ["failed", "interrupted", "diverged", "pruned"])
def test_word_of_a_job_is_kept(sweep: Sweep, tmp_path: Path, state: str) -> None:
    run = outcome(sweep, plan(tmp_path / "a", word, state))
    assert (run.state, run.reason, run.ended) == (state, "my own word", state in ("diverged", "pruned"))


def test_job_that_we_stopped_did_not_fail(sweep: Sweep, tmp_path: Path) -> None:
    sweep.submit(plan(tmp_path / "a", last, 60))
    sweep.stop(signal.SIGTERM)
    run = sweep.next(60)
    assert run
    assert run.state == "new"
    assert not sweep.running


def test_folder_that_another_process_trains_in_is_left_alone(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    other = RunFolder(tmp_path / "a")
    with other.claimed():
        other.update(state="running")
        before = (tmp_path / "a" / "status.json").read_bytes()
        assert outcome(sweep, plan(tmp_path / "a", crash, 1)).state == "running"
        assert (tmp_path / "a" / "status.json").read_bytes() == before


def test_never_more_than_fit_and_no_barrier(sweep: Sweep, tmp_path: Path) -> None:
    sweep.pool.size = 2
    todo = [plan(tmp_path / str(number), last, 1.0 if number == 0 else 0.1) for number in range(5)]
    while todo or sweep.running:
        while todo and sweep.has_room():
            sweep.submit(todo.pop(0))
        sweep.next()
    spans = [json.loads((tmp_path / str(number) / "times.json").read_text()) for number in range(5)]
    for begin, _, _ in spans:
        assert sum(b <= begin < e for b, e, _ in spans) <= 2
    assert spans[2][0] < spans[0][1], "the third waited for the slow first"
    assert {slot for _, _, slot in spans} == {0, 1}
    assert spans[2][2] == spans[1][2], "the slot that became free"


def test_summary_is_written_by_jobs_of_every_kind(sweep: Sweep, tmp_path: Path) -> None:
    outcome(sweep, plan(tmp_path / "a", finish, 0.5))
    outcome(sweep, plan(tmp_path / "b", crash, 9))
    rows = write_summary(tmp_path).read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["state", "completed", "failed"]


def sum_up(folder: Path, score: float, slot: int) -> None:
    """End as a job does: the result, then the summary."""
    finish(folder, score, slot)
    update_summary(folder.parent)


def test_of_many_jobs_that_end_together_the_last_has_the_last_word(sweep: Sweep, tmp_path: Path) -> None:
    sweep.pool.size = 12
    with FileLock(tmp_path / ".summary.lock"):  # one process is writing: one job waits, and the others see it waiting
        for number in range(12):
            sweep.submit(plan(tmp_path / str(number), sum_up, 0.5))
        ended = [sweep.next(60) for _ in range(11)]
    ended.append(sweep.next(60))
    assert None not in ended
    rows = (tmp_path / "summary.csv").read_text().splitlines()
    assert len([row for row in rows if "completed" in row]) == 12


def test_question_is_answered_by_a_process(sweep: Sweep) -> None:
    assert sweep.pool.ask(answer, "why") == "WHY"
    with pytest.raises(RunError, match="ended with exit code 3"):
        sweep.pool.ask(answer, "die")


def test_pool_waits_no_longer_than_asked(sweep: Sweep, tmp_path: Path) -> None:
    pool: Pool = sweep.pool
    assert pool.next(0) is None
    sweep.submit(plan(tmp_path / "a", last, 60))
    begin = time.monotonic()
    assert pool.next(0.05) is None
    assert time.monotonic() - begin < 30
    pool.stop(signal.SIGKILL)
    ended = pool.next()
    assert ended
    assert (ended.name, ended.code) == ("a", -signal.SIGKILL)


def test_cause_names_signals_that_have_no_name() -> None:
    assert cause(-signal.SIGRTMIN - 1) == f"killed by signal {signal.SIGRTMIN + 1}"


@pytest.mark.parametrize(
    ("visible", "device", "slot", "seen"),
    [
        (None, "auto", 0, "0"),
        (None, "cuda", 1, "1"),
        (None, "auto", 5, "1"),
        ("3,GPU-7", "auto", 1, "GPU-7"),
        ("3,5", "cpu", 1, "3,5"),
        (None, "cuda:1", 0, None),
    ],
)
def test_each_job_sees_one_gpu(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, slot: int, seen: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    process.choose_gpu(slot, device)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == seen


@pytest.mark.parametrize(
    ("n_jobs", "gpus", "device", "threads", "size"),
    [
        ("auto", 0, "auto", "auto", 8),
        ("auto", 0, "auto", 3, 2),
        ("auto", 0, "cpu", 16, 1),
        ("auto", 4, "auto", "auto", 4),
        ("auto", 4, "cpu", "auto", 8),
        (5, 4, "auto", "auto", 5),
    ],
)
def test_as_many_jobs_at_once_as_the_machine_holds(
    monkeypatch: pytest.MonkeyPatch,
    composed: Callable[..., dict[str, Any]],
    tmp_path: Path,
    n_jobs: int | str,
    gpus: int,
    device: str,
    threads: Any,
    size: int,
) -> None:
    config = composed(f"device={device}", f"threads={threads}")
    sweep = Sweep(tmp_path, n_jobs)
    monkeypatch.setattr("quickdraw.sweep.jobs.usable_cores", lambda: 8)
    monkeypatch.setattr(sweep.pool, "ask", lambda function, question: (gpus, {}))
    sweep.check([Plan([], tmp_path, config, (crash, ()))])
    assert sweep.pool.size == size


def test_every_mistake_is_named_at_once(sweep: Sweep, composed: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    plans = [Plan([f"seed={seed}"], tmp_path, composed(f"seed={seed}"), (crash, ())) for seed in (0, -1, "x")]
    with pytest.raises(
        ConfigError, match=r"^seed: .*got -1 \(in seed=-1\); .*got 'x' \(in seed=x\)\nno job was started"
    ):
        sweep.check(plans)
