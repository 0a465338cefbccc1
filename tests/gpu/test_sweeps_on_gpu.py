"""Sweeps in lanes on a GPU: chosen lanes, the same bits in whatever company, alone, and after a kill."""

import os
import signal
from pathlib import Path

import pytest

from tests.gpu import GPU
from tests.support.program import Outcome, call
from tests.support.sweeps import job_folders, packs, start, status, sweep, until, weights

pytestmark = GPU

GRID = ("optimizer.lr=0.002,0.004", "seed=0,1,2", "device=cuda", "trainer.epochs=4")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Outcome:
    """A sweep of six jobs in as many lanes as it has by itself."""
    outcome = sweep(tmp_path_factory.mktemp("grid"), drawings, *GRID)
    assert outcome.code == 0, outcome.err
    return outcome


def by_settings(folder: Path) -> dict[str, str]:
    """The sha256 of each job's weights, by the hash of its settings."""
    return {name.rpartition("-")[2]: digest for name, digest in weights(folder).items()}


def test_six_jobs_have_eight_lanes_and_a_folder_each(grid: Outcome) -> None:
    jobs = job_folders(grid.folder)
    assert [status(job)["state"] for job in jobs] == ["completed"] * 6
    assert {status(job)["config"]["lanes"] for job in jobs} == {8}
    assert len(by_settings(grid.folder)) == len(set(by_settings(grid.folder).values())) == 6


def test_a_job_alone_has_the_bits_of_its_lane(grid: Outcome, tmp_path: Path) -> None:
    outcome = call(tmp_path, f"rerun={job_folders(grid.folder)[2]}")
    assert outcome.code == 0, outcome.err
    assert "the same weights as" in outcome.out


def test_other_company_changes_no_bit(grid: Outcome, tmp_path: Path, drawings: Path) -> None:
    others = ("seed=2,7,1", "optimizer.lr=0.004", "device=cuda", "trainer.epochs=4", "hydra.launcher.lanes=8")
    outcome = sweep(tmp_path, drawings, *others)
    assert outcome.code == 0, outcome.err
    ours, theirs = by_settings(grid.folder), by_settings(tmp_path)
    assert len(ours.keys() & theirs.keys()) == 2
    assert all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())


def test_a_pack_killed_and_the_same_command_again_end_with_the_same_bits(
    grid: Outcome, tmp_path: Path, drawings: Path
) -> None:
    program = start(tmp_path, drawings, *GRID, "trainer.checkpoint_every_s=0")
    until(lambda: list(tmp_path.glob("outputs/multirun/*/*/checkpoint/*.safetensors")), "a checkpoint", program)
    for pid in packs(tmp_path):
        os.kill(pid, signal.SIGKILL)
    program.wait(120)
    second = sweep(tmp_path, drawings, *GRID, "trainer.checkpoint_every_s=0")
    assert second.code == 0, second.err
    assert by_settings(tmp_path) == by_settings(grid.folder)
