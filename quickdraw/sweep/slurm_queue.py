"""What Slurm knows of a sweep's jobs, by `squeue` only: accounting (`sacct`) is asked nothing.

`.slurm.json` in the sweep's folder holds Slurm's number of each job's folder, so that a command that is typed again
finds the jobs of the one before it.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from quickdraw.errors import RunError
from quickdraw.files import write_json
from quickdraw.records import read_record, unlike
from quickdraw.rules import text

# Of `man squeue`. Whatever else it says (PENDING, COMPLETING, REQUEUED, SUSPENDED, ...) is not the end.
ENDS = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
NUMBER = text("a number of Slurm's", r"\d+(_\d+)?")
FORMAT = "JobArrayID:|,State:|,exit_code:|,Reason:|"


@dataclass(frozen=True)
class Entry:
    """A job in Slurm's words. `code` is as `wait` gives it: 9 for SIGKILL, 256 for exit code 1."""

    number: str
    state: str
    code: int
    reason: str

    @property
    def ended(self) -> bool:
        """Whether Slurm is done with the job."""
        return self.state in ENDS

    def cause(self) -> str:
        """How the job ended, for one that left no word itself."""
        code = os.waitstatus_to_exitcode(self.code & 0xFFFF)
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        hint = " (out of memory?)" if code in (-9, 137) else ""
        return f"Slurm job {self.number}: {self.state}, {end}{hint}"


class Queue:
    """The jobs of the sweep in a folder. `numbers` are Slurm's, by the name of the job's folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".slurm.json"
        self.lock = FileLock(folder / ".slurm.lock")  # of two commands at once, one submits, and the other sees it
        self.numbers: dict[str, Any] = {}
        if not shutil.which("squeue"):
            raise RunError(
                "hydra/launcher=slurm: there is no squeue here; type this on a machine that submits to Slurm"
            )

    def read(self) -> dict[str, Entry]:
        """Slurm's words on each job, by the name of its folder; jobs that it has forgotten are left out."""
        try:
            self.numbers = read_record(self.path, numbers_complaint) or {}
        except ValueError as error:
            raise RunError(
                f"{self.path}: damaged: {error}; see with squeue which jobs are queued, and move that file away"
            ) from error
        entries = look(self.numbers.values())
        return {name: entries[number] for name, number in self.numbers.items() if number in entries}

    def record(self, numbers: Mapping[str, str]) -> None:
        """Remember the numbers of jobs that were just submitted."""
        self.numbers |= numbers
        write_json(self.path, self.numbers)


def numbers_complaint(numbers: Mapping[str, Any]) -> str:
    """Why the content of `.slurm.json` makes no sense."""
    return unlike(numbers, dict.fromkeys(numbers, NUMBER))


def look(numbers: Iterable[str]) -> dict[str, Entry]:
    """Slurm's words on these jobs, by number. It forgets a job some minutes after its end (MinJobAge)."""
    entries = {}
    bases = arrays(numbers)
    if bases:
        text = ask("squeue", "--noheader", "--array", "--states=all", f"--jobs={','.join(bases)}", f"--Format={FORMAT}")
        for line in text.splitlines():
            number, state, code, reason = line.split("|")[:4]
            entries[number] = Entry(number, state, int(code), reason)
    return entries


def cancel(numbers: Sequence[str], number: int) -> None:
    """Have Slurm end these jobs: by SIGTERM, and SIGKILL some time later (KillWait), or by SIGKILL at once."""
    if numbers:
        at_once = ["--signal=KILL", "--full"] if number == signal.SIGKILL else []
        ask("scancel", *at_once, *numbers)


def arrays(numbers: Iterable[str]) -> list[str]:
    """The numbers that stand for all these jobs: an array's own, 12, for 12_0, 12_1, ..."""
    return sorted({number.partition("_")[0] for number in numbers}, key=int)


def array_size() -> int:
    """The number of jobs that this Slurm takes in one array."""
    for line in ask("scontrol", "show", "config").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "MaxArraySize":
            return max(1, int(value))
    return 1


def ask(*command: str) -> str:
    """The output of a command of Slurm; nothing if it knows none of the jobs. Raises RunError if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "Invalid job id" not in done.stderr:
        lines = done.stderr.strip().splitlines() or ["failed"]
        raise RunError(f"{command[0]}: {lines[-1]}")
    return done.stdout
