"""Processes for jobs: `submit` starts one, `next` waits for the first to end.

Each job is a fresh process, forked from a server that has imported torch once (spawned where fork is unsafe or
unknown: macOS, Windows), so starting one costs hundredths of a second, and whatever becomes of it touches no other.
"""

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from quickdraw.errors import RunError
from quickdraw.sweep import channel

ROOT = Path(__file__).parents[2]
PRELOADED = "quickdraw.sweep.preload"


@dataclass(frozen=True)
class Ended:
    """How a process ended: its name, and its exit code or minus the signal that killed it.

    `reason` is what else is known of a process that another machine had.
    """

    name: str
    code: int
    reason: str = ""


@dataclass(frozen=True)
class Child:
    """A running process. `lifeline` ends with it: the kernel closes the other end, however the process goes.

    The server tells exit codes, but not any more once it is killed itself; the lifeline outlives it. A process that has
    a question sends it through the lifeline, and waits there for the answer.
    """

    process: BaseProcess
    lifeline: "connection.Connection"


class Pool:
    """At most `size` processes at once."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.answer: Callable[[str, bytes], bytes] = lambda name, question: b""  # what a process asks while it runs
        self.running: dict[int, Child] = {}  # by slot, a number below size: which GPU, say
        self.forks = sys.platform != "darwin" and "forkserver" in multiprocessing.get_all_start_methods()
        self.context: Any = multiprocessing.get_context("forkserver" if self.forks else "spawn")

    def warm_up(self) -> None:
        """Start the server if there is none; it imports in the background."""
        if self.forks:
            from multiprocessing.forkserver import ensure_running

            self.context.set_forkserver_preload([PRELOADED])
            with importable(ROOT):
                ensure_running()

    def has_room(self) -> bool:
        """Return whether a process can be started now."""
        return len(self.running) < self.size

    def submit(self, name: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        """Start `function(*arguments, slot)` in a process of that name; there must be room."""
        slot = min(set(range(self.size)) - self.running.keys())
        self.running[slot] = self._start(name, function, (*arguments, slot))

    def next(self, timeout_s: float | None = None) -> Ended | None:
        """Wait for a process to end, and answer what others ask meanwhile; None after a time-out."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = None if end is None else max(0.0, end - time.monotonic())
            ready = connection.wait([child.lifeline for child in self.running.values()], left_s)
            for slot, child in self.running.items():
                if child.lifeline in ready and not self._answered(child):
                    child.process.join()
                    child.lifeline.close()
                    del self.running[slot]
                    return Ended(child.process.name, child.process.exitcode or 0)
            if not ready or left_s == 0:
                return None

    def _answered(self, child: Child) -> bool:
        """Answer what a process asks; return whether it asked anything, for else it has ended."""
        try:
            question = child.lifeline.recv_bytes()
        except (EOFError, OSError):
            return False
        answer = self.answer(child.process.name, question)
        with contextlib.suppress(OSError):  # it has ended since
            child.lifeline.send_bytes(answer)
        return True

    def stop(self, number: int) -> None:
        """Send every process a signal."""
        for child in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                if child.process.pid:
                    os.kill(child.process.pid, number)

    def ask(self, function: Callable[..., None], question: Any) -> Any:
        """Call `function(pipe, question)` in a process of its own and return what it sends through the pipe."""
        ours, theirs = self.context.Pipe(duplex=False)
        child = self._start("question", function, (theirs, question))
        theirs.close()
        try:
            return ours.recv()
        except EOFError:
            child.process.join()
            raise RunError(f"the process that imports torch ended with exit code {child.process.exitcode}") from None

    def _start(self, name: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> Child:
        self.warm_up()  # it may have been killed
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_hold, args=(theirs, function, *arguments), name=name)
        process.start()
        theirs.close()
        return Child(process, ours)


def _hold(lifeline: "connection.Connection", function: Callable[..., None], *arguments: Any) -> None:
    """Call the function, and hold our end of the lifeline until this process is gone."""
    channel.pipe = lifeline
    function(*arguments)


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let a Python that is started in this block import from a folder: CPython 3.11 gives its server no sys.path."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
