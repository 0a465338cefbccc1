"""A run with configuration files of one's own (`--config-dir`) is continued and repeated as any other is."""

import json
import shlex
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from hydra_plugins.quickdraw_cli.command_line import with_sweep_name
from hydra_plugins.quickdraw_cli.options import options_last
from tests.conftest import SMALL
from tests.support import faults
from tests.support.program import Outcome, call
from tests.support.resuming import ending, refused, status

PRESET = """# @package _global_
exp_name: mine
defaults:
  - override /model: narrow
  - override /schedule: constant
  - override /optimizer: sgd
data:
  classes: [moon, 'cat']
trainer:
  label_smoothing: 0.1
  grad_clip: .inf
"""
MODEL = "_target_: quickdraw.model.mlp.MLP\n_partial_: true\nhidden: 7\n"
HOSTILE = """# @package _global_
hydra:
  callbacks:
    evil: {_target_: os.mkdir, path: made}
  hydra_logging:
    version: 1
    handlers: {evil: {(): os.mkdir, path: made}}
    root: {handlers: [evil]}
"""


def write_files(folder: Path, preset: str = PRESET) -> None:
    """Write somebody's own preset and model."""
    for name, text in (("experiment/own", preset), ("model/narrow", MODEL)):
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> tuple[Path, tuple[str, ...]]:
    """A folder of configuration files, and the command of a run that uses it."""
    folder = tmp_path_factory.mktemp("mine")
    write_files(folder)
    return folder, (f"--config-dir={folder}", "experiment=own", "seed=5", f"data.root={drawings}", *SMALL[1:])


@pytest.fixture(scope="module")
def terminated(mine: tuple[Path, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run that got SIGTERM in its third step, in the folder `run`."""
    setup = partial(faults.signals_in_training, signal.SIGTERM)
    return call(tmp_path_factory.mktemp("terminated"), *mine[1], "hydra.run.dir=run", setup=setup)


@pytest.fixture
def stopped(terminated: Outcome, tmp_path: Path) -> Path:
    """A folder of its own with that run."""
    shutil.copytree(terminated.folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


def test_it_is_continued_by_the_very_command_that_is_printed(
    mine: tuple[Path, tuple[str, ...]], terminated: Outcome, stopped: Path, tmp_path: Path
) -> None:
    folder, command = mine
    (tmp_path / "whole").mkdir()
    assert call(tmp_path / "whole", *command, "hydra.run.dir=run").code == 0
    _, _, printed = terminated.err.strip().partition("continue with: python run.py ")
    assert status(stopped)["config_from"] == [str(folder)]
    again = call(tmp_path, *shlex.split(printed), setup=partial(faults.signals_in_training, signal.SIGINT))
    assert again.code == 130, again.err
    outcome = call(tmp_path, *shlex.split(printed))
    assert (outcome.code, outcome.err) == (0, "")
    assert ending(tmp_path / "run") == ending(tmp_path / "whole/run")


@pytest.mark.parametrize("gone", [pytest.param(False, marks=pytest.mark.stress), True])
def test_it_is_repeated_wherever_the_files_are_now(
    gone: bool, mine: tuple[Path, tuple[str, ...]], tmp_path: Path
) -> None:
    _, command = mine
    own = tmp_path / "own"
    write_files(own)
    assert call(tmp_path, "--config-dir", "own", *command[1:], "hydra.run.dir=first").code == 0
    if gone:
        own.rename(tmp_path / "elsewhere")
    outcome = call(tmp_path, "rerun=first", "hydra.run.dir=second")
    assert (outcome.code, outcome.err) == (0, "")
    assert "the same weights as first, bit for bit" in outcome.out
    again = call(tmp_path, "resume=second")
    assert "second is completed" in again.out


@pytest.mark.parametrize("place", ["before", "after"])
def test_options_stand_on_either_side(
    place: str, mine: tuple[Path, tuple[str, ...]], stopped: Path, tmp_path: Path
) -> None:
    options = ["--config-dir", str(mine[0]), "--cfg", "job"]
    typed = [*options, "resume=run"] if place == "before" else ["resume=run", *options]
    outcome = call(tmp_path, *typed)
    assert (outcome.code, outcome.err) == (0, "")
    assert "hidden: 7" in outcome.out
    assert "label_smoothing: 0.1" in outcome.out


def test_changed_settings_are_refused_as_for_any_other_run(stopped: Path, tmp_path: Path) -> None:
    assert refused(call(tmp_path, "resume=run", "model.hidden=8"), "model.hidden was 7 and is 8")


def test_a_folder_that_a_stranger_names_is_never_read(stopped: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "evil", HOSTILE)
    content = status(stopped)
    content["config_from"] = [str(tmp_path / "evil")]
    (stopped / "status.json").write_text(json.dumps(content))
    assert call(tmp_path, "resume=run").code == 0
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", {"_target_": "os.mkdir", "path": "made"}),
        ("hydra", {"callbacks": {"evil": {"_target_": "os.mkdir", "path": "made"}}}),
        ("data", {"_target_": "quickdraw.data.bitmaps.Bitmaps", "root": "${oc.env:HOME}"}),
        ("data", {"_target_": "quickdraw.data.bitmaps.Bitmaps", "root=a,hydra.run.dir": "made"}),
    ],
    ids=str,
)
def test_settings_that_no_run_has_are_refused_before_they_become_overrides(
    key: str, value: object, stopped: Path, tmp_path: Path
) -> None:
    content = status(stopped)
    content["config"][key] = value
    (stopped / "status.json").write_text(json.dumps(content))
    assert refused(call(tmp_path, "resume=run"))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        (["seed=1", "--cfg", "job", "device=cpu"], ["seed=1", "device=cpu", "--cfg", "job"]),
        (["-cd", "mine", "a=b"], ["a=b", "-cd", "mine"]),
        (["--config-dir=mine", "seed=1", "-m"], ["seed=1", "--config-dir=mine", "-m"]),
        (["--info", "seed=1"], ["seed=1", "--info"]),
        (["--info", "plugins", "seed=1"], ["seed=1", "--info", "plugins"]),
        (["--resolve", "~seed", ""], ["~seed", "", "--resolve"]),
    ],
)
def test_options_come_last_each_with_its_value(typed: list[str], wanted: list[str]) -> None:
    assert options_last(typed) == wanted


def test_a_sweeps_preset_in_a_folder_of_ones_own_keeps_its_name(tmp_path: Path) -> None:
    write_files(tmp_path)
    arguments = with_sweep_name(["-m", "--config-dir", str(tmp_path), "experiment=own", "seed=1,2"])
    assert not any(argument.startswith("exp_name=") for argument in arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--optimizer.lr=1e-3",), "--optimizer.lr=1e-3: a setting has no dashes: optimizer.lr=1e-3"),
        (("-seed=1",), "a setting has no dashes: seed=1"),
        (("--seed", "3"), "--seed: a setting has no dashes: seed=VALUE"),
        (("--data.batch_size", "64"), "a setting has no dashes: data.batch_size=VALUE"),
        (("--local_rank=0", "seed=1"), "--local_rank=0: there is no such option; a setting is typed KEY=VALUE"),
        (("--lr", "0.1"), "--lr: there is no such option; a setting is typed KEY=VALUE; did you mean 'optimizer.lr'?"),
        (("--cfg=jobs",), "argument --cfg/-c: invalid choice: 'jobs'"),
        (("seed=1", "--config-dir"), "argument --config-dir/-cd: expected one argument"),
    ],
)
def test_a_wrong_option_is_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    outcome = call(tmp_path, *arguments)
    assert refused(outcome, words)
    assert outcome.err.count("\n") == 1
