"""Long runs of what the other tests do shortly: `make stress`. `QUICKDRAW_KILLS=1000 make stress` kills more often."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickdraw.run.folder import RunFolder
from tests.support import faults
from tests.support.fuzz import FUZZ, check_fuzzed_file
from tests.support.program import call
from tests.support.resuming import TINY, Life, calling, ending, killed_life, side_by_side, stray

pytestmark = pytest.mark.stress

KILLS = int(os.environ.get("QUICKDRAW_KILLS", "100"))
REAL = (
    "model=convnet",
    "data.classes=[cat,dolphin,moon,alarm clock,banana,airplane,circle,door,donut,eye]",
    "data.limit_per_class=1000",
    "data.batch_size=64",
    "trainer.epochs=3",
    "trainer.checkpoint_every_s=0.1",
    "threads=1",
    "hydra.run.dir=run",
)


def test_kill_9_at_random_moments_of_a_run_on_real_drawings_changes_no_bit(tmp_path: Path, real_drawings: Path) -> None:
    command = (f"data.root={real_drawings / 'bitmap'}", *REAL)
    begin = time.monotonic()
    assert call(tmp_path, *command).code == 0
    duration_s = time.monotonic() - begin
    undisturbed, kills = ending(tmp_path / "run"), list[int]()
    side_by_side(killed_life(tmp_path / str(n), command, duration_s, undisturbed, kills) for n in range(KILLS))
    print(f"\n{KILLS} runs of {duration_s:.1f} s were killed {sum(kills)} times; each ended with the same bits")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["sigkill", "sigterm"])
def test_a_signal_at_every_single_file_operation(number: int, tmp_path: Path, drawings: Path) -> None:
    command = (f"data.root={drawings}", *TINY)
    (tmp_path / "here").mkdir()
    assert call(tmp_path / "here", *command, setup=partial(faults.photograph, tmp_path)).code == 0
    operations = (tmp_path / faults.OPERATIONS).read_text().splitlines()
    undisturbed: dict[str, Any] = ending(tmp_path / "here/run")

    def life(operation: int) -> Life:
        folder = tmp_path / f"signal-{operation}"
        folder.mkdir()
        outcome = yield calling(folder, *command, setup=partial(faults.signal_at, operation, number))
        assert outcome.code in {-number, 128 + number, 0}, operations[operation - 1]
        begun = RunFolder(folder / "run").begun
        outcome = yield calling(folder, *(["resume=run"] if begun else command))
        assert (outcome.code, outcome.err) == (0, ""), operations[operation - 1]
        assert ending(folder / "run") == undisturbed, operations[operation - 1]
        assert stray(folder) == []

    side_by_side(life(operation) for operation in range(1, len(operations) + 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("fuzz")


@given(data=st.data())
@settings(FUZZ, max_examples=10_000)
def test_10_000_fuzzed_class_files(data: st.DataObject, folder: Path) -> None:
    check_fuzzed_file(data, folder / "fuzzed.npy")
