"""Drawings that lie elsewhere than they did: a run goes on where their fingerprints prove that they are the same."""

import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydra_plugins.quickdraw_cli.saved import taken_out
from quickdraw import evaluate, settings
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.download import arguments
from quickdraw.data.strokes import Strokes
from quickdraw.data.synthetic import Synthetic
from quickdraw.errors import DataError, RunError
from quickdraw.run.folder import RunFolder
from quickdraw.run.weights import load_network
from tests.support import faults
from tests.support.program import Outcome, call
from tests.support.resuming import TINY, refused, resume, status

CLASSES = ["cat", "moon"]


def config(root: str) -> dict[str, Any]:
    return {"seed": 0, "data": {"root": root, "batch_size": 32}}


@pytest.fixture
def home(tmp_path: Path, drawings: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with drawings in `drawings`, and where we are another one."""
    shutil.copytree(drawings, tmp_path / "home" / "drawings")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_a_stopped_run_goes_on_with_moved_drawings_and_only_with_the_same(tmp_path: Path, drawings: Path) -> None:
    shutil.copytree(drawings, tmp_path / "old")
    stopped = call(tmp_path, "data.root=old", *TINY, setup=partial(faults.signals_in_training, signal.SIGTERM))
    assert stopped.code == 143
    (tmp_path / "old").rename(tmp_path / "new")
    shutil.copytree(drawings, tmp_path / "others")
    np.save(tmp_path / "others" / "cat.npy", np.load(drawings / "cat.npy")[::-1])
    assert refused(resume(tmp_path / "run"), "data.root=old: no such folder", "data.root=FOLDER")
    assert refused(resume(tmp_path / "run", "data.root=others"), "the drawings of cat changed")
    again = resume(tmp_path / "run", "data.root=new")
    assert (again.code, again.err) == (0, "")
    assert "continuing after step" in again.out
    assert status(tmp_path / "run")["config"]["data"]["root"] == "new"
    assert "data.root=new" in status(tmp_path / "run")["overrides"]  # where it is found next time


@pytest.mark.parametrize("root", ["data", "./data/", "link", "../here/data", "ABSOLUTE", "~/../here/data"])
def test_one_folder_typed_in_two_ways_is_no_difference(root: str, home: Path) -> None:
    here = home.parent / "here"
    (here / "data").mkdir()
    (here / "link").symlink_to("data")
    root = root.replace("ABSOLUTE", str(here / "data"))
    assert settings.differences(config("data"), config(root)) == []
    assert settings.differences({"data.root": "data"}, {"data.root": root}) == []
    assert settings.differences(config("data"), config("elsewhere")) == ["data.root was 'data' and is 'elsewhere'"]
    run = RunFolder("run")
    Path("run").mkdir()
    run.begin(config("data"), [])
    run.complete({"test_accuracy": 1.0})
    RunFolder("run").check_settings(config(root))


def test_what_is_completed_is_not_shown_for_another_folder(home: Path) -> None:
    Path("run").mkdir()
    run = RunFolder("run")
    run.begin(config("data"), ["data.root=data"])
    RunFolder("run").check_settings(config("elsewhere"))  # to be continued: the fingerprints decide
    run.complete({"test_accuracy": 1.0})
    with pytest.raises(RunError, match=r"data\.root was 'data' and is 'elsewhere'"):
        RunFolder("run").check_settings(config("elsewhere"))


def test_the_last_root_that_was_typed_is_kept_among_the_overrides(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.begin(config("a"), ["data.root=a", "seed=0"])
    before = (tmp_path / "status.json").stat().st_mtime_ns
    run.note_changes(["data.root=a", "seed=0"])
    run.note_changes(["seed=0"])
    assert (tmp_path / "status.json").stat().st_mtime_ns == before
    run.note_changes(["data.root=a", "seed=0", "data.root=b", "data.root=c"])
    assert RunFolder(tmp_path).status["overrides"] == ["seed=0", "data.root=c"]


def test_a_home_folder_is_meant_wherever_a_path_is_typed(home: Path, finished: Outcome) -> None:
    assert Bitmaps("~/drawings", CLASSES, cache="~/cache").counts()["total"] == 120
    with pytest.raises(DataError, match=f"2 of 2 class files are missing: {home}"):
        Strokes("~/drawings", CLASSES)
    Synthetic(per_class=7, classes=CLASSES, cache="~/cache")
    shutil.copytree(finished.run, home / "run")
    assert evaluate.read_settings(["data.root='~/drawings'"])["data.root"] == str(home / "drawings")
    assert arguments().parse_args(["--root", "~/drawings"]).root == home / "drawings"
    assert load_network("~/run")[1]["classes"] == ["cat", "moon", "door"]
    assert RunFolder("~/run").result()
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("typed", ["outputs/a b", "'outputs/a b'", '"outputs/a b"'])
def test_quotes_around_a_folder_are_none_of_its_name(typed: str) -> None:
    assert taken_out("resume", ["seed=1", f"resume={typed}"]) == ("outputs/a b", ["seed=1"])
