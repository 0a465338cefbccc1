"""A sweep and a search use nothing but the interface Jobs: they run on one that a test wrote in twenty lines."""

import csv
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quickdraw.errors import Interrupted, RunError
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run
from quickdraw.search.pruning import make_pruner
from quickdraw.search.runner import SearchRunner
from quickdraw.search.sampling import Proposer
from quickdraw.search.space import Axis, Params
from quickdraw.search.study import Study
from quickdraw.sweep.job import Job
from quickdraw.sweep.runner import SweepRunner
from tests.support.jobs_here import JobsHere

EPOCHS = 4
CONFIG = {"seed": 0, "trainer": {"epochs": EPOCHS, "monitor": "val_accuracy"}}


def train(folder: Path, score: float, judge: partial[str]) -> None:
    """Do what a run does: an epoch and a question after the other, then a result. One without a score fails."""
    folder.mkdir()
    run = RunFolder(folder)
    if score < 0:
        run.update(state="failed", reason="no score")
        return
    with (folder / "metrics.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["val_accuracy", "train_s"])
        for _ in range(EPOCHS):
            rows.writerow([score, 1.0])
            file.flush()
            reason = judge()
            if reason:
                run.update(state="pruned", reason=reason, started="now")
                return
    run.complete({"val_accuracy": score, "val_loss": 1.0, "test_accuracy": score, "test_loss": 1.0, "total_s": 1.0})


def job(folder: Path, score: float) -> Job:
    config = CONFIG | {"score": score}
    return Job([f"score={score}"], folder / f"score-{score}", config, partial(train, folder / f"score-{score}", score))


def test_sweep_runs_what_is_missing_on_any_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "score-0.5", 0.5, partial(str))
    jobs = JobsHere(tmp_path, 1)
    runner = SweepRunner(jobs, [job(tmp_path, score) for score in (0.25, 0.5, -1)], draw=False)
    with pytest.raises(RunError, match=r"^1 of 3 jobs failed; the same command runs them again, and only them$"):
        runner.run(fail_fast=False)
    out = capsys.readouterr().out
    assert "3 jobs in " in out
    assert ": 2 to run" in out
    assert [run.state for run in runner.runs.values()] == ["completed", "completed", "failed"]
    assert (tmp_path / "summary.csv").exists()


def test_search_chooses_and_prunes_on_any_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    axes = [Axis("loss", choices=(0.1, 0.2, 0.3, 0.9))]
    study = Study(tmp_path, Proposer(axes, "random", 0, 1), make_pruner("asha", 1, 2, 1), "maximize")

    def jobs_of(number: int, params: Params) -> list[Job]:
        return [job(tmp_path, round(1 - params["loss"], 1))]

    SearchRunner(JobsHere(tmp_path, 1), study, "val_accuracy", 4, jobs_of, draw=False).run(fail_fast=False)
    states = {trial.params["loss"]: trial.user_attrs["state"] for trial in study.trials()}
    assert states == {0.1: "completed", 0.2: "completed", 0.3: "pruned", 0.9: "pruned"}  # 0.2 is tried first
    assert "pruned: val_accuracy 0." in capsys.readouterr().out


def test_a_dry_run_counts_the_time_by_as_many_jobs_as_run_at_once(tmp_path: Path) -> None:
    train(tmp_path / "score-0.5", 0.5, partial(str))
    jobs = JobsHere(tmp_path, 1)
    jobs.size = 2
    wanted = [job(tmp_path, score) for score in (0.5, 0.1, 0.2, 0.3, 0.4)]
    assert SweepRunner(jobs, wanted).preview().endswith("4 to run; time left: about 2 s")


def test_a_stopped_sweep_shows_how_its_jobs_stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs that ended while others were stopped at once were not taken in."""
    jobs = JobsHere(tmp_path, 1)
    runner = SweepRunner(jobs, [job(tmp_path, score) for score in (0.25, 0.5)], draw=False)
    following = jobs.next

    def interrupted(*arguments: Any) -> Run | None:
        following(*arguments)
        raise Interrupted(signal.SIGINT)

    jobs.next = interrupted  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        runner.run(fail_fast=False)
    assert [run.state for run in runner.runs.values()] == ["completed", "new"]
    assert "stopped; 1 of 2 jobs are finished. The same command continues." in capsys.readouterr().out
