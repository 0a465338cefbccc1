"""A sweep that is continued trains on the drawings that its finished jobs saw, or not at all."""

import copy
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from quickdraw.analysis.race import Race
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.doodles import draw_class
from quickdraw.errors import RunError
from quickdraw.race.runner import RaceRunner
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run
from quickdraw.search.pruning import make_pruner
from quickdraw.search.runner import SearchRunner
from quickdraw.search.sampling import Proposer
from quickdraw.search.space import Axis, Params
from quickdraw.search.study import Study, held
from quickdraw.sweep import same_drawings
from quickdraw.sweep.job import Job
from quickdraw.sweep.pool import Pool
from quickdraw.sweep.runner import SweepRunner
from quickdraw.sweep.same_drawings import check_drawings, fingerprints_seen, other_program
from tests.support.damage import job_of
from tests.support.jobs_here import JobsHere, PoolHere

Compose = Callable[..., dict[str, Any]]


@pytest.fixture
def config(composed: Compose, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    for name in ("cat", "moon"):
        np.save(tmp_path / f"{name}.npy", draw_class(name, 60, seed=0))

    def with_settings(**data: Any) -> dict[str, Any]:
        made = composed(f"data.root={tmp_path}", "data.classes=[cat,moon]", f"data.cache={tmp_path / 'cache'}")
        made["data"] |= data
        return made

    return with_settings


def finished(folder: Path, config: dict[str, Any]) -> Run:
    """Make a finished job as training leaves it, with the fingerprints of today's files."""
    train(folder, config)
    return job_of(folder, config).on_disk()


def train(folder: Path, config: dict[str, Any], judge: Callable[[], str] = str) -> None:
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    run.begin(config, [])
    node = {key: value for key, value in config["data"].items() if not key.startswith("_")}
    (folder / "weights").mkdir()
    known = {"classes": ["cat", "moon"], "fingerprints": dict(Bitmaps(**node).fingerprints)}
    (folder / "weights" / "x_net.json").write_text(json.dumps(known))
    run.complete({"val_accuracy": 0.5, "val_loss": 1.0, "test_accuracy": 0.5, "test_loss": 1.0, "total_s": 1.0})


def rate_job(folder: Path, config: dict[str, Any], lr: float, seed: int = 0) -> Job:
    """A job that differs from others in its learning rate and seed, and trains as `train` does."""
    own = copy.deepcopy(config) | {"seed": seed}
    own["optimizer"]["lr"] = lr
    place = folder / f"lr-{lr}-{seed}"
    return Job([f"optimizer.lr={lr}"], place, own, partial(train, place, own))


def test_drawings_that_were_replaced_are_refused_with_the_class(
    config: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    run = finished(tmp_path / "sweep" / "a", config())
    wanted = [job_of(tmp_path / "sweep" / "b", config(batch_size=7))]
    pool = cast(Pool, PoolHere())
    check_drawings([run], wanted, pool)
    np.save(tmp_path / "moon.npy", draw_class("moon", 60, seed=1))
    with pytest.raises(RunError, match=r"sweep/a: the drawings of moon changed since this job was finished"):
        check_drawings([run], wanted, pool)

    # Through the sweep itself: before any job starts.
    jobs = JobsHere(tmp_path / "sweep", 1)
    jobs.pool = pool
    runner = SweepRunner(jobs, [job_of(run.folder, config()), *wanted], draw=False)
    for refused in (runner.preview, lambda: runner.run(fail_fast=False)):
        with pytest.raises(RunError, match="moon changed"):
            refused()
    assert not (tmp_path / "sweep" / "b").exists()


def test_a_search_is_not_continued_on_drawings_that_were_replaced(
    config: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "search"
    folder.mkdir()

    def search(n_trials: int) -> None:
        def jobs_of(number: int, params: Params) -> list[Job]:
            return [rate_job(folder, config(), params["optimizer.lr"])]

        with held(folder):
            proposer = Proposer([Axis("optimizer.lr", choices=(0.1, 0.2, 0.3))], "random", 0, 1)
            study = Study(folder, proposer, make_pruner("none", 1, 2, 1), "maximize")
            SearchRunner(JobsHere(folder, 1), study, "val_accuracy", n_trials, jobs_of, draw=False).run(fail_fast=False)

    search(1)
    jobs = sorted(folder.glob("lr-*"))
    np.save(tmp_path / "cat.npy", draw_class("cat", 60, seed=1))
    with pytest.raises(RunError, match=r"the drawings of cat changed since this job was finished"):
        search(2)
    assert sorted(folder.glob("lr-*")) == jobs, "no job was started"


def test_a_race_is_not_continued_on_drawings_that_were_replaced(
    config: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "race"
    folder.mkdir()
    rates = {"lr=0.1": 0.1, "lr=0.2": 0.2}
    rules = {"max_jobs": None, "tolerance": 0.0, "futility": 0.1, "confirm": 0, "vary": ["seed"]}

    def race(max_seeds: int) -> None:
        def compose(name: str, seed: int) -> Job:
            return rate_job(folder, config(), rates[name], seed)

        asked = Race(rules | {"max_seeds": max_seeds, "looks": [2, 3]}, 0, {name: {} for name in rates})
        RaceRunner(JobsHere(folder, 1), asked, compose, draw=False).run(fail_fast=False)

    race(2)
    jobs = sorted(folder.glob("lr-*"))
    assert len(jobs) == 4
    np.save(tmp_path / "cat.npy", draw_class("cat", 60, seed=1))
    with pytest.raises(RunError, match=r"the drawings of cat changed since this job was finished"):
        race(3)
    assert sorted(folder.glob("lr-*")) == jobs, "no job was started"


def test_only_jobs_with_the_same_settings_of_data_are_compared(
    config: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    run = finished(tmp_path / "sweep" / "a", config(limit_per_class=30))
    np.save(tmp_path / "moon.npy", draw_class("moon", 60, seed=1))
    pool = PoolHere()
    check_drawings([run], [job_of(tmp_path / "sweep" / "b", config(limit_per_class=40))], cast(Pool, pool))
    assert pool.asked == 0


def test_many_finished_jobs_are_looked_at_here_and_there(
    config: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(tmp_path / "sweep" / "a", config())
    looked = []
    monkeypatch.setattr(same_drawings, "data_key", lambda settings: looked.append(1) or str(len(looked)))
    fingerprints_seen([run] * 10_000)
    assert 100 < len(looked) <= same_drawings.MOST_READ


def test_another_commit_is_a_warning_whether_the_job_was_finished_or_only_begun(
    config: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_drawings, "describe_program", lambda: ({"commit": "e" * 40}, None))
    run = finished(tmp_path / "sweep" / "a", config())
    assert other_program([run]) == ""
    (run.folder / "provenance.json").write_text(json.dumps({"starts": [{"program": {"commit": "f" * 40}}]}))
    warning = f"warning: {run.folder} was trained by commit ffffffffff, and this is eeeeeeeeee: results may differ"
    assert other_program([run]) == warning


def test_a_continued_sweep_says_that_an_interrupted_job_began_under_another_commit(
    config: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(same_drawings, "describe_program", lambda: ({"commit": "e" * 40}, None))
    run = finished(tmp_path / "sweep" / "a", config())
    (run.folder / "result.json").unlink()
    (run.folder / "provenance.json").write_text(json.dumps({"starts": [{"program": {"commit": "f" * 40}}]}))
    jobs = JobsHere(run.folder.parent, 1)
    jobs.pool = cast(Pool, PoolHere())
    SweepRunner(jobs, [job_of(run.folder, config())], draw=False).preview()
    assert "was trained by commit ffffffffff" in capsys.readouterr().err


def test_the_ranking_is_printed_where_no_summary_can_be_written(
    config: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = finished(tmp_path / "sweep" / "a", config())

    def refuse(*arguments: Any) -> None:
        raise OSError(30, os.strerror(30), "summary.csv")

    monkeypatch.setattr("quickdraw.sweep.runner.write_summary", refuse)
    monkeypatch.setattr("quickdraw.analysis.commands.write_summary", refuse)
    SweepRunner(JobsHere(run.folder.parent, 1), [job_of(run.folder, config())], draw=False).run(fail_fast=False)
    printed = capsys.readouterr()
    assert "0.5000" in printed.out
    assert printed.err == "warning: no summary.csv (Read-only file system)\n"
    from quickdraw.analysis.commands import show_sweep

    assert "warning: no summary.csv (Read-only file system)" in str(show_sweep(str(run.folder.parent)).parts[-1])
