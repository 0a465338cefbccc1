"""A search and a race on Slurm and on Ray: killed in the middle, the same command continues.

`make test-clusters` runs these, as those of test_clusters.py.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from quickdraw.analysis.journal import read_search
from quickdraw.analysis.sweep import read_sweep
from tests.support import clusters
from tests.support.clusters import Command
from tests.support.program import Outcome
from tests.support.sweeps import alive, job_folders, running, status, sweep, until

pytestmark = [
    pytest.mark.clusters,
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

PATIENCE_S = 900  # a job takes seconds to start, and twenty wait for two processors
SMALL = ("data.classes=[cat,moon,door]", "data.batch_size=32", "threads=1", "trainer.checkpoint_every_s=1")
SEARCH = (
    "hydra/sweeper=optuna", "hydra.sweeper.n_trials=20", "hydra.sweeper.startup_trials=5", "trainer.epochs=150",
    "optimizer.lr=tag(log,interval(1e-5,1e-1))", "dropout_rate=interval(0.0,0.6)",
)  # fmt: skip
RACE = (
    "hydra/sweeper=race", "hydra.sweeper.max_seeds=3", "hydra.sweeper.confirm=1", "trainer.epochs=20",
    "optimizer.lr=1e-5,8e-3", "dropout_rate=0.1,0.3",
)  # fmt: skip


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    with clusters.slurm(tmp_path_factory.mktemp("slurm")):
        yield ("hydra/launcher=slurm", "hydra.launcher.poll_s=1", "hydra.launcher.array_parallelism=2")


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    with clusters.ray(tmp_path_factory.mktemp("ray")) as address:
        yield ("hydra/launcher=ray", f"hydra.launcher.ray.init.address={address}")


@pytest.fixture
def launcher(request: pytest.FixtureRequest) -> tuple[str, ...]:
    arguments: tuple[str, ...] = request.getfixturevalue(request.param)
    return arguments


@pytest.fixture(autouse=True)
def no_command_left() -> Iterator[None]:
    yield
    Command.end_all()


def killed_and_continued(folder: Path, ends: int, *arguments: str) -> Outcome:
    """Kill the command once some jobs have ended and another trains; type it again and wait for its end."""
    command = Command(folder, *arguments)
    clusters.patiently(
        lambda: command.process.poll() is not None or (ended(folder) >= ends and running(folder)), "jobs", PATIENCE_S
    )
    command.process.send_signal(signal.SIGKILL)
    killed = command.wait()
    assert killed.code == -signal.SIGKILL, killed
    outcome = Command(folder, *arguments).wait(PATIENCE_S)
    assert outcome.code == 0, outcome
    return outcome


def ended(folder: Path) -> int:
    return sum(status(job).get("state") in ("completed", "pruned") for job in job_folders(folder))


@pytest.mark.parametrize("launcher", ["slurm", "ray"], indirect=True)
def test_killed_search_of_twenty_trials_continues_and_prunes(
    tmp_path: Path, drawings: Path, launcher: tuple[str, ...]
) -> None:
    outcome = killed_and_continued(tmp_path, 4, *launcher, *SEARCH, *SMALL, f"data.root={drawings}")
    print(outcome.out)
    (folder,) = (tmp_path / "outputs" / "multirun").iterdir()
    search = read_search(folder)
    assert search
    states = [trial.final_state for trial in search.trials]
    assert len(states) == 20
    assert {*states} == {"completed", "pruned"}
    assert len(job_folders(tmp_path, "[!.]*")) == 20
    for trial in search.trials:
        (job,) = trial.facts["jobs"]
        assert status(folder / job)["state"] == trial.final_state
        assert len(trial.curve) == trial.facts["epochs"]
        if trial.final_state == "pruned":
            assert len(trial.curve) < 150


@pytest.mark.parametrize("launcher", ["slurm", "ray"], indirect=True)
def test_killed_race_ends_with_the_decisions_of_the_local_launcher(
    tmp_path: Path, drawings: Path, launcher: tuple[str, ...]
) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "cluster").mkdir()
    local = sweep(tmp_path / "local", drawings, *RACE, *SMALL)
    assert local.code == 0, local.err
    outcome = killed_and_continued(tmp_path / "cluster", 2, *launcher, *RACE, *SMALL, f"data.root={drawings}")
    print(outcome.out)
    (ours,) = (tmp_path / "local" / "outputs" / "multirun").iterdir()
    theirs = tmp_path / "cluster" / "outputs" / "multirun" / ours.name
    assert read_sweep(theirs).decision == read_sweep(ours).decision
    assert read_sweep(theirs).confirmation == read_sweep(ours).confirmation
    assert len(job_folders(tmp_path / "cluster", "[!.]*")) == len(job_folders(tmp_path / "local"))


@pytest.mark.parametrize("launcher", ["slurm", "ray"], indirect=True)
def test_ctrl_c_of_a_race_lets_jobs_save_and_leaves_none(
    tmp_path: Path, drawings: Path, launcher: tuple[str, ...]
) -> None:
    command = Command(tmp_path, *launcher, *RACE, *SMALL, "trainer.epochs=5000", f"data.root={drawings}")
    clusters.patiently(lambda: command.process.poll() is not None or len(running(tmp_path)) == 2, "jobs", PATIENCE_S)
    pids = running(tmp_path)
    command.process.send_signal(signal.SIGINT)
    outcome = command.wait(PATIENCE_S)
    assert outcome.code == 130, outcome
    assert "The same command continues." in outcome.out
    until(lambda: not any(map(alive, pids)), "the end of the jobs")
    assert {status(job)["state"] for job in job_folders(tmp_path, "[!.]*") if "state" in status(job)} == {"interrupted"}
    if "SLURM_CONF" in os.environ and "slurm" in launcher[0]:
        assert clusters.say("squeue", "--noheader") == ""
