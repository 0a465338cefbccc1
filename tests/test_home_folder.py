"""`~` is the home folder wherever a path is typed, in quotes too, where no shell has seen it."""

import json
import os
from functools import partial
from pathlib import Path

import pytest

from hydra_plugins.quickdraw_cli.home import with_home
from quickdraw import predict
from quickdraw.analysis.folders import find_run, find_sweep
from quickdraw.data import download
from tests.support.program import QUICK, Outcome, call


def test_a_run_and_a_sweep_below_the_home_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    job = tmp_path / "own" / "job"
    job.mkdir(parents=True)
    (job / "status.json").write_text(json.dumps({"state": "failed", "started": "2024-05-01T23:00:00+0900"}))
    assert find_run("~/own/job").state == "failed"
    assert len(find_sweep("~/own").runs) == 1


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("data.root=~/d", "data.root='~/d'"),
        ("+data.root=~", "+data.root='~'"),
        ("data.root=~ann/drawings (1)", "data.root='~ann/drawings (1)'"),
        ("data.root=~/it's", r"data.root='~/it\'s'"),
        ("data.root=~/a,/b,~/c", "data.root='~/a',/b,'~/c'"),
        ("data.root=choice(~/a,~/b)", "data.root=choice('~/a','~/b')"),
        ("hydra.searchpath=[~/conf]", "hydra.searchpath=['~/conf']"),
        ("resume=~/run", "resume='~/run'"),
        ("--config-dir=~/conf", "--config-dir=/home/ann/conf"),
        ("~/conf", "/home/ann/conf"),
    ],
)
def test_an_unquoted_one_is_understood(typed: str, understood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert with_home([typed]) == [understood]


@pytest.mark.parametrize(
    "typed", ["~data.cache", "~data.cache=x", "exp_name='a,~b'", "data.root='~/d'", 'data.root="=~/d"', "seed=1", "-m"]
)
def test_any_other_argument_stays_as_it_was_typed(typed: str) -> None:
    assert with_home([typed]) == [typed]


def at_home(folder: Path, *arguments: str) -> Outcome:
    """Call run.py in a folder, with the folder `home` beside it as the home folder."""
    folder.mkdir()
    home = folder.with_name("home")
    home.mkdir(exist_ok=True)
    return call(folder, *QUICK, "data.cache=~/cache", *arguments, setup=partial(live_in, home))


def test_the_tools_find_files_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    asked = predict.arguments().parse_args(["~/run", "~/a.png", "~/more/*.png", "--show=~/seen.png"])
    home = Path("/home/ann")
    assert (asked.run, asked.pictures) == (home / "run", [home / "a.png", home / "more/*.png"])
    assert asked.show == home / "seen.png"
    asked = download.arguments().parse_args(["--root=~/d", "--table=~/sizes.tsv"])
    assert (asked.root, asked.table) == (home / "d", home / "sizes.tsv")


def live_in(home: Path) -> None:
    """Let this process have that home folder."""
    os.environ["HOME"] = str(home)


@pytest.mark.parametrize("quote", ["", "'"])
def test_hydras_folder_of_a_run_lies_there(quote: str, tmp_path: Path) -> None:
    outcome = at_home(tmp_path / "work", f"hydra.run.dir={quote}~/runs/${{exp_name}}{quote}")
    assert (outcome.code, outcome.err) == (0, "")
    assert (tmp_path / "home/runs/quickdraw/result.json").is_file()
    assert (tmp_path / "home/cache").is_dir()
    assert list((tmp_path / "work").iterdir()) == []


def test_so_it_does_where_a_preset_names_it(tmp_path: Path) -> None:
    preset = tmp_path / "home/conf/experiment/mine.yaml"
    preset.parent.mkdir(parents=True)
    folders = "{run: {dir: ~/there}, sweep: {dir: ~/sweep}}"
    preset.write_text(f"# @package _global_\nexp_name: mine\nhydra: {folders}\n")
    outcome = at_home(tmp_path / "work", "--config-dir=~/conf", "experiment=mine")
    assert (outcome.code, outcome.err) == (0, "")
    assert (tmp_path / "home/there/result.json").is_file()
    typed = ("-m", "seed=0", "hydra.launcher.report=false")
    swept = at_home(tmp_path / "other", "--config-dir=~/conf", "experiment=mine", *typed)
    assert swept.code == 0, swept.err
    assert len(list((tmp_path / "home/sweep").glob("*/result.json"))) == 1
    assert (tmp_path / "home/sweep/summary.csv").is_file()


@pytest.mark.stress
def test_a_sweeps_folder_lies_there(tmp_path: Path) -> None:
    outcome = at_home(tmp_path / "work", "-m", "seed=0", "hydra.sweep.dir=~/sweep", "hydra.launcher.report=false")
    assert outcome.code == 0, outcome.err
    assert len(list((tmp_path / "home/sweep").glob("*/result.json"))) == 1
    assert list((tmp_path / "work").iterdir()) == []
