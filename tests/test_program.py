"""What is printed to be typed works where the user stands; what is asked to be printed is the project's own."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from quickdraw.console import OwnDebugLines
from quickdraw.data.names import download_command
from quickdraw.program import PROJECT, install_command, module_command, run_command
from tests.support.program import QUICK, call, with_pictures


@pytest.mark.parametrize("started", ["run.py", "../project/run.py", "/some where/run.py"])
def test_run_py_is_named_as_it_was_started(started: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [started, "seed=1"])
    quoted = f"'{started}'" if " " in started else started
    assert run_command() == f"python {quoted}"


def test_another_command_names_run_py_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/anywhere/quickdraw/analysis/__main__.py"])
    monkeypatch.chdir(PROJECT)
    assert run_command() == "python run.py"
    monkeypatch.chdir(PROJECT.parent)
    assert run_command() == f"python {PROJECT.name}/run.py"
    monkeypatch.chdir(tmp_path)
    assert run_command() == f"python {PROJECT}/run.py"


def test_a_printed_module_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    command = download_command(["cat"]).replace("python", sys.executable, 1).replace(" cat", " --help")
    printed = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert printed.stdout.startswith("usage: python -m quickdraw.data.download")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{PROJECT}")
    assert module_command("quickdraw.predict") == "python -m quickdraw.predict"


def test_what_is_to_be_installed_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    assert install_command("requirements-search.txt") == "python -m pip install -r requirements-search.txt"
    monkeypatch.chdir(tmp_path)
    assert install_command("requirements-dev.txt") == f"python -m pip install -r {PROJECT / 'requirements-dev.txt'}"


VERBOSE = "# @package _global_\nhydra: {verbose: true}\n"


@pytest.mark.parametrize(
    ("typed", "swept"),
    [
        ("hydra.verbose=true", False),
        ("++hydra.verbose=True", False),
        ("experiment=mine", True),
        pytest.param("experiment=mine", False, marks=pytest.mark.stress),
        pytest.param("hydra.verbose=true", True, marks=pytest.mark.stress),
    ],
)
def test_verbose_prints_no_other_librarys_debug_lines(typed: str, swept: bool, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(VERBOSE)
    how = ("-m", "seed=0", "hydra.launcher.report=false") if swept else (f"hydra.run.dir={tmp_path / 'outputs/run'}",)
    outcome = call(tmp_path, *QUICK, "--config-dir=.", typed, *how, setup=with_pictures)
    assert outcome.code == 0, outcome.err
    assert len(outcome.out.splitlines()) < 20
    (log,) = tmp_path.glob("outputs/**/run.log")
    assert " DEBUG " not in log.read_text()


@pytest.mark.parametrize(
    ("root", "name", "level", "is_shown"),
    [
        (logging.DEBUG, "matplotlib.font_manager", logging.DEBUG, False),
        (logging.DEBUG, "quickdraw_like", logging.DEBUG, False),
        (logging.DEBUG, "matplotlib", logging.INFO, True),
        (logging.DEBUG, "hydra._internal.hydra", logging.INFO, False),
        (logging.DEBUG, "hydra._internal.hydra", logging.WARNING, True),
        (logging.DEBUG, "quickdraw.run", logging.DEBUG, True),
        (logging.INFO, "matplotlib", logging.DEBUG, True),  # asked for by its name
    ],
)
def test_a_debug_line_is_shown_if_it_is_ours_or_asked_for_by_name(
    root: int, name: str, level: int, is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", root)
    record = logging.LogRecord(name, level, "file.py", 1, "text", None, None)
    assert OwnDebugLines().filter(record) is is_shown
