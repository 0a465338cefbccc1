"""Packs killed with -9, again and again, at moments nobody chose."""

import os
import random
import signal
import time
from pathlib import Path

from tests.support.sweeps import job_folders, packs, start, status, sweep, weights

GRID = ("optimizer.lr=0.002,0.005", "seed=0,1,2,3,4", "trainer.epochs=40", "trainer.checkpoint_every_s=0.05")
KILLS = 20


def assert_kills_change_no_bit(tmp_path: Path, drawings: Path, *arguments: str, longest_s: float) -> None:
    """A sweep whose packs are killed 20 times, each after `longest_s` at most, ends as one that is left alone."""
    dice = random.Random(0)
    undisturbed = tmp_path / "undisturbed"
    disturbed = tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
    outcome = sweep(undisturbed, drawings, *GRID, *arguments)
    assert outcome.code == 0, outcome.err

    kills = 0
    while kills < KILLS:
        program = start(disturbed, drawings, *GRID, *arguments)
        while program.process.is_alive() and kills < KILLS:
            time.sleep(dice.uniform(0, longest_s))
            for pid in packs(disturbed):
                os.kill(pid, signal.SIGKILL)
                kills += 1
        outcome = program.wait(600)
        unfinished = sum(status(job)["state"] != "completed" for job in job_folders(disturbed))
        assert outcome.code == (1 if unfinished else 0), outcome.err
        assert unfinished or kills >= KILLS, f"too short for {KILLS} kills: {kills}"
    outcome = sweep(disturbed, drawings, *GRID, *arguments)
    assert outcome.code == 0, outcome.err
    assert len(weights(disturbed)) == 10
    assert weights(disturbed) == weights(undisturbed)
