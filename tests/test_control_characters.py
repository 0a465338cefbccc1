"""Names and reasons may come from anywhere, and none of their letters commands the terminal."""

import ast
import json
import logging
import logging.config
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from quickdraw import console, evaluate, predict
from quickdraw.analysis import terminal
from quickdraw.analysis.__main__ import main as analyse
from quickdraw.analysis.tables import Table
from quickdraw.data import download
from quickdraw.data.fetch import bars
from quickdraw.errors import RunError, printable
from quickdraw.sweep.view import SweepView
from tests.conftest import CONF
from tests.support.made_up import make_run
from tests.support.program import call
from tests.support.resuming import refused

NASTY = {
    "title": "\x1b]0;owned\x07",
    "overwrite": "fine\rbad",
    "one-byte CSI": "\x9b31mred",
    "backwards": "\u202egnp.tac",
    "delete": "a\x7f\x08b",
    "line separator": "a\u2028b",
}


def commands_nothing(text: str) -> bool:
    """Whether a text holds none of the letters that `NASTY` is made of."""
    return re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", text) is None


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_control_characters_become_escapes(text: str) -> None:
    assert not commands_nothing(text)
    shown = printable(text)
    assert commands_nothing(shown)
    assert json.loads(f'"{shown}"') == text


@pytest.mark.parametrize("text", ["été 1.5 µs", "猫\u3000ねこ", "█ ± →", "two\nlines", "a\u00a0b", r"C:\new"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_json_is_the_same_json(text: str) -> None:
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


def logged(text: str) -> None:
    """Log a line as a run does."""
    config: Any = OmegaConf.to_container(OmegaConf.load(CONF / "hydra/job_logging/quickdraw.yaml"))
    del config["formatters"]["dated"], config["handlers"]["file"], config["loggers"], config["root"]
    name = "tests.control_characters"
    logging.config.dictConfig({**config, "loggers": {name: {"handlers": ["console"], "level": "INFO"}}})
    logging.getLogger(name).info("%s", text)


def live(text: str) -> None:
    """Refresh the live line of a sweep."""
    view = SweepView({}, [], 1)
    view.live = True
    print(end="", file=sys.stderr)
    view.refresh([text])


EXITS: dict[str, Callable[[str], Any]] = {
    "complain": lambda text: console.complain(RunError(text)),
    "say": console.say,
    "note": console.note,
    "table": lambda text: terminal.say(terminal.Answer([Table([text], [[text]]), text], {}), as_json=False),
    "json": lambda text: terminal.say(terminal.Answer([], {text: text}), as_json=True),
    "colours": lambda text: terminal.say_in_colours([Table([text], [[text]]), text]),
    "log": logged,
    "download": bars.say,
    "predict": lambda text: predict.show([{"picture": text, "sure": True, "top": [{"class": text, "probability": 1}]}]),
    "evaluate": lambda text: evaluate.main(["nowhere", f"data.root={text}"]),
    "parser": lambda text: evaluate.main([f"--{text}"]),
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("way", EXITS)
def test_no_way_to_the_terminal_lets_one_through(way: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    EXITS[way](text)
    said = capsys.readouterr()
    assert said.out + said.err != ""
    assert commands_nothing(said.out + said.err)


def test_the_live_line_of_a_sweep_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    live("job\x1b[2J\r")
    assert capsys.readouterr().err == "\r\033[K" + r"job\u001b[2J\r"


def test_a_cell_is_one_line() -> None:
    assert len(str(Table(["reason"], [["first\nsecond"]])).splitlines()) == 2


def test_a_runs_reason_and_class_names_are_shown_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "".join(NASTY.values())
    place = tmp_path / "runs" / "name" / "one"
    make_run(place, classes=("cat", "moon", f"door{text}"), reason=text, note=text)
    make_run(place.with_name("two"), score=None, state="failed", reason=text, note=text)
    for words in (["list"], ["show", str(place)], ["sweep", str(place.parent)], ["list", "--json"]):
        assert analyse([*words, f"--outputs={tmp_path}"]) in (0, 1)
        said = capsys.readouterr()
        assert commands_nothing(said.out + said.err), words


@pytest.mark.parametrize("argument", ["data.classes=['a\x1b[31m','b\x9b']", "exp_name=a\x1bb", "op\x07timizer.lr=1"])
def test_an_override_is_shown_without_them(argument: str, tmp_path: Path) -> None:
    outcome = call(tmp_path, argument, "data.root=nowhere", "threads=1")
    assert refused(outcome)
    assert commands_nothing(outcome.err + outcome.out)


@pytest.mark.parametrize("arguments", [("seed=1\r",), ("data=synthetic", "\r"), ("resume=a\r",), ("-m", "seed=1,2\r")])
def test_a_script_with_windows_line_ends_is_named_as_the_cause(arguments: tuple[str, ...], tmp_path: Path) -> None:
    outcome = call(tmp_path, *arguments)
    assert refused(outcome, "ends with a carriage return, as in a script with Windows line ends", "sed -i")
    assert "\r" not in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("main", [evaluate.main, predict.main, analyse, download.main])
def test_every_command_names_it(main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a", "b\r"]) == 1
    assert r"b\r: ends with a carriage return" in capsys.readouterr().err


def test_commands_of_hydra_print_by_what_shows_names() -> None:
    """A bare `print` would let the letters of a setting's name through."""
    for path in sorted((CONF.parent / "hydra_plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_bare = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            assert not is_bare, f"{path.name}: console.say"
