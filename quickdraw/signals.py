"""How a run is asked to stop: Ctrl-C, SIGTERM, SIGHUP (a closed terminal), SIGUSR2 (of Slurm before a time-out)."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from quickdraw.errors import Interrupted

SIGHUP, SIGUSR2 = getattr(signal, "SIGHUP", None), getattr(signal, "SIGUSR2", None)  # not on Windows
SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM, *filter(None, [SIGHUP, SIGUSR2]))
REPEATED_S = 2.0
AGAIN_S = 0.05  # between two looks whether an import has ended

Handler = Callable[[int, FrameType | None], None]


class StopSignal:
    """The signal that was received, if one was; calling it gives its number, or None.

    While `polite`, the first signal is only noted, for the training loop to finish its step and save. Otherwise, and
    from the second signal on, Interrupted is raised where the program happens to be: every file is written whole or
    not at all, so this is safe anywhere. What follows the first signal within REPEATED_S is no second one, but for
    Ctrl-C: Slurm sends SIGTERM twice in a few milliseconds, to a job that is saving by then.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.since = 0.0
        self.polite = False

    def __call__(self) -> int | None:
        return self.number

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        first, now = self.number is None, time.monotonic()
        if not first and number != signal.SIGINT and now - self.since < REPEATED_S:
            return
        self.number, self.since = number, now
        if not (self.polite and first):
            raise Interrupted(number)

    @contextlib.contextmanager
    def politely(self) -> Iterator[Callable[[], int | None]]:
        """Only note the first signal inside this block; raise Interrupted at its end if nobody has heeded it."""
        self.polite = True
        try:
            yield self
        finally:
            self.polite = False
        if self.number is not None:
            raise Interrupted(self.number)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopSignal]:
    """Handle all of SIGNALS as StopSignal says inside this block."""
    stop = StopSignal()
    with handled_by(stop.receive):
        yield stop


@contextlib.contextmanager
def quiet_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the process with one line inside this block, in which there is nothing to save yet."""
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave(number: int, frame: FrameType | None) -> None:
    """Handle a signal by ending the process."""
    print("stopped before it began", file=sys.stderr)
    sys.exit(128 + number)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore all of SIGNALS inside this block: a last short piece of work of a run that has ended."""
    with handled_by(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def handled_by(handler: Handler | signal.Handlers, numbers: Sequence[signal.Signals] = SIGNALS) -> Iterator[None]:
    """Let a handler have these signals inside this block, and those before it have them again after.

    A SIGHUP that is ignored stays so: `nohup` started this process.
    """
    if callable(handler):
        handler = after_imports(handler)
    before = {}
    for number in numbers:
        if number != SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def after_imports(handler: Handler) -> Handler:
    """A handler that is called when no import is under way: what an exception ends there is a broken module."""
    outside = import_depth(sys._getframe())

    def receive(number: int, frame: FrameType | None) -> None:
        if import_depth(frame) <= outside:
            handler(number, frame)
            return
        again = threading.Timer(AGAIN_S, send_to_main_thread, [number])
        again.daemon = True
        again.start()

    return receive


def import_depth(frame: FrameType | None) -> int:
    """How many frames of the import system are on the stack that ends with this frame."""
    depth = 0
    while frame:
        depth += frame.f_code.co_filename.startswith("<frozen importlib")
        frame = frame.f_back
    return depth


def send_to_main_thread(number: int) -> None:
    """Send this process a signal such that a main thread that waits wakes up."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def hand_on(number: int) -> None:
    """Let a launcher's own handler of SIGUSR2 have its turn when the run has saved: submitit queues the job again."""
    if number == SIGUSR2 and callable(signal.getsignal(number)):
        signal.raise_signal(number)
