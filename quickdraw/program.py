"""The project's commands as they can be typed in the current folder, wherever the project lies."""

import os
import shlex
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def run_command() -> str:
    """`python run.py`, with the path that started it, where one did."""
    path = Path(sys.argv[0])
    if path.name != "run.py":
        path = from_here("run.py")
    return f"python {shlex.quote(str(path))}"


def install_command(requirements: str) -> str:
    """What installs one of the project's `requirements-*.txt`."""
    return f"python -m pip install -r {shlex.quote(str(from_here(requirements)))}"


def from_here(name: str) -> Path:
    """The path of one of the project's own files as it is typed in the current folder."""
    path = PROJECT / name
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def module_command(module: str) -> str:
    """`python -m MODULE`, with the project's folder where Python would not find the module without."""
    searched = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if Path.cwd() == PROJECT or str(PROJECT) in searched:
        return f"python -m {module}"
    return f"PYTHONPATH={shlex.quote(str(PROJECT))} python -m {module}"
