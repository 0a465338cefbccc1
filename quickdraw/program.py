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
        path = PROJECT / "run.py"
        if path.is_relative_to(Path.cwd()):
            path = path.relative_to(Path.cwd())
    return f"python {shlex.quote(str(path))}"


def module_command(module: str) -> str:
    """`python -m MODULE`, with the project's folder where Python would not find the module without."""
    searched = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if Path.cwd() == PROJECT or str(PROJECT) in searched:
        return f"python -m {module}"
    return f"PYTHONPATH={shlex.quote(str(PROJECT))} python -m {module}"
