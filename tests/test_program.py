"""What is printed to be typed works where the user stands; what is asked to be printed is the project's own."""

import subprocess
import sys
from pathlib import Path

import pytest

from hydra_plugins.quickdraw_cli.options import only_our_debug_lines
from quickdraw.data.names import download_command
from quickdraw.program import PROJECT, module_command, run_command
from tests.support.program import call
from tests.support.resuming import SHORT


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


def test_verbose_prints_no_other_librarys_debug_lines(tmp_path: Path, drawings: Path) -> None:
    outcome = call(tmp_path, *SHORT, f"data.root={drawings}", "model=mlp", "model.hidden=8", "hydra.verbose=true")
    assert (outcome.code, outcome.err) == (0, "")
    assert len(outcome.out.splitlines()) < 12
    assert " DEBUG " not in (tmp_path / "run" / "run.log").read_text()
    assert only_our_debug_lines(["++hydra.verbose=True", "seed=1"]) == ["hydra.verbose=quickdraw", "seed=1"]
    assert only_our_debug_lines(["hydra.verbose=[matplotlib]"]) == ["hydra.verbose=[matplotlib]"]
