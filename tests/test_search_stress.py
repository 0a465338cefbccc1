"""An adaptive search that is killed again and again, wherever its journal happens to stand."""

import random
import signal
from pathlib import Path

import pytest

from tests.support.sweeps import job_folders, start, sweep, until
from tests.test_search import ONE, SEARCH, SPACE, facts, trials

pytestmark = pytest.mark.stress
COMMAND = (*SEARCH, *SPACE, *ONE, "trainer.epochs=4", "hydra.sweeper.n_trials=12", "trainer.checkpoint_every_s=0.02")


def test_search_killed_thirty_times_tries_what_it_would_have_tried(tmp_path: Path, drawings: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    assert sweep(tmp_path / "whole", drawings, *COMMAND).code == 0
    draw = random.Random(0)
    killed = tmp_path / "killed"
    for _ in range(30):
        before = size(killed)
        program = start(killed, drawings, *COMMAND)
        grown = before + draw.randrange(1, 1500)
        until(lambda at=grown, call=program: size(killed) >= at or not call.process.is_alive(), "the journal grows")
        if not program.process.is_alive():
            break
        program.kill()
        assert program.wait().code == -signal.SIGKILL
    outcome = sweep(killed, drawings, *COMMAND)
    assert outcome.code == 0, outcome.err
    assert [facts(trial) for trial in trials(killed)] == [facts(trial) for trial in trials(tmp_path / "whole")]
    assert len(job_folders(killed)) == 12


def size(folder: Path) -> int:
    """Return the bytes of the only search's journal; 0 where there is none yet."""
    return sum(path.stat().st_size for path in folder.glob("outputs/multirun/*/study.journal"))
