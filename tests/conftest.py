"""What several tests need: small drawings, real drawings, and `run.py` as a user calls it."""

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from quickdraw.data.batches import Batches
from quickdraw.data.doodles import draw_class
from tests.support.program import ROOT, SHARED, Outcome, call, restore_interrupts, with_pictures

SMALL = ("data.classes=[cat,moon,door]", "data.batch_size=32", "trainer.epochs=2", "threads=1")
CONF = ROOT / "conf"

torch.set_num_threads(1)


def pytest_configure() -> None:
    """Let the programs that tests start, and send signals to, inherit none from us that is ignored."""
    restore_interrupts()


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 60 drawings of each of three classes: cat, moon, door. Not to be changed."""
    folder = tmp_path_factory.mktemp("drawings")
    for name in ("cat", "moon", "door"):
        np.save(folder / f"{name}.npy", draw_class(name, 60, seed=0))
    return folder


@pytest.fixture(scope="session")
def files(drawings: Path) -> list[np.ndarray]:
    """The same drawings, uint8 [60, 784] of each class."""
    return [np.load(drawings / f"{name}.npy") for name in ("cat", "moon", "door")]


@pytest.fixture
def train_batches(files: list[np.ndarray]) -> Batches:
    """100 drawings in three batches of 32 and one of 4."""
    return Batches(files, np.random.default_rng(0).permutation(180)[:100], batch_size=32)


@pytest.fixture
def val_batches(files: list[np.ndarray]) -> Batches:
    """80 other drawings in two batches of 32 and one of 16."""
    return Batches(files, np.random.default_rng(0).permutation(180)[100:], batch_size=32)


@pytest.fixture
def split(train_batches: Batches, val_batches: Batches) -> tuple[Batches, Batches]:
    """Both."""
    return train_batches, val_batches


@pytest.fixture(scope="session")
def real_drawings() -> Path:
    """The real drawings beside the project; a test that wants them is skipped without."""
    if not SHARED.is_dir():
        pytest.skip("needs real drawings in ../shared/quickdraw")
    return SHARED


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go to this machine's own servers, whatever the environment names."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def run(tmp_path: Path, drawings: Path) -> Callable[..., Outcome]:
    """Call `python run.py` on the small drawings in an empty folder, two epochs of six steps, plus some arguments."""

    def call_small(*arguments: str) -> Outcome:
        return call(tmp_path, f"data.root={drawings}", *SMALL, *arguments)

    return call_small


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One completed run on 130 drawings of each of three classes (in `data/`), shared by all tests that only look."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "data").mkdir()
    for name in ("cat", "moon", "door"):
        np.save(folder / "data" / f"{name}.npy", draw_class(name, 130, seed=1))
    outcome = call(folder, *SMALL, "trainer.epochs=3", setup=with_pictures)
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.fixture(scope="session")
def composed() -> Callable[..., dict[str, Any]]:
    """Return the whole configuration, resolved, as some overrides make it.

    Hydra composes each combination of choices once (0.1 s); values are set as Hydra sets them (2 ms).
    """
    parser = OverridesParser.create()

    @functools.cache
    def choose(*choices: str) -> DictConfig:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", list(choices))

    def compose_with(*overrides: str) -> dict[str, Any]:
        parsed = parser.parse_overrides(list(overrides))
        groups = [each for each in parsed if isinstance(each.value(), str) and (CONF / str(each.key_or_group)).is_dir()]
        config = copy.deepcopy(choose(*(str(each.input_line) for each in groups)))
        for each in parsed:
            parent, _, key = str(each.key_or_group).rpartition(".")
            if each.is_delete():
                with open_dict(config):
                    del (OmegaConf.select(config, parent) if parent else config)[key]
            elif each not in groups:
                OmegaConf.update(config, str(each.key_or_group), each.value(), force_add=True)
        return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]

    return compose_with
