"""The promises of a race, by `run.py -m hydra/sweeper=race` itself."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from hydra_plugins.quickdraw_cli.command_line import with_sweep_name
from tests.support.program import NET
from tests.support.sweeps import job_folders, running, start, states, summary, sweep, times, until

RACE = (*NET, "hydra/sweeper=race")
GRID = ("optimizer.lr=1e-5,8e-3", "dropout_rate=0.1,0.2")
SHORT = ("trainer.epochs=1", "hydra.sweeper.max_seeds=3", "hydra.sweeper.confirm=1")


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (("seed=0,1",), "seed: a race gives its settings their seeds: hydra.sweeper.max_seeds=20"),
        (("data.split_seed=1,2",), "data.split_seed: a race gives its settings their seeds"),
        (("exp_name=a,b",), "exp_name: it cannot be raced"),
        (
            ("data.limit_per_class=20,30",),
            "data.limit_per_class: expected one value, because a race compares scores on",
        ),
        (("optimizer.lr=0.001",), "nothing to race: give at least one setting several values"),
        (("optimizer.lr=0.001,1e-3",), "nothing to race"),
        (
            ("optimizer.lr=interval(0.001,0.01)",),
            "optimizer.lr: say how many settings to draw: hydra.sweeper.n_settings",
        ),
        (("dropout_rate=0.1,1.5",), "dropout_rate: expected a number in [0, 1), got 1.5"),
        (
            ("dropout_rate=0.1,0.2", "hydra.sweeper.max_jobs=6"),
            "max_jobs: expected at least 7, got 6: 2 settings take 2 seeds",
        ),
        (
            ("dropout_rate=0.1,0.2", "hydra.sweeper.looks=[1]"),
            "hydra.sweeper.looks: expected a list of whole numbers from 2",
        ),
        (
            ("dropout_rate=0.1,0.2", "hydra.sweeper.vary=[data.split_seed]"),
            "hydra.sweeper.vary: expected [seed], or [seed, data.split_seed], got ['data.split_seed']",
        ),
        (
            ("dropout_rate=0.1,0.2", "hydra/launcher=basic"),
            "hydra/sweeper=race runs its jobs by hydra/launcher=local, slurm",
        ),
    ],
)
def test_mistake_is_named_before_the_first_job(tmp_path: Path, drawings: Path, bad: tuple[str, ...], told: str) -> None:
    outcome = sweep(tmp_path, drawings, *RACE, *bad)
    assert outcome.code == 1
    assert told in outcome.err
    assert len(outcome.err.splitlines()) <= 2
    assert job_folders(tmp_path) == []


def test_the_split_varies_with_the_seed_and_the_test_split_stays(tmp_path: Path, drawings: Path) -> None:
    vary = "hydra.sweeper.vary=[seed,data.split_seed]"
    outcome = sweep(tmp_path, drawings, *RACE, "optimizer.lr=1e-5,8e-3", *SHORT, vary, "data.split_seed=7")
    assert outcome.code == 0, outcome.err
    splits = set()
    for folder in job_folders(tmp_path):
        status = json.loads((folder / "status.json").read_bytes())
        data = status["config"]["data"]
        assert (data["split_seed"], data["test_seed"]) == (status["config"]["seed"], 7)
        labels = np.load(folder / "predictions.npz")
        splits.add((data["split_seed"], labels["index"].tobytes()))
    assert len({seed for seed, _ in splits}) >= 3
    assert len({tested for _, tested in splits}) == 1
    assert "Not judged" not in outcome.out


def test_dry_run_shows_what_would_run_and_leaves_nothing(tmp_path: Path, drawings: Path) -> None:
    outcome = sweep(tmp_path, drawings, *RACE, *GRID, "hydra.launcher.dry_run=true")
    assert outcome.code == 0, outcome.err
    assert "dropout_rate=0.1 lr=1e-05      0  left" in outcome.out
    assert ": 0 jobs finished, 8 to run until the next look, at most 83 in all" in outcome.out
    assert not (tmp_path / "outputs").exists()


def test_killed_race_continues_and_a_grid_takes_its_place(tmp_path: Path, drawings: Path) -> None:
    program = start(tmp_path, drawings, *RACE, *GRID, *SHORT)
    until(lambda: "completed" in states(tmp_path).values() and running(tmp_path), "the second job", program)
    program.kill()
    assert program.wait().code == -signal.SIGKILL
    ended = [job for job in job_folders(tmp_path) if (job / "result.json").exists()]
    before = times(ended)
    outcome = sweep(tmp_path, drawings, *RACE, *GRID, *SHORT)
    assert outcome.code == 0, outcome.err
    assert {path: time for path, time in times(ended).items() if path in before} == before
    assert "With 1 fresh seed, which did not choose it, " in outcome.out
    (folder,) = (tmp_path / "outputs" / "multirun").iterdir()
    race = json.loads((folder / "race.json").read_bytes())
    named = {place for places in [*race["jobs"].values(), *race["fresh"].values()] for place in places.values()}
    assert named == {job.name for job in job_folders(tmp_path)} == {row["folder"] for row in summary(tmp_path)}

    # The same again adds nothing; the grid over the same settings lies in the same folder, and is judged as one.
    before = times(job_folders(tmp_path))
    again = sweep(tmp_path, drawings, *RACE, *GRID, *SHORT)
    assert again.code == 0, again.err
    assert "finished, none to run" in again.out
    assert times(job_folders(tmp_path)) == before
    grid = sweep(tmp_path, drawings, *NET, *GRID, "trainer.epochs=1")
    assert grid.code == 0, grid.err
    assert ": none to run" in grid.out
    assert "with one seed each" in grid.out
    assert not (folder / "race.json").exists()


def test_drawn_settings_are_raced_and_more_keep_those_that_were_drawn(tmp_path: Path, drawings: Path) -> None:
    space = ("optimizer.lr=tag(log,interval(1e-4,1e-1))", "model=convnet,mlp", "hydra.launcher.dry_run=true")
    shown = []
    for count in (3, 5):
        outcome = sweep(tmp_path, drawings, "hydra/sweeper=race", *space, f"hydra.sweeper.n_settings={count}")
        assert outcome.code == 0, outcome.err
        shown.append([line.split("  ")[0] for line in outcome.out.splitlines() if " left" in line])
    assert len({*shown[1]}) == 5
    assert shown[1][:3] == shown[0]


def test_race_has_the_name_of_the_grid_over_the_same_values_and_its_budget_is_no_part_of_it() -> None:
    def name(*typed: str) -> str:
        return next(each for each in with_sweep_name(["-m", *typed]) if each.startswith("exp_name="))

    values = ("optimizer.lr=1,2", "trainer.epochs=3")
    assert (
        name(*values)
        == name("hydra/sweeper=race", *values)
        == name("hydra/sweeper=race", *values, "hydra.sweeper.max_seeds=9")
    )
    space, other = (
        ("hydra/sweeper=race", "optimizer.lr=interval(1,2)"),
        ("hydra/sweeper=race", "optimizer.lr=interval(1,3)"),
    )
    assert name(*space) != name(*other)
