"""Sweeps in lanes, by `run.py -m`: complete folders, the same bits whatever ran beside a job, and nothing lost."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import read_run
from tests.support.program import NET, Outcome, call
from tests.support.sweeps import (
    alive,
    job_folders,
    packs,
    running,
    start,
    states,
    status,
    summary,
    sweep,
    until,
    weights,
)

LANES = ("hydra.launcher.lanes=3", "device=cpu")
GRID = (*NET, "optimizer.lr=0.002,0.004", "seed=0,1,2", *LANES)
LONG = (*NET, "trainer.epochs=60", "trainer.checkpoint_every_s=0.05", "optimizer.lr=0.001,0.002", "seed=0,1", *LANES)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Outcome:
    """A sweep of six jobs in three lanes."""
    outcome = sweep(tmp_path_factory.mktemp("grid"), drawings, *GRID)
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Outcome:
    """The sweep over LONG that nobody disturbed."""
    outcome = sweep(tmp_path_factory.mktemp("undisturbed"), drawings, *LONG)
    assert outcome.code == 0, outcome.err
    return outcome


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def files(folder: Path) -> set[str]:
    """The files below a run's folder, without what is named by the time, the sweep or a changed tree."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    names = {re.sub(r"tfevents\..*|(?<=weights/).*(?=_net)", "", name) for name in names}
    return {name for name in names if not name.startswith("uncommitted-")}


def in_lanes(folder: Path, count: int) -> list[Path]:
    """The jobs that train in lanes and have saved, once there are so many."""

    def saved() -> list[Path]:
        jobs = [job for job in job_folders(folder) if status(job).get("state") == "running"]
        jobs = [job for job in jobs if list(job.glob("checkpoint/*.safetensors"))]
        return jobs if len(jobs) >= count else []

    jobs: list[Path] = until(saved, f"{count} jobs in lanes")
    return jobs


def test_a_job_in_a_lane_leaves_what_a_job_leaves(grid: Outcome, tmp_path: Path, drawings: Path) -> None:
    alone = sweep(tmp_path, drawings, *NET, "optimizer.lr=0.002", "seed=0", "device=cpu")
    assert alone.code == 0, alone.err
    (other,) = job_folders(tmp_path)
    jobs = job_folders(grid.folder)
    assert len(jobs) == 6
    assert other.name.rpartition("-")[2] in {job.name.rpartition("-")[2] for job in jobs}, "lanes change no name"
    for job in jobs:
        assert files(job) == files(other)
        assert status(job)["state"] == "completed"
        assert status(job)["config"]["lanes"] == 3
        assert "lanes=3" in status(job)["overrides"]
        assert read(job / "provenance.json")["starts"][-1]["environment"]["lanes"] == 3
        assert len((job / "metrics.csv").read_text().splitlines()) == 3
        assert read(job / "result.json")["total_s"] > read(job / "result.json")["train_s"]
        log = (job / "run.log").read_text()
        assert [log.count(line) for line in ("epoch   1", "epoch   2", "test accuracy")] == [1, 1, 1]
    assert [row["state"] for row in summary(grid.folder)] == ["completed"] * 6
    assert "lanes" not in summary(grid.folder)[0]
    assert "6 jobs in " in grid.out
    assert len(set(weights(grid.folder).values())) == 6
    assert not packs(grid.folder)


def test_a_job_ends_with_the_same_bits_in_whatever_company(grid: Outcome, tmp_path: Path, drawings: Path) -> None:
    few = sweep(tmp_path, drawings, *NET, "seed=2,1", "optimizer.lr=0.004", "exp_name=few", *LANES)
    assert few.code == 0, few.err
    ours = {name.rpartition("-")[2]: digest for name, digest in weights(grid.folder).items()}
    theirs = {name.rpartition("-")[2]: digest for name, digest in weights(tmp_path).items()}
    assert len(theirs) == 2
    assert theirs.items() <= ours.items()


def test_the_same_command_has_nothing_to_do_and_more_values_keep_what_is_there(grid: Outcome, drawings: Path) -> None:
    before = weights(grid.folder)
    again = sweep(grid.folder, drawings, *GRID)
    assert "none to run" in again.out
    assert weights(grid.folder) == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.stress)]
)
def test_a_signal_lets_all_lanes_save_and_each_job_can_be_continued_alone(
    tmp_path: Path, drawings: Path, undisturbed: Outcome, number: int, code: int
) -> None:
    program = start(tmp_path, drawings, *LONG)
    jobs = in_lanes(tmp_path, 2)
    program.send(number)
    outcome = program.wait()
    assert outcome.code == code
    assert "stopped; " in outcome.out
    assert set(states(tmp_path).values()) <= {"interrupted", "completed"}
    assert not packs(tmp_path)

    # One is continued alone, the others by the same command.
    alone = call(tmp_path, f"resume={jobs[0]}")
    assert alone.code == 0, alone.err
    second = sweep(tmp_path, drawings, *LONG)
    assert second.code == 0, second.err
    assert weights(tmp_path) == weights(undisturbed.folder)
    assert not any("lanes" in line for job in job_folders(tmp_path) for line in status(job)["warnings"])


def test_a_pack_killed_fails_its_jobs_and_the_same_command_loses_nothing(
    tmp_path: Path, drawings: Path, undisturbed: Outcome
) -> None:
    program = start(tmp_path, drawings, *LONG)
    jobs = in_lanes(tmp_path, 2)
    (pack,) = packs(tmp_path)
    os.kill(pack, signal.SIGKILL)
    first = program.wait()
    assert first.code == 1
    assert "killed by SIGKILL (out of memory?)" in first.out
    assert all(read_run(job).state == "failed" for job in jobs)
    assert "completed" in states(tmp_path).values(), "the jobs that waited had a new pack"
    second = sweep(tmp_path, drawings, *LONG)
    assert second.code == 0, second.err
    assert weights(tmp_path) == weights(undisturbed.folder)


def test_the_sweep_killed_leaves_no_orphan_and_the_same_command_continues(
    tmp_path: Path, drawings: Path, undisturbed: Outcome
) -> None:
    program = start(tmp_path, drawings, *LONG)
    in_lanes(tmp_path, 2)
    pids = running(tmp_path)
    program.kill()
    program.wait()
    second = start(tmp_path, drawings, *LONG)  # at once, while they may still be saving
    until(lambda: not any(map(alive, pids)), "orphans")
    outcome = second.wait()
    assert outcome.code == 0, outcome.err
    assert weights(tmp_path) == weights(undisturbed.folder)


def test_what_ends_one_job_touches_no_other(grid: Outcome, tmp_path: Path, drawings: Path) -> None:
    arguments = (*NET, "optimizer.lr=0.004,1e30", "seed=0,1", "trainer.patience=1,.inf", *LANES)
    outcome = sweep(tmp_path, drawings, *arguments)
    assert outcome.code == 0, outcome.err
    assert sorted(status(job)["state"] for job in job_folders(tmp_path)) == ["completed"] * 4 + ["diverged"] * 4
    ours = {name.rpartition("-")[2]: digest for name, digest in weights(grid.folder).items()}
    theirs = {name.rpartition("-")[2]: digest for name, digest in weights(tmp_path).items()}
    assert len(ours.keys() & theirs.keys()) == 2
    assert all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())


def test_shapes_have_packs_of_their_own_and_what_may_not_share_trains_alone(tmp_path: Path, drawings: Path) -> None:
    small = ("data.limit_per_class=25", "trainer.epochs=1")
    models = "model=convnet,mlp,small_resnet"
    outcome = sweep(tmp_path, drawings, *small, models, "data.batch_size=16,32", "seed=0,1", *LANES)
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("not in lanes, each in a process of its own: SmallResNet ") == 1
    widths = {job.name: status(job)["config"]["lanes"] for job in job_folders(tmp_path)}
    assert len(widths) == 12
    assert all(width == (1 if "small_resnet" in name else 3) for name, width in widths.items())


def test_what_cannot_begin_is_refused_with_the_cause(tmp_path: Path, drawings: Path) -> None:
    outcome = sweep(tmp_path, drawings, "seed=0,1", "hydra.launcher.lanes=0")
    assert outcome.code == 1
    assert "hydra.launcher.lanes: expected a whole number from 1 to 4096 or auto, got 0" in outcome.err
    job = sweep(tmp_path, f"{drawings},{tmp_path / 'none'}", *NET, "seed=0,1", *LANES)
    assert job.code == 1
    assert sorted(status(each)["state"] for each in job_folders(tmp_path)) == ["completed"] * 2 + ["failed"] * 2


def test_a_run_alone_has_the_bits_of_its_lane(grid: Outcome, tmp_path: Path) -> None:
    (job,) = [job for job in job_folders(grid.folder) if job.name.startswith("lr-0.002_seed-1")]
    again = call(tmp_path, f"rerun={job}")
    assert again.code == 0, again.err
    assert "the same weights as" in again.out
    assert RunFolder(again.run).status["config"]["lanes"] == 3


def test_a_search_prunes_in_lanes(tmp_path: Path, drawings: Path) -> None:
    space = ("optimizer.lr=tag(log,interval(1e-4,1e-1))", "hydra/sweeper=optuna", "hydra.sweeper.startup_trials=3")
    outcome = sweep(tmp_path, drawings, *NET, *space, "trainer.epochs=4", "hydra.sweeper.n_trials=8", *LANES)
    assert outcome.code == 0, outcome.err
    assert "[8/8]" in outcome.out
    found = [status(job) for job in job_folders(tmp_path)]
    assert len(found) == 8
    assert {each["config"]["lanes"] for each in found} == {3}
    assert {each["state"] for each in found} == {"completed", "pruned"}
    for job in job_folders(tmp_path):
        pruned = status(job)["state"] == "pruned"
        rows = len((job / "metrics.csv").read_text().splitlines()) - 1
        assert (rows < 4) == pruned


def test_a_race_runs_in_lanes(tmp_path: Path, drawings: Path) -> None:
    race = ("hydra/sweeper=race", "hydra.sweeper.max_seeds=2", "hydra.sweeper.confirm=1", "trainer.epochs=1")
    outcome = sweep(tmp_path, drawings, *NET, *race, "optimizer.lr=1e-5,8e-3", *LANES)
    assert outcome.code == 0, outcome.err
    found = [status(job) for job in job_folders(tmp_path)]
    assert len(found) >= 5
    assert {(each["state"], each["config"]["lanes"]) for each in found} == {("completed", 3)}
