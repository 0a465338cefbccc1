"""Runs that are stopped and continued: what must be the same at their ends, and how several go on side by side."""

import csv
import hashlib
import json
import os
import random
import re
import shutil
import signal
from collections.abc import Callable, Generator, Iterable
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from quickdraw.cores import usable_cores
from quickdraw.run.folder import RunFolder
from tests.support import faults
from tests.support.program import NET, Outcome, Program, call

TIMES = {"train_s", "total_s", "samples_per_s", "peak_rss_mb"}
LOGS = ("tensorboard", "run.log")  # nothing that is promised depends on them
TIMEOUT_S = 120

# Two epochs of two steps, saved after each step: everything that a run does, with a small network in half a second.
SHORT = (
    "data.classes=[cat,moon]",
    "data.batch_size=64",
    "optimizer.lr=0.01",
    "trainer.epochs=2",
    "trainer.checkpoint_every_s=0",
    "threads=1",
    "hydra.run.dir=run",
)
TINY = (*SHORT, *NET)
LONGER = (*TINY, "data.batch_size=16", "trainer.epochs=3", "trainer.checkpoint_every_s=0.03")  # 18 steps

Life = Generator[Callable[[], Program], Outcome, None]  # yields calls of run.py, is sent their outcomes


def resume(run: Path, *arguments: str, **options: Any) -> Outcome:
    """Continue a run, as its user would from the folder above it."""
    return call(run.parent, f"resume={run.name}", *arguments, **options)


def contents(folder: Path) -> dict[str, Any]:
    """The content and the time of change of every file."""
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def status(run: Path) -> dict[str, Any]:
    """The content of a run's `status.json`."""
    content: dict[str, Any] = json.loads((run / "status.json").read_text())
    return content


def checkpoints(run: Path) -> list[str]:
    """The names of a run's checkpoints, the oldest first."""
    return sorted(path.name for path in (run / "checkpoint").iterdir())


def flip_a_bit(path: Path) -> None:
    """Damage a file by one bit in its middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def ending(run: Path) -> dict[str, Any]:
    """Return all that a completed run leaves and promises, but for the times it took."""
    assert json.loads((run / "status.json").read_text())["state"] == "completed"
    (weights,) = run.glob("weights/*_net.pth")
    result = json.loads((run / "result.json").read_text())
    with (run / "metrics.csv").open(newline="") as file:
        table = [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]
    return {
        "weights": weights.read_bytes(),
        "description": json.loads(weights.with_suffix(".json").read_text()),
        "metrics": table,
        "result": {key: value for key, value in result.items() if key not in TIMES},
    }


def state(folder: Path) -> str:
    """Return a digest of all files but logs; the random part of a temporary file's name does not count."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not set(path.parts) & set(LOGS):
            digest.update(re.sub(r"\.\w+\.tmp$", ".tmp", str(path.relative_to(folder))).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def sample(album: Path, operations: list[str], every: int) -> list[int]:
    """The numbers of photographs to continue from: some of those that differ, one before each kind of operation."""
    different = {state(album / str(number)): number for number in range(1, len(operations) + 1)}  # no fsync does
    numbers = list(different.values())
    of_kinds = {operations[number - 1].split()[0]: number for number in numbers}
    return sorted({*numbers[::every], *of_kinds.values()})


def stray(folder: Path) -> list[str]:
    """Return what a call should not have left: temporary files, and processes that work in its folder.

    Those in the cache may be another process's that is writing right now; they go when they are an hour old.
    """
    found = [str(path) for path in folder.rglob("*.tmp") if ".cache" not in path.parts]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder) and int(process.name) != os.getpid():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it ended meanwhile
            continue
    return found


def refused(outcome: Outcome, *words: str) -> bool:
    """Return whether a call failed as it should: exit code 1, an `error:` of one or two lines with these words."""
    lines = outcome.err.splitlines()
    assert outcome.code == 1, outcome
    assert lines[0].startswith("error: "), outcome.err
    assert len(lines) <= 2, outcome.err
    assert "Traceback" not in outcome.err
    assert [word for word in words if word not in outcome.err] == [], outcome.err
    return True


def calling(folder: Path, *arguments: str, setup: Callable[[], Any] | None = None) -> Callable[[], Program]:
    """Return a call of `run.py` that is yet to begin."""
    return partial(Program, folder, arguments, setup)


def side_by_side(lives: Iterable[Life]) -> None:
    """Let all lives go on to their ends, as many at once as there are cores."""
    waiting, running = iter(lives), dict[int, tuple[Life, Program]]()

    def go_on(life: Life, outcome: Outcome | None) -> None:
        try:
            program = (life.send(outcome) if outcome else next(life))()
        except StopIteration:
            return
        running[program.process.sentinel] = life, program

    while True:
        while len(running) < usable_cores() and (new := next(waiting, None)):
            go_on(new, None)
        if not running:
            return
        ended = wait(list(running), TIMEOUT_S)
        assert ended, f"still running after {TIMEOUT_S} s"
        for sentinel in ended:
            life, program = running.pop(sentinel)  # type: ignore[call-overload]
            go_on(life, program.wait())


def killed_life(
    folder: Path, command: tuple[str, ...], duration_s: float, undisturbed: dict[str, Any], all_kills: list[int]
) -> Life:
    """Run a command, kill it at a random moment, continue, perhaps kill it again, ..., and compare the end.

    Adds the number of kills to a list.
    """
    chance = random.Random(str(folder.name))
    kills = 0
    while True:
        if not kills:
            shutil.rmtree(folder, ignore_errors=True)  # an earlier attempt was faster than its killer
            folder.mkdir()
        arguments = ("resume=run",) if RunFolder(folder / "run").begun else command
        again = not kills or chance.random() < 0.5
        setup = partial(faults.killed_after, chance.uniform(0, duration_s)) if again else None
        outcome = yield calling(folder, *arguments, setup=setup)
        kills += outcome.code == -signal.SIGKILL
        if outcome.code != -signal.SIGKILL:
            assert (outcome.code, outcome.err) == (0, ""), outcome
            if kills:
                break
    assert ending(folder / "run") == undisturbed
    assert stray(folder) == []
    shutil.rmtree(folder)
    all_kills.append(kills)
