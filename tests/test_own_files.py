"""A mistake in a configuration file of one's own, and options that make no sense together, are each one line."""

import io
import sys
from pathlib import Path

import pytest

from hydra_plugins.quickdraw_cli.own_files import check_own_files
from quickdraw import predict
from quickdraw.errors import ConfigError
from tests.conftest import CONF
from tests.support.program import call
from tests.support.resuming import refused

HEAD = b"# @package _global_\n"
MISTAKES = {
    "a tab": (
        HEAD + b"optimizer:\n\tlr: 0.1\n",
        ":3: found character '\\t' that cannot start any token; YAML is indented by",
    ),
    "a doubled key": (HEAD + b"data:\n  seed: 1\n  seed: 2\n", ":4: found duplicate key seed"),
    "an open list": (HEAD + b"data:\n  classes: [cat, moon\n", ":4: expected ',' or ']', but got '<stream end>'"),
    "no package line": (b"dropout_rate: 0.1\n", ":1: expected the line # @package _global_, or it sets no key"),
    "a mark": (
        b"\xef\xbb\xbf" + HEAD + b"seed: 1\n",
        ":1: begins with a byte-order mark; save it as UTF-8 without one",
    ),
    "latin-1": (HEAD + b"# G\xfcte\nseed: 1\n", ":2: expected UTF-8, got another encoding; save it as UTF-8"),
    "nul": (HEAD + b"seed: \x00\n", "unacceptable character"),
}


def write(folder: Path, data: bytes, name: str = "experiment/own.yaml") -> Path:
    """Write a file of one's own."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_in_a_preset_is_named_by_file_and_line(kind: str, swept: bool, tmp_path: Path) -> None:
    data, words = MISTAKES[kind]
    write(tmp_path / "mine", data)
    typed = ["-m", "experiment=course,own"] if swept else ["experiment=own"]
    outcome = call(tmp_path, "--config-dir=mine", *typed)
    assert refused(outcome, "mine/experiment/own.yaml", words)
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_a_mistake_in_a_file_that_a_preset_names_is_one_line_too(tmp_path: Path) -> None:
    write(tmp_path / "mine", HEAD + b"defaults:\n  - override /model: narrow\n")
    write(tmp_path / "mine", b"hidden:\t4\nhidden:\t5\n", "model/narrow.yaml")
    assert refused(call(tmp_path, "--config-dir=mine", "experiment=own"), "mine/model/narrow.yaml:1: ")


def test_every_file_of_ours_has_none() -> None:
    choices = [f"{path.parent.relative_to(CONF)}={path.stem}" for path in CONF.glob("**/*/*.yaml")]
    assert len(choices) > 10
    check_own_files([*choices, "seed=1", "no override", "~x", "experiment=none,[course]"], [CONF])


def test_only_what_is_chosen_is_read_and_only_a_preset_needs_a_package_line(tmp_path: Path) -> None:
    write(tmp_path, b"hidden: 4\n", "model/narrow.yaml")
    check_own_files(["model=narrow"], [tmp_path])
    write(tmp_path, b"hidden: [4\n", "model/narrow.yaml")
    check_own_files(["model=mlp", "seed=narrow"], [tmp_path])
    with pytest.raises(ConfigError, match=r"narrow\.yaml:2: "):
        check_own_files(["model=mlp,narrow"], [tmp_path])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "seed=0,1", "--cfg", "job"), "--multirun and --cfg were typed, and only one of them can be answered"),
        (("--info", "seed=0,1", "--multirun"), "--multirun and --info were typed"),
        (("--resolve",), "--resolve belongs to --cfg job"),
        (
            ("-sc", "install=tcsh"),
            "expected install=SHELL or uninstall=SHELL with one of bash, fish, zsh, got install=tcsh",
        ),
        (("--shell-completion",), "got nothing"),
    ],
)
def test_options_that_make_no_sense_are_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    outcome = call(tmp_path, *arguments)
    assert refused(outcome, words)
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(("encoding", "letter"), [("ascii", "#"), ("latin-1", "#"), ("utf-8", "█")])
def test_bars_are_drawn_with_what_the_locale_has(encoding: str, letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding))
    predict.show([{"picture": "a.png", "sure": True, "top": [{"class": "cat", "probability": 0.5}]}])
    sys.stdout.flush()
    assert f"50.0 %  {letter * 12}\n" in printed.getvalue().decode(encoding)
