"""Processes for jobs: `submit` starts one, `next` waits for the first to end.

Each job is a fresh process, forked from a server that has imported torch once (spawned where there is no fork), so
starting one costs hundredths of a second, and whatever becomes of it touches no other.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PRELOADED = "hydra_plugins.quickdraw_launcher.preload"


@dataclass(frozen=True)
class Ended:
    """How a process ended: its name, and its exit code or minus the signal that killed it."""

    name: str
    code: int


class Pool:
    """At most `size` processes at once."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.running: dict[int, BaseProcess] = {}  # by slot, a number below size: which GPU, say
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        self.context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            from multiprocessing.forkserver import ensure_running

            self.context.set_forkserver_preload([PRELOADED])
            with importable(ROOT), ignored(signal.SIGINT):  # Ctrl-C on a terminal reaches the server too
                ensure_running()

    def has_room(self) -> bool:
        """Return whether a process can be started now."""
        return len(self.running) < self.size

    def submit(self, name: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> str:
        """Start `function(*arguments, slot)` in a process of that name; there must be room. Return the name."""
        slot = min(set(range(self.size)) - self.running.keys())
        process = self.context.Process(target=function, args=(*arguments, slot), name=name)
        process.start()
        self.running[slot] = process
        return name

    def next(self, timeout_s: float | None = None) -> Ended | None:
        """Wait for a process to end; None after a time-out."""
        ready = connection.wait([process.sentinel for process in self.running.values()], timeout_s)
        for slot, process in self.running.items():
            if process.sentinel in ready:
                process.join()
                del self.running[slot]
                return Ended(process.name, process.exitcode or 0)
        return None

    def stop(self, number: int) -> None:
        """Send every process a signal."""
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                if process.pid:
                    os.kill(process.pid, number)

    def ask(self, function: Callable[..., None], question: Any) -> Any:
        """Call `function(pipe, question)` in a process of its own and return what it sends through the pipe."""
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=function, args=(theirs, question))
        process.start()
        theirs.close()
        try:
            return ours.recv()
        finally:
            process.join()


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let a Python that is started in this block import from a folder: CPython 3.11 gives its server no sys.path."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]
        if before:
            os.environ["PYTHONPATH"] = before


@contextlib.contextmanager
def ignored(number: int) -> Iterator[None]:
    """Ignore a signal in this block, and in the programs that are started there."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)
