"""A copy of the project that a test may change, and its `run.py` called there by a server of the copy's own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.program import ROOT, Outcome

CALLS = """
import json, sys
from pathlib import Path
from tests.support.program import call
from tests.support.sweeps import share_server

for folder, arguments in json.load(sys.stdin):
    outcome = call(Path(folder), *arguments, setup=share_server)
    print(json.dumps([outcome.code, outcome.out, outcome.err]))
"""


class Copy:
    """A copy of the project in a folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        for name in ("conf", "quickdraw", "hydra_plugins", "tests"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("run.py", "pyproject.toml"):
            shutil.copy(ROOT / name, self.root)

    def write(self, name: str, text: str) -> None:
        """Write a new file."""
        path = self.root / name
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def append(self, name: str, text: str) -> None:
        """Write a text behind the last line of a file."""
        with (self.root / name).open("a") as file:
            file.write(text)

    def insert(self, name: str, after: str, text: str) -> None:
        """Insert a text behind another one, which the file must hold once."""
        path = self.root / name
        before, found, rest = path.read_text().partition(after)
        assert found
        assert after not in rest
        path.write_text(before + after + text + rest)

    def python(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Call Python in the copy, and wait for its end."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def call_each(self, commands: Mapping[str, Sequence[str]]) -> dict[str, Outcome]:
        """Call `run.py` of the copy with each of some arguments, in folders beside it that have the commands' names."""
        folders = [self.root.with_name(name) for name in commands]
        for folder in folders:
            folder.mkdir()
        calls = [(str(folder), arguments) for folder, arguments in zip(folders, commands.values(), strict=True)]
        done = self.python("-c", CALLS, stdin=json.dumps(calls))
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return {folder.name: Outcome(*line, folder) for folder, line in zip(folders, lines, strict=True)}
