"""Thirty jobs over four lanes, of which some diverge, are pruned, lose patience or are interrupted: none notices."""

import copy
import hashlib
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quickdraw.run import stages
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run, read_epochs
from quickdraw.sweep.job import Job
from quickdraw.sweep.lanes import LaneJobs
from quickdraw.sweep.runner import SweepRunner
from quickdraw.sweep.view import SweepView
from tests.support import program  # whose server forks our processes

assert program.SERVER
Composed = Callable[..., dict[str, Any]]
JOBS, LANES = 30, 4
DIVERGES, PRUNED, PATIENT = 3, 8, 13


def end(folder: Path, config: dict[str, Any]) -> None:
    """Do what a job's own process does when its lane has trained it, but for pictures and the test split."""
    run = RunFolder(folder)
    with run.claimed(), run.outcome():
        config = copy.deepcopy(config) | {"lanes": run.lanes}
        prepared = stages.prepare(run, config, [], [], one_of_many=True, is_tested=run.tested)
        history = prepared.train(lambda: None, lambda: None)
        digest = hashlib.sha256()
        for tensor in prepared.net.state_dict().values():
            digest.update(tensor.cpu().numpy().tobytes())
        (folder / "digest").write_text(f"{len(history)} {digest.hexdigest()}")
        run.complete({"val_accuracy": history[-1]["val_accuracy"]})


class Judging(SweepRunner):
    """A sweep whose judge prunes one job after its first epoch, and that is stopped after so many ends."""

    def __init__(self, jobs: LaneJobs, wanted: list[Job], stop_after: int) -> None:
        super().__init__(jobs, wanted, draw=False)
        self.left = stop_after

    def judge(self, job: Job) -> str:
        assert job.folder.name == str(PRUNED)
        assert read_epochs(job.folder)
        return "hopeless"

    def ended(self, run: Run, view: SweepView) -> None:
        super().ended(run, view)
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)


def jobs_in(folder: Path, composed: Composed, device: str) -> list[Job]:
    jobs = []
    for number in range(JOBS):
        own = ["optimizer.lr=1e30"] if number == DIVERGES else [f"optimizer.lr={0.001 * (1 + number % 3)}"]
        own += ["trainer.patience=1"] if number == PATIENT else []
        fixed = (
            "data=synthetic",
            "data.classes=[cat,moon]",
            "data.per_class=30",
            "data.batch_size=32",
            f"device={device}",
            "threads=1",
        )
        config = composed(*fixed, f"trainer.epochs={2 + number % 4}", f"seed={number}", *own)
        place = folder / str(number)
        jobs.append(Job(own, place, config, partial(end, place, config), judged=number == PRUNED, sweep=folder))
    return jobs


def run_all(folder: Path, composed: Composed, device: str, stop_after: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    jobs = LaneJobs(folder, 2, (), LANES)
    jobs.pool.warm_up = lambda: None  # type: ignore[method-assign]
    Judging(jobs, jobs_in(folder, composed, device), stop_after).run(fail_fast=False)


def ends(folder: Path) -> dict[str, tuple[str, str]]:
    """How each job ended: its state, and its epochs with the sha256 of its weights."""
    found = {}
    for path in folder.glob("*/status.json"):
        job = path.parent
        digest = job / "digest"
        found[job.name] = (RunFolder(job).status["state"], digest.read_text() if digest.exists() else "")
    return found


def assert_nobody_notices(folder: Path, composed: Composed, device: str) -> None:
    """A sweep with ends of every kind, stopped twice and run again, equals an undisturbed one."""
    run_all(folder / "undisturbed", composed, device)
    for stop_after in (5, 9):
        with pytest.raises(KeyboardInterrupt):
            run_all(folder / "stopped", composed, device, stop_after)
    states = [state for state, _ in ends(folder / "stopped").values()]
    assert states.count("interrupted") >= LANES - 1
    run_all(folder / "stopped", composed, device)
    undisturbed = ends(folder / "undisturbed")
    assert ends(folder / "stopped") == undisturbed
    assert len(undisturbed) == JOBS
    assert undisturbed[str(DIVERGES)][0] == "diverged"
    assert undisturbed[str(PRUNED)][0] == "pruned"
    assert [state for state, _ in undisturbed.values()].count("completed") == JOBS - 2
    assert len({digest for _, digest in undisturbed.values()}) == JOBS - 1
