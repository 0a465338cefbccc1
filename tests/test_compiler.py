"""torch's compiler is imported by whoever compiles, and not by a run."""

import subprocess
import sys
from pathlib import Path

from tests.support.program import QUICK, ROOT

AFTER = "import sys; print('sympy' in sys.modules, isinstance(sys.modules['torch._dynamo'], compiler.NotYet))"


def told(code: str, folder: Path) -> list[str]:
    """The lines that a fresh process prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


TRAINING = """
import torch
from quickdraw import compiler
compiler.defer()
net = torch.nn.Linear(3, 3)
for kind in torch.optim.AdamW, torch.optim.SGD:
    optimizer = kind(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.ones(2, 3)).sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
"""


def test_a_whole_run_imports_no_compiler(tmp_path: Path) -> None:
    code = f"""
import sys
sys.argv = ["run.py", *{QUICK}]
from hydra_plugins.quickdraw_cli import command_line
from quickdraw import compiler
import run
command_line.call(run.main)
"""
    assert told(code + AFTER, tmp_path)[-1] == "False True"


def test_training_by_hand_imports_no_compiler_until_something_is_compiled(tmp_path: Path) -> None:
    code = """
double = torch.compile(lambda x: 2 * x, backend="eager")
assert double(torch.ones(3)).tolist() == [2, 2, 2]
import torch._dynamo.config
print('sympy' in sys.modules, isinstance(torch._dynamo, compiler.NotYet))
"""
    assert told(TRAINING + AFTER + code, tmp_path) == ["False True", "True False"]
