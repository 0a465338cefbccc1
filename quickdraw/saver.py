"""When a training is saved: every so many seconds, at a signal, before it is pruned, and at its end."""

import contextlib
import time
from collections.abc import Callable, Iterator

from quickdraw.errors import Interrupted, PrunedError
from quickdraw.learning_rate import LearningRate
from quickdraw.state import Snapshot, State


class Saver:
    """Calls `save(steps done, snapshot)` when it is time; never with a loss that is not finite.

    `stop_signal()` gives the number of the signal that asked the training to stop, if one did.
    """

    def __init__(
        self,
        state: State,
        rate: LearningRate,
        every_s: float,
        save: Callable[[int, Snapshot], None] | None,
        stop_signal: Callable[[], int | None],
    ) -> None:
        self.state = state
        self.rate = rate
        self.every_s = every_s
        self.save = save
        self.stop_signal = stop_signal
        self.last = time.monotonic()

    def now(self) -> None:
        """Save; raises DivergedError instead when a loss of this epoch is not finite."""
        self.state.check_finite(self.rate)
        if self.save:
            self.save(self.state.steps_done, self.state.snapshot())

    def after_step(self) -> None:
        """Save if it is time. At a signal save in any case, then raise Interrupted."""
        signal_number = self.stop_signal()  # asked once: what is raised below has been saved
        if signal_number or time.monotonic() - self.last >= self.every_s:
            self.now()
            self.last = time.monotonic()
        if signal_number:
            raise Interrupted(signal_number)

    @contextlib.contextmanager
    def before_pruning(self) -> Iterator[None]:
        """Save before a PrunedError leaves the block: what was learnt is kept, and could go on."""
        try:
            yield
        except PrunedError:
            self.now()
            raise
