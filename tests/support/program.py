"""Calls `run.py` as a user would, in a process of its own that costs no imports.

A server process imports torch and the project once; each call is forked from it, with its own folder, output files,
and exit code (`kill -9` included). Tests set limits or faults up in that process by a `setup` function. Runs there draw
no pictures for TensorBoard, unless `setup` is `with_pictures`.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "quickdraw"
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.support.preload"])

PATIENCE_S = 120  # a busy machine; nothing here takes that long on an idle one
NET = ("model=mlp", "model.hidden=8")  # where it does not matter which network is trained

# A run that needs no drawings and takes half a second.
QUICK = ("data=synthetic", "data.per_class=8", "data.classes=[cat,moon]", *NET, "trainer=smoke", "threads=1")


@dataclass
class Outcome:
    """What a call left: its exit code (minus the signal that killed it) and what it printed."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def run(self) -> Path:
        """The folder of the only run there is."""
        (status,) = self.folder.glob("outputs/*/*/*/.hydra")
        return status.parent


class Program:
    """A started call of `run.py`."""

    def __init__(self, folder: Path, arguments: Sequence[str], setup: Callable[[], Any] | None = None) -> None:
        self.folder = folder
        self.streams = folder / f".out-{os.urandom(4).hex()}", folder / f".err-{os.urandom(4).hex()}"
        self.process = SERVER.Process(target=_child, args=(folder, list(arguments), self.streams, setup))
        self.process.start()

    def send(self, number: int) -> None:
        """Send a signal."""
        assert self.process.pid
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.send(signal.SIGKILL)

    def wait(self, timeout_s: float = PATIENCE_S) -> Outcome:
        """Wait for its end."""
        self.process.join(timeout_s)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise TimeoutError(f"still running after {timeout_s} s; it said: {[s.read_text() for s in self.streams]}")
        out, err = (stream.read_text(errors="replace") if stream.exists() else "" for stream in self.streams)
        for stream in self.streams:
            stream.unlink(missing_ok=True)
        return Outcome(self.process.exitcode, out, err, self.folder)


def call(folder: Path, *arguments: str, setup: Callable[[], Any] | None = None) -> Outcome:
    """Call `python run.py` with these arguments in `folder` and wait for its end."""
    return Program(folder, arguments, setup).wait()


def with_pictures() -> None:
    """Let this process draw a run's pictures for TensorBoard. A `setup`; a job forked from our server draws none."""
    from quickdraw.run.tracking import Tracker
    from tests.support.preload import draw_pictures

    Tracker._charts = draw_pictures  # type: ignore[method-assign]


def restore_interrupts() -> None:
    """Let SIGINT and SIGHUP end programs where they were inherited ignored: by `COMMAND &` in a script, by nohup."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _child(folder: Path, arguments: list[str], streams: tuple[Path, Path], setup: Callable[[], Any] | None) -> None:
    for descriptor, stream in zip((1, 2), streams, strict=True):
        file = os.open(stream, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    os.chdir(folder)
    sys.argv = ["run.py", *arguments]
    if setup:
        setup()
    import run
    from hydra_plugins.quickdraw_cli import command_line

    sys.exit(command_line.call(run.main))
