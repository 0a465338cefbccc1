"""A sweep starts its jobs by run.py itself, whatever started the sweep."""

import os
import subprocess
import sys
from multiprocessing import Pipe
from pathlib import Path

import pytest

from quickdraw.sweep.checks import check_arguments
from tests.support.program import ROOT
from tests.support.sweeps import states

PROGRAM = str(ROOT / "run.py")
SWEEP = [
    "-m",
    "seed=0,1",
    "model=mlp",
    "data=synthetic",
    "data.per_class=8",
    "data.classes=[cat,moon]",
    "trainer=smoke",
]
SWEEP += ["threads=1", "hydra.launcher.report=false", "hydra.launcher.n_jobs=1"]
SCRIPT = f"""
import runpy
print("the script of somebody else")
runpy.run_path({PROGRAM!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        pytest.param(["-m", "cProfile", "-o", "profile", PROGRAM], {}, marks=pytest.mark.stress),
        pytest.param(["-O", "train.py"], {"PYTHONSAFEPATH": "1"}, marks=pytest.mark.stress),
        (["script.py"], {"PYTHONSAFEPATH": "1"}),
    ],
    ids=["a profiler", "a link", "runpy"],
)
def test_a_sweep_is_started_by_anything(words: list[str], variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "train.py").symlink_to(PROGRAM)
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, *words, *SWEEP],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(states(tmp_path).values()) == ["completed", "completed"]
    assert done.stdout.count("the script of somebody else") == (words == ["script.py"])
    assert len(list(tmp_path.glob("outputs/multirun/*/*/run.log"))) == 2


def test_a_question_of_a_parent_that_is_gone_ends_without_a_word() -> None:
    ours, theirs = Pipe(duplex=False)
    ours.close()
    check_arguments(theirs, [])
