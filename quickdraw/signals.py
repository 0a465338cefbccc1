"""How a run is asked to stop: Ctrl-C, SIGTERM, or SIGUSR2, which Slurm sends before a time-out."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from quickdraw.errors import Interrupted

SIGUSR2 = getattr(signal, "SIGUSR2", None)  # not on Windows
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([SIGUSR2] if SIGUSR2 else []))
REPEATED_S = 2.0


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
    """Handle SIGINT, SIGTERM and SIGUSR2 as StopSignal says inside this block."""
    stop = StopSignal()
    with handled_by(stop.receive):
        yield stop


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore SIGINT, SIGTERM and SIGUSR2 inside this block: a last short piece of work of a run that has ended."""
    with handled_by(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def handled_by(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers, numbers: Sequence[signal.Signals] = SIGNALS
) -> Iterator[None]:
    """Let a handler have these signals inside this block, and those before it have them again after."""
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, earlier in zip(numbers, before, strict=True):
            signal.signal(number, earlier)


def hand_on(number: int) -> None:
    """Let a launcher's own handler of SIGUSR2 have its turn when the run has saved: submitit queues the job again."""
    if number == SIGUSR2 and callable(signal.getsignal(number)):
        signal.raise_signal(number)
