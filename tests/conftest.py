"""What several tests need: small drawings, real drawings, and `run.py` as a user calls it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from quickdraw.data.doodles import draw_class
from tests.program import SHARED, Outcome, call

SMALL = ("data.classes=[cat,moon,door]", "data.batch_size=32", "trainer.epochs=2", "threads=1")

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 60 drawings of each of three classes: cat, moon, door. Not to be changed."""
    folder = tmp_path_factory.mktemp("drawings")
    for name in ("cat", "moon", "door"):
        np.save(folder / f"{name}.npy", draw_class(name, 60, seed=0))
    return folder


@pytest.fixture(scope="session")
def real_drawings() -> Path:
    """The real drawings beside the project; a test that wants them is skipped without."""
    if not SHARED.is_dir():
        pytest.skip("needs real drawings in ../shared/quickdraw")
    return SHARED


@pytest.fixture
def run(tmp_path: Path, drawings: Path) -> Callable[..., Outcome]:
    """Call `python run.py` on the small drawings in an empty folder, two epochs of six steps, plus some arguments."""

    def call_small(*arguments: str) -> Outcome:
        return call(tmp_path, f"data.root={drawings}", *SMALL, *arguments)

    return call_small
