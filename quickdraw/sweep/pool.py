"""Processes of this machine: `submit` starts one, `next` waits for the first to end.

Each is a fresh process, forked from a server that has imported torch once (spawned where fork is unsafe or unknown:
macOS, Windows), so starting one costs hundredths of a second, and whatever becomes of it touches no other.
"""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from types import ModuleType
from typing import Any

from quickdraw.errors import RunError
from quickdraw.sweep import pruning_hook
from quickdraw.sweep.preload import IN_SERVER

ROOT = Path(__file__).parents[2]
PRELOADED = "quickdraw.sweep.preload"
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
LONGEST_FOLDER = 65  # bytes; multiprocessing adds some 32, and macOS takes 104 in all

Answer = Callable[[str, bytes], bytes | None]  # to what the process of a name asks; None: later, by `Pool.reply`


@dataclass(frozen=True)
class Exit:
    """How a process ended: its name, and its exit code or minus the signal that killed it.

    `reason` is the cause, where its last words, or another machine that had it, say more than the code.
    """

    name: str
    code: int
    reason: str = ""


@dataclass(frozen=True)
class Child:
    """A running process. `lifeline` ends with it: the kernel closes the other end, however the process goes.

    The server reports exit codes, but not any more once it is killed itself; the lifeline outlives it. A process that
    has a question sends it through the lifeline, and waits there for the answer. Its last words wait for none.
    """

    process: BaseProcess
    lifeline: "connection.Connection"
    last_words: list[str] = field(default_factory=list)


def no_answer(name: str, question: bytes) -> bytes:
    """The answer where nobody listens."""
    return b""


class Pool:
    """At most `size` processes at once, forked from a server that has imported the modules `preload` too."""

    def __init__(self, size: int = 1, preload: Sequence[str] = ()) -> None:
        self.size = size
        self.preload = list(preload)
        self.running: dict[int, Child] = {}  # by slot, a number below size: which GPU, say
        self.forks = sys.platform != "darwin" and "forkserver" in multiprocessing.get_all_start_methods()
        self.context: Any = multiprocessing.get_context("forkserver" if self.forks else "spawn")

    def warm_up(self) -> None:
        """Start the server if there is none; it imports in the background."""
        if self.forks:
            from multiprocessing.forkserver import ensure_running

            self.context.set_forkserver_preload([PRELOADED, *self.preload])
            path = os.environ.get("PYTHONPATH")
            path = os.pathsep.join([str(ROOT), path]) if path else str(ROOT)
            make_socket_folder()
            # CPython 3.11 gives its server no sys.path.
            with environment({"PYTHONPATH": path, IN_SERVER: "1"}), without_main():
                ensure_running()

    def submit(self, name: str, function: Callable[..., None], *arguments: Any) -> None:
        """Start `function(*arguments, slot)` in a process of that name; there must be room."""
        slot = min(set(range(self.size)) - self.running.keys())
        self.running[slot] = self._start(name, function, *arguments, slot)

    def next(self, timeout_s: float | None = None, answer: Answer = no_answer) -> Exit | None:
        """Wait for a process to end, and answer what others ask meanwhile.

        None after a time-out, or when a process has asked what is to be answered later.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = None if end is None else max(0.0, end - time.monotonic())
            ready = connection.wait([child.lifeline for child in self.running.values()], left_s)
            all_answered = True
            for slot, child in self.running.items():
                if child.lifeline not in ready:
                    continue
                question = asked(child)
                if question is None:
                    child.process.join()
                    child.lifeline.close()
                    del self.running[slot]
                    return Exit(child.process.name, child.process.exitcode or 0, "".join(child.last_words))
                all_answered &= not question or answered(child, question, answer)
            if not ready or left_s == 0 or not all_answered:
                return None

    def reply(self, name: str, text: bytes) -> None:
        """Answer what the process of that name has asked."""
        for child in self.running.values():
            if child.process.name == name:
                send(child, text)

    def numbers(self) -> list[int]:
        """The numbers that the system gave the processes."""
        return [child.process.pid for child in self.running.values() if child.process.pid]

    def stop(self, number: int) -> None:
        """Send every process a signal."""
        for child in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                if child.process.pid:
                    os.kill(child.process.pid, number)

    def call_in_process(self, function: Callable[..., None], question: Any) -> Any:
        """What `function(pipe, question)`, called in a process of its own, sends through the pipe."""
        ours, theirs = self.context.Pipe(duplex=False)
        child = self._start("question", function, theirs, question)
        theirs.close()
        try:
            return ours.recv()
        except EOFError:
            child.process.join()
            raise RunError(f"the process that imports torch ended with exit code {child.process.exitcode}") from None

    def _start(self, name: str, function: Callable[..., None], *arguments: Any) -> Child:
        self.warm_up()  # the server may have been killed
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=hold_lifeline, args=(theirs, function, *arguments), name=name)
        with without_main():
            process.start()
        theirs.close()
        return Child(process, ours)


def asked(child: Child) -> bytes | None:
    """What a process asks; nothing if these were its last words, None if it has ended."""
    try:
        question = child.lifeline.recv_bytes()
    except (EOFError, OSError):
        return None
    if question.startswith(pruning_hook.LAST_WORDS):
        child.last_words.append(question.removeprefix(pruning_hook.LAST_WORDS).decode())
        return b""
    return question


def answered(child: Child, question: bytes, answer: Answer) -> bool:
    """Answer what a process asks; whether it has its reply, because otherwise that comes later.

    It waits for a reply, so it gets one even when there is no answer but an error.
    """
    reply: bytes | None = b""
    try:
        reply = answer(child.process.name, question)
    finally:
        if reply is not None:
            send(child, reply)
    return reply is not None


def send(child: Child, reply: bytes) -> None:
    """Send a process its reply, unless it has ended since."""
    with contextlib.suppress(OSError):
        child.lifeline.send_bytes(reply)


def hold_lifeline(lifeline: "connection.Connection", function: Callable[..., None], *arguments: Any) -> None:
    """Call the function, and hold our end of the lifeline until this process is gone."""
    pruning_hook.pipe = lifeline
    function(*arguments)


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Let a process that starts inside this block not run the main script again.

    Under runpy, a profiler or IPython's %run that is somebody else's; a job imports what it needs by name.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment inside this block: what is started in it inherits them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def make_socket_folder() -> None:
    """Let the server's socket lie where its path is short: the system takes 108 bytes, and TMPDIR may be longer.

    Raises RunError where there is no such place.
    """
    usual = tempfile.gettempdir()
    places = [usual, *SHORT_FOLDERS]
    short = [place for place in places if len(os.fsencode(place)) <= LONGEST_FOLDER and os.access(place, os.W_OK)]
    if not short:
        raise RunError(
            f"TMPDIR={usual}: expected a folder of at most {LONGEST_FOLDER} bytes, for a socket; set a shorter one"
        )
    try:
        tempfile.tempdir = short[0]
        get_temp_dir()  # made once, and kept until this process ends
    finally:
        tempfile.tempdir = usual
