"""Jobs in Slurm's queue, without Slurm: its three commands are scripts that read and write a file each."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from quickdraw.errors import PrunedError, RunError
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import read_epochs
from quickdraw.sweep import pruning_hook
from quickdraw.sweep.job import Job
from quickdraw.sweep.slurm import SlurmJob, SlurmJobs

SCRIPTS = {
    "squeue": 'cat "$SLURM_TEST/queue"',
    "scontrol": "echo 'MaxArraySize = 3'",
    "scancel": 'echo "$@" >> "$SLURM_TEST/cancelled"',
}


@dataclass
class FakeSlurm:
    """A queue in a file, and what was sent to it."""

    folder: Path
    states: dict[str, str] = field(default_factory=dict)  # and the code as `squeue` has it, by the job's number
    arrays: list[list[str]] = field(default_factory=list)
    sent: dict[str, SlurmJob] = field(default_factory=dict)

    def send(self, jobs: Sequence[SlurmJob]) -> list[str]:
        """Submit some jobs as one array, as submitit does."""
        numbers = [f"{len(self.arrays) + 7}_{place}" for place in range(len(jobs))]
        self.arrays.append([each.job.folder.name for each in jobs])
        self.sent |= dict(zip(numbers, jobs, strict=True))
        self.show(dict.fromkeys(numbers, "PENDING|0"))
        return numbers

    def show(self, states: dict[str, str]) -> None:
        """Say this of some jobs from now on."""
        self.states |= states
        lines = [f"{number}|{state}|None|" for number, state in self.states.items()]
        (self.folder / "queue").write_text("\n".join(lines) + "\n")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in SCRIPTS.items():
        (commands / name).write_text(f"#!/bin/sh\n{script}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_TEST", str(tmp_path))
    (tmp_path / "queue").write_text("")
    return FakeSlurm(tmp_path)


def jobs_in(slurm: FakeSlurm, at_once: float = float("inf")) -> SlurmJobs:
    return SlurmJobs(slurm.folder, 2, slurm.send, poll_s=0.001, at_once=at_once)


def finish(folder: Path) -> None:
    RunFolder(folder).complete({"val_accuracy": 0.5, "test_accuracy": 0.5, "total_s": 1.0})


def job(slurm: FakeSlurm, name: str) -> Job:
    return Job([f"seed={name}"], slurm.folder / name, {"seed": 1}, partial(finish, slurm.folder / name))


def run_on_node(slurm: FakeSlurm, number: str) -> None:
    """Do what the job does on a node, and have Slurm say that it is done."""
    slurm.sent[number].job.folder.mkdir()
    slurm.sent[number].job.task()
    slurm.show({number: "COMPLETED|0"})


def test_many_jobs_go_as_few_arrays_and_come_back_as_they_end(slurm: FakeSlurm) -> None:
    jobs = jobs_in(slurm)
    for name in "abcd":
        assert jobs.has_room()
        jobs.submit(job(slurm, name))
    assert jobs.next(0) is None
    assert slurm.arrays == [["a", "b", "c"], ["d"]]
    run_on_node(slurm, "8_0")
    first = jobs.next(60)
    assert first
    assert (first.folder.name, first.state) == ("d", "completed")
    slurm.show({"7_0": "RUNNING|0"})
    assert jobs.next(0.01) is None
    assert jobs.training() == 1
    assert [folder.name for folder in jobs.running] == ["a", "b", "c"]


def test_one_job_at_a_time_where_each_is_chosen_by_the_results(slurm: FakeSlurm) -> None:
    jobs = jobs_in(slurm, at_once=1)
    for number, name in (("7_0", "a"), ("8_0", "b")):
        jobs.submit(job(slurm, name))
        assert not jobs.has_room()
        jobs.flush()
        run_on_node(slurm, number)
        run = jobs.next(60)
        assert run
        assert (run.folder.name, run.state) == (name, "completed")
        assert jobs.has_room()
    assert slurm.arrays == [["a"], ["b"]]


def test_a_command_typed_again_takes_the_jobs_up(slurm: FakeSlurm) -> None:
    first = jobs_in(slurm)
    for name in "ab":
        first.submit(job(slurm, name))
    first.flush()
    slurm.show({"7_1": "FAILED|9"})
    second = jobs_in(slurm)
    second.take_up([job(slurm, name) for name in "abc"])
    assert [folder.name for folder in second.running] == ["a"]
    assert second.seen(job(slurm, "a").on_disk()).state == "queued"


@pytest.mark.parametrize(
    ("state", "ends_as"),
    [
        ("FAILED|9", ("failed", "Slurm job 7_0: FAILED, signal 9 (out of memory?)")),
        ("TIMEOUT|256", ("failed", "Slurm job 7_0: TIMEOUT, exit code 1")),
        ("CANCELLED|15", ("interrupted", "cancelled")),
    ],
)
def test_job_that_leaves_no_word_gets_slurms(slurm: FakeSlurm, state: str, ends_as: tuple[str, str]) -> None:
    jobs = jobs_in(slurm)
    jobs.submit(job(slurm, "a"))
    jobs.flush()
    slurm.show({"7_0": state})
    run = jobs.next(60)
    assert run
    assert (run.state, run.reason) == ends_as
    assert (job(slurm, "a").on_disk().state, job(slurm, "a").on_disk().reason) == ends_as


def test_stop_cancels_what_was_sent_and_forgets_the_rest(slurm: FakeSlurm) -> None:
    jobs = jobs_in(slurm)
    jobs.submit(job(slurm, "a"))
    jobs.flush()
    jobs.submit(job(slurm, "b"))
    jobs.stop(signal.SIGTERM)
    jobs.stop(signal.SIGKILL)
    assert (slurm.folder / "cancelled").read_text() == "7_0\n--signal=KILL --full 7_0\n"
    assert [folder.name for folder in jobs.running] == ["a"]
    assert len(slurm.arrays) == 1


def test_without_slurm_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="there is no squeue here; type this on a machine that submits to Slurm"):
        SlurmJobs(tmp_path, 1, lambda jobs: [], 1.0)


def test_job_that_an_earlier_command_submitted_is_taken_up_and_not_sent_again(slurm: FakeSlurm) -> None:
    first = jobs_in(slurm)
    for name in "ab":
        first.submit(job(slurm, name))
    first.flush()
    run_on_node(slurm, "7_1")
    second = jobs_in(slurm)
    assert (second.has(job(slurm, "a")), second.has(job(slurm, "b")), second.has(job(slurm, "c"))) == (
        True,
        False,
        False,
    )
    for name in "ac":
        second.submit(job(slurm, name))
    second.flush()
    assert slurm.arrays == [["a", "b"], ["c"]]
    run_on_node(slurm, "7_0")
    run = second.next(60)
    assert run
    assert (run.folder.name, run.state) == ("a", "completed")


def test_job_without_a_pipe_is_judged_by_its_epochs_and_ended_by_a_file(
    slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = slurm.folder / "a"
    asked: list[int] = []

    def judge(job: Job) -> str:
        asked.append(len(read_epochs(job.folder)))
        return "hopeless" if asked[-1] == 3 else ""

    def train(epochs: int) -> None:
        (folder / "metrics.csv").write_text("val_accuracy\n" + "0.5\n" * epochs)
        pruning_hook.raise_if_pruned()

    folder.mkdir()
    (folder / pruning_hook.ORDER).write_text("of an earlier search")
    jobs = jobs_in(slurm)
    jobs.submit(replace(job(slurm, "a"), judged=True))
    monkeypatch.setattr(pruning_hook, "folder", None)
    assert jobs.next(0, judge) is None
    sent = slurm.sent["7_0"]
    pruning_hook.folder = sent.job.folder
    for epochs in (1, 1, 3):
        train(epochs)
        assert jobs.next(0, judge) is None
    assert asked == [1, 3]
    with pytest.raises(PrunedError, match=r"^hopeless$"):
        train(4)
