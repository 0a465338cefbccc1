"""Submit and next on this machine: processes that end in every way, and how many run at once."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from quickdraw.errors import ConfigError, PrunedError, RunError
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run, read_runs, update_summary, write_summary
from quickdraw.sweep import process, pruning_hook
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import cause
from quickdraw.sweep.local import LocalJobs
from quickdraw.sweep.preload import IN_SERVER
from tests.support.program import ROOT  # whose server forks our processes

CONFIG = {"seed": 1, "threads": "auto", "device": "cpu"}


def crash(folder: Path, number: int) -> None:
    """End as a signal ends a process, or with an exit code, without a word."""
    os.environ.pop("PYTHONFAULTHANDLER", None)
    if number < 0:
        os.kill(os.getpid(), -number)
    sys.exit(number)


def word(folder: Path, state: str) -> None:
    """Leave a word and end."""
    RunFolder(folder).update(state=state, reason="my own word", started="now", config=CONFIG)
    sys.exit(1)


def finish(folder: Path, score: float) -> None:
    """Do what a completed run does."""
    RunFolder(folder).complete({"val_accuracy": score, "test_accuracy": score, "total_s": 1.0})


def last(folder: Path, seconds: float, slot: int = 0, other: Path | None = None) -> None:
    """Take a while, or until another has ended, and note from when to when, and in which slot."""
    begin, end = time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end and not (other and (other / "times.json").exists()):
        time.sleep(0.01)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "times.json").write_text(json.dumps([begin, time.monotonic(), slot]))


def slow(folder: Path, other: Path, slot: int) -> None:
    """Take as long as another."""
    last(folder, 60, slot, other)


def train(folder: Path, epochs: int) -> None:
    """Ask after each epoch whether to go on, as a training does, and note how far it got."""
    for epoch in range(1, epochs + 1):
        (folder / "epochs.txt").write_text(str(epoch))
        pruning_hook.raise_if_pruned()


def answer(pipe: "connection.Connection", question: str) -> None:
    if question == "die":
        sys.exit(3)
    pipe.send(question.upper())


def job(folder: Path, function: Callable[..., None], argument: Any, judged: bool = False) -> Job:
    return Job([f"seed={folder.name}"], folder, CONFIG, partial(function, folder, argument), judged)


@pytest.fixture
def jobs(tmp_path: Path) -> LocalJobs:
    jobs = LocalJobs(tmp_path, 1)
    jobs.pool.warm_up = lambda: None  # type: ignore[method-assign]
    return jobs


def outcome(jobs: LocalJobs, job: Job) -> Run:
    jobs.submit(job)
    run = jobs.next(60)
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
    jobs: LocalJobs, tmp_path: Path, end: int, told: str, before: str | None
) -> None:
    if before:
        (tmp_path / "a").mkdir()
        RunFolder(tmp_path / "a").update(state=before, reason="an older one", started="then", config=CONFIG)
    run = outcome(jobs, job(tmp_path / "a", crash, end))
    assert (run.state, run.reason) == ("failed", told)
    (read,) = read_runs(tmp_path)
    assert (read.state, read.reason, read.settings["seed"]) == ("failed", told, 1)
    assert told in (tmp_path / "summary.csv").read_text()


@pytest.mark.parametrize("state", ["failed", "interrupted", "diverged", "pruned"])
def test_word_of_a_job_is_kept(jobs: LocalJobs, tmp_path: Path, state: str) -> None:
    run = outcome(jobs, job(tmp_path / "a", word, state))
    assert (run.state, run.reason, run.ended) == (state, "my own word", state in ("diverged", "pruned"))


def test_job_that_we_stopped_did_not_fail(jobs: LocalJobs, tmp_path: Path) -> None:
    jobs.submit(job(tmp_path / "a", last, 60))
    jobs.stop(signal.SIGTERM)
    run = jobs.next(60)
    assert run
    assert run.state == "new"
    assert not jobs.running


def test_folder_that_another_process_trains_in_is_left_alone(jobs: LocalJobs, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    other = RunFolder(tmp_path / "a")
    with other.claimed():
        other.update(state="running")
        before = (tmp_path / "a" / "status.json").read_bytes()
        assert outcome(jobs, job(tmp_path / "a", crash, 1)).state == "running"
        assert (tmp_path / "a" / "status.json").read_bytes() == before


def test_a_job_whose_log_cannot_be_opened_is_failed_with_the_cause(
    jobs: LocalJobs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "a" / "run.log"
    log.mkdir(parents=True)
    failed = outcome(jobs, job(tmp_path / "a", word, "completed"))
    assert failed.state == "failed"
    assert failed.reason.startswith(f"{log}: Is a directory; ")
    assert RunFolder(tmp_path / "a").status["reason"] == failed.reason
    assert "Traceback" not in capfd.readouterr().err


def test_a_full_disk_at_a_jobs_log_is_its_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    ours, theirs = multiprocessing.Pipe()
    monkeypatch.setattr(process, "redirect_output", full)
    monkeypatch.setattr(os, "setsid", lambda: None)
    monkeypatch.setattr(pruning_hook, "pipe", theirs)
    with pytest.raises(SystemExit) as end:
        process.run_here(job(tmp_path, finish, 0.5), 0)
    assert end.value.code == 1
    words = ours.recv_bytes().removeprefix(pruning_hook.LAST_WORDS).decode()
    assert words.startswith(f"{tmp_path / 'run.log'}: No space left on device; ")
    assert not (tmp_path / "result.json").exists()


def test_never_more_than_fit_and_no_barrier(jobs: LocalJobs, tmp_path: Path) -> None:
    pool = jobs.pool
    pool.size = 2
    todo = [tmp_path / str(number) for number in range(5)]
    while todo or pool.running:
        while todo and len(pool.running) < 2:
            folder = todo.pop(0)
            if folder.name == "0":
                pool.submit(folder.name, slow, folder, tmp_path / "4")
            else:
                pool.submit(folder.name, last, folder, 0.1)
        pool.next()
    spans = [json.loads((tmp_path / str(number) / "times.json").read_text()) for number in range(5)]
    for begin, _, _ in spans:
        assert sum(b <= begin < e for b, e, _ in spans) <= 2
    assert spans[2][0] < spans[0][1], "the third waited for the slow first"
    assert {slot for _, _, slot in spans} == {0, 1}
    assert spans[2][2] == spans[1][2], "the slot that became free"


def test_only_a_judged_job_asks_and_ends_where_the_judge_says(jobs: LocalJobs, tmp_path: Path) -> None:
    asked: list[str] = []

    def judge(job: Job) -> str:
        asked.append(job.folder.name)
        return "hopeless" if len(asked) == 3 else ""

    for name, judged in (("free", False), ("judged", True)):
        jobs.submit(job(tmp_path / name, train, 5, judged))
        assert jobs.next(60, judge)
    assert asked == ["judged"] * 3
    assert [(tmp_path / name / "epochs.txt").read_text() for name in ("free", "judged")] == ["5", "3"]
    assert "PrunedError: hopeless" in (tmp_path / "judged" / "run.log").read_text()


def test_there_is_room_for_as_many_jobs_as_fit(jobs: LocalJobs, tmp_path: Path) -> None:
    jobs.size = 2
    room = []
    for name in ("a", "b"):
        jobs.submit(job(tmp_path / name, last, 60))
        room.append(jobs.has_room())
    assert room == [True, False]
    jobs.stop_at_once()
    assert not jobs.running
    assert jobs.has_room()


def test_preload_does_nothing_but_where_the_pool_starts_a_server() -> None:
    code = "import os, sys, quickdraw.sweep.preload; sys.exit('torch' in sys.modules or os.getsid(0) == os.getpid())"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    server = os.environ | {IN_SERVER: "1"}
    imported = code.replace("'torch' in sys.modules or os.getsid(0) == os.getpid()", "'torch' not in sys.modules")
    subprocess.run([sys.executable, "-c", imported], cwd=ROOT, env=server, check=True)


KILLED_WHILE_IT_STARTS_A_JOB = """
import os, signal
from multiprocessing import forkserver
from quickdraw.sweep.pool import Pool

real = forkserver.connect_to_new_process

def connect_and_die(descriptors):
    real(descriptors)
    os.kill(os.getpid(), signal.SIGKILL)

forkserver.connect_to_new_process = connect_and_die
Pool().submit("job", print)
"""


def test_a_process_whose_parent_is_killed_before_it_said_what_to_do_says_nothing() -> None:
    command = [sys.executable, "-c", KILLED_WHILE_IT_STARTS_A_JOB]
    ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGKILL, "", "")


def test_summary_is_written_by_jobs_of_every_kind(jobs: LocalJobs, tmp_path: Path) -> None:
    outcome(jobs, job(tmp_path / "a", finish, 0.5))
    outcome(jobs, job(tmp_path / "b", crash, 9))
    rows = write_summary(tmp_path).read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["state", "completed", "failed"]


def sum_up(folder: Path, score: float) -> None:
    """End as a job does: the result, then the summary."""
    finish(folder, score)
    update_summary(folder.parent)


def test_of_many_jobs_that_end_together_the_last_has_the_last_word(jobs: LocalJobs, tmp_path: Path) -> None:
    jobs.size = 12
    with FileLock(tmp_path / ".summary.lock"):  # one process is writing: one job waits, and the others see it waiting
        for number in range(12):
            jobs.submit(job(tmp_path / str(number), sum_up, 0.5))
        ended = [jobs.next(60) for _ in range(11)]
    ended.append(jobs.next(60))
    assert None not in ended
    rows = (tmp_path / "summary.csv").read_text().splitlines()
    assert len([row for row in rows if "completed" in row]) == 12


def test_question_is_answered_by_a_process(jobs: LocalJobs) -> None:
    assert jobs.pool.call_in_process(answer, "why") == "WHY"
    with pytest.raises(RunError, match="ended with exit code 3"):
        jobs.pool.call_in_process(answer, "die")


def ask(folder: Path, slot: int) -> None:
    """Note what the answer is."""
    try:
        pruning_hook.ask_about("a job")
    except PrunedError as error:
        (folder / "answer").write_text(str(error))


def test_a_question_may_be_answered_later(jobs: LocalJobs, tmp_path: Path) -> None:
    questions: list[bytes] = []

    def note(name: str, question: bytes) -> None:
        questions.append(question)

    jobs.pool.submit("asks", ask, tmp_path)
    assert jobs.pool.next(60, note) is None
    assert questions == [b"epocha job"]
    assert jobs.pool.next(0.05, note) is None, "it waits"
    jobs.pool.reply("asks", b"later")
    ended = jobs.pool.next(60)
    assert ended
    assert (ended.name, ended.code, (tmp_path / "answer").read_text()) == ("asks", 0, "later")


def test_pool_waits_no_longer_than_asked(jobs: LocalJobs, tmp_path: Path) -> None:
    pool = jobs.pool
    assert pool.next(0) is None
    assert jobs.next() is None, "with no job under way there is nothing to wait for"
    jobs.submit(job(tmp_path / "a", last, 60))
    begin = time.monotonic()
    assert pool.next(0.05) is None
    assert time.monotonic() - begin < 30
    pool.stop(signal.SIGKILL)
    ended = pool.next()
    assert ended
    assert (ended.name, ended.code) == (str(tmp_path / "a"), -signal.SIGKILL)


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
    ("n_jobs", "on_gpus", "device", "threads", "size"),
    [
        ("auto", 0, "auto", "auto", 8),
        ("auto", 0, "auto", 3, 2),
        ("auto", 0, "cpu", 16, 1),
        ("auto", 4, "auto", "auto", 4),
        ("auto", 40, "auto", "auto", 8),
        ("auto", 4, "cpu", "auto", 8),
        (5, 4, "auto", "auto", 5),
    ],
)
def test_as_many_jobs_at_once_as_the_machine_holds(
    monkeypatch: pytest.MonkeyPatch,
    composed: Callable[..., dict[str, Any]],
    tmp_path: Path,
    n_jobs: int | str,
    on_gpus: int,
    device: str,
    threads: Any,
    size: int,
) -> None:
    config = composed(f"device={device}", f"threads={threads}")
    jobs = LocalJobs(tmp_path, n_jobs)
    monkeypatch.setattr("quickdraw.sweep.local.usable_cores", lambda: 8)
    monkeypatch.setattr(jobs.pool, "call_in_process", lambda function, question: (on_gpus, {}))
    jobs.check([Job([], tmp_path, config, crash)])
    assert jobs.size == size


def test_gpus_hold_as_many_jobs_as_their_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free_mb = {0: 70_000, 1: 900}
    monkeypatch.setattr("torch.cuda.device_count", lambda: len(free_mb))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda gpu: (free_mb[gpu] * 10**6, 80_000 * 10**6))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert process.jobs_on_gpus() == 35 + 1
    free_mb.clear()
    assert process.jobs_on_gpus() == 0


def test_every_mistake_is_named_at_once(
    jobs: LocalJobs, composed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    wanted = [Job([f"seed={seed}"], tmp_path, composed(f"seed={seed}"), crash) for seed in (0, -1, "x")]
    with pytest.raises(
        ConfigError, match=r"^seed: .*got -1 \(in seed=-1\); .*got 'x' \(in seed=x\)\nno job was started"
    ):
        jobs.check(wanted)
