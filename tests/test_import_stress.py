"""Ctrl-C and SIGTERM while the program imports torch and all the rest: it stops in a line, and is not called a bug."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quickdraw.run.listing import read_runs
from tests.support.program import ROOT

pytestmark = pytest.mark.stress

SHOTS = 30
# Imported by every Python that finds it in PYTHONPATH. It counts the imports from that of hydra on, and sends a signal
# at one of them.
SITE = """
import os, sys

at, number = int(os.environ["SHOT_AT"]), int(os.environ["SHOT_NUMBER"])
seen = 0

def hook(event, arguments):
    global seen
    if event == "import" and (seen or arguments[0] == "hydra"):
        seen += 1
        if seen == at:
            os.kill(os.getpid(), number)

sys.addaudithook(hook)
if not at:
    import atexit
    atexit.register(lambda: os.write(1, f"\\nimports: {seen}".encode()))
"""


def shot(folder: Path, at: int, number: int) -> "subprocess.CompletedProcess[str]":
    """A tiny run that gets a signal at an import (0: none)."""
    (folder / "sitecustomize.py").write_text(SITE)
    variables = {"PYTHONPATH": str(folder), "SHOT_AT": str(at), "SHOT_NUMBER": str(number)}
    command = [
        sys.executable,
        str(ROOT / "run.py"),
        "data=synthetic",
        "data.per_class=30",
        "trainer=smoke",
        "threads=1",
    ]
    return subprocess.run(
        command, check=False, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The number of imports of an undisturbed run."""
    return int(shot(tmp_path_factory.mktemp("undisturbed"), 0, signal.SIGTERM).stdout.rpartition("imports: ")[2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_import_stops_the_run_in_one_line(number: signal.Signals, imports: int, tmp_path: Path) -> None:
    assert imports > 1000
    for at in range(1, imports + 1, imports // SHOTS):
        folder = tmp_path / str(at)
        folder.mkdir()
        ended = shot(folder, at, number)
        unheard = -number if number == signal.SIGTERM else None  # before our handlers are there it just ends
        assert ended.returncode in (128 + number, unheard), (at, ended.stderr)
        assert "Traceback" not in ended.stderr, at
        assert "bug" not in ended.stderr, at
        assert {run.state for run in read_runs(folder / "outputs")} <= {"interrupted"}, at
