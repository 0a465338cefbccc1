"""torch's compiler is imported by whoever compiles, and not by a run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import ROOT

AFTER = "import sys; print('sympy' in sys.modules, isinstance(sys.modules['torch._dynamo'], compiler.NotYet))"


def told(code: str, folder: Path) -> str:
    """Return what a fresh process prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


TRAINING = """
import torch
from quickdraw import compiler
compiler.defer()
net = torch.nn.Linear(3, 3)
optimizer = torch.optim.{optimizer}(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    net(torch.ones(2, 3)).sum().backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
"""


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
def test_training_by_hand_imports_no_compiler(optimizer: str, tmp_path: Path) -> None:
    assert told(TRAINING.format(optimizer=optimizer) + AFTER, tmp_path) == "False True"


def test_a_whole_run_imports_no_compiler(tmp_path: Path, drawings: Path) -> None:
    code = f"""
import sys
sys.argv = ["run.py", r"data.root={drawings}", "data.classes=[cat,moon]", "trainer.epochs=1", "threads=1"]
from hydra_plugins.quickdraw_cli import command_line
from quickdraw import compiler
import run
command_line.call(run.main)
"""
    assert told(code + AFTER, tmp_path) == "False True"


def test_compiling_still_works(tmp_path: Path) -> None:
    code = """
double = torch.compile(lambda x: 2 * x, backend="eager")
assert double(torch.ones(3)).tolist() == [2, 2, 2]
import sys, torch._dynamo.config
"""
    last = "print('sympy' in sys.modules, isinstance(torch._dynamo, compiler.NotYet))"
    assert told(TRAINING.format(optimizer="AdamW") + code + last, tmp_path) == "True False"
