"""Packs killed with -9, again and again, at moments nobody chose."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.sweeps import job_folders, packs, start, status, sweep, weights

pytestmark = pytest.mark.stress
GRID = ("optimizer.lr=0.002,0.005", "seed=0,1,2,3,4", "trainer.epochs=40", "trainer.checkpoint_every_s=0.05")
LANES = ("hydra.launcher.lanes=4", "device=cpu")
KILLS = 20


def test_twenty_kills_of_packs_lose_nothing_and_change_no_bit(tmp_path: Path, drawings: Path) -> None:
    dice = random.Random(0)
    undisturbed = tmp_path / "undisturbed"
    disturbed = tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
    outcome = sweep(undisturbed, drawings, *GRID, *LANES)
    assert outcome.code == 0, outcome.err

    kills = 0
    while kills < KILLS:
        program = start(disturbed, drawings, *GRID, *LANES)
        while program.process.is_alive() and kills < KILLS:
            time.sleep(dice.uniform(0, 1.5))
            for pid in packs(disturbed):
                os.kill(pid, signal.SIGKILL)
                kills += 1
        outcome = program.wait(600)
        unfinished = sum(status(job)["state"] != "completed" for job in job_folders(disturbed))
        assert outcome.code == (1 if unfinished else 0), outcome.err
        assert unfinished or kills >= KILLS, f"too short for {KILLS} kills: {kills}"
    outcome = sweep(disturbed, drawings, *GRID, *LANES)
    assert outcome.code == 0, outcome.err
    assert len(weights(disturbed)) == 10
    assert weights(disturbed) == weights(undisturbed)
