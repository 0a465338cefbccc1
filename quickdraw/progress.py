"""The view of a training while it runs: a bar on a terminal, one line an epoch everywhere, and one if it gets slow."""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterator

from torch import Tensor
from tqdm import tqdm

from quickdraw.state import EpochRecord

tqdm.set_lock(threading.RLock())  # its own is one between processes, which a killed process leaves behind
REFRESH_S = 0.2  # reading the loss waits for the device, so it is done no oftener than an eye can follow
PACE_S, SHORTEST_S = 2.0, 0.5  # the steps of so many seconds are a pace; at the end of an epoch, of fewer
SLOW = 3  # times slower than it was

log = logging.getLogger("quickdraw")


class Progress:
    """A bar over the steps of an epoch, with the latest training loss; nothing where the output is no terminal."""

    def __init__(self, epochs: int, steps: int, shown: bool | None) -> None:
        self.epochs, self.steps = epochs, steps
        self.shown = sys.stderr.isatty() if shown is None else shown
        self.pace = Pace()

    @contextlib.contextmanager
    def epoch(self, epoch: int, done: int) -> Iterator[None]:
        """Show the steps of one epoch, of which some may be done."""
        title = f"epoch {epoch + 1}/{self.epochs}"
        off = not self.shown
        with tqdm(desc=title, total=self.steps, initial=done, unit="step", leave=False, disable=off) as self.bar:
            self.next = 0.0
            self.pace.begin(time.monotonic())
            yield
            self.pace.end(time.monotonic())

    def show(self, loss: Tensor) -> None:
        """Count one step."""
        now = time.monotonic()
        self.bar.update()
        if self.shown and now >= self.next:
            self.bar.set_postfix_str(f"training loss {loss.item():.4f}")
            self.next = now + REFRESH_S
        slow = self.pace.step(now)
        if slow:
            self.bar.clear()
            log.warning("%s", slow)


class Pace:
    """The steps a second of a training, now and at its best. Other programs can slow it a lot: that is said once."""

    def __init__(self) -> None:
        self.since = 0.0  # a step was begun then, and `count` are done
        self.count = 0
        self.best = 0.0
        self.said = False

    def begin(self, now: float) -> None:
        """Begin with the first step of an epoch."""
        self.since, self.count = now, 0

    def end(self, now: float) -> None:
        """Note the last steps of an epoch, if they took long enough to be compared."""
        if now - self.since > SHORTEST_S:
            self.best = max(self.best, self.count / (now - self.since))

    def step(self, now: float) -> str:
        """Count a step that ended now; what is to be said of the pace, "" for nothing."""
        self.count += 1
        passed_s = now - self.since
        if passed_s < PACE_S:
            return ""
        pace = self.count / passed_s
        self.since, self.count, self.best = now, 0, max(self.best, pace)
        if self.said or pace * SLOW >= self.best:
            return ""
        self.said = True
        return (
            f"slow: {pace:.1f} steps a second, {self.best:.1f} before; another program has the cores: stop it, or "
            "train on fewer than all cores, threads=1"
        )


def describe(record: EpochRecord) -> str:
    """One epoch's numbers as one line."""
    return (
        f"epoch {record['epoch']:3d}   train loss {record['train_loss']:.4f}   val loss {record['val_loss']:.4f}   "
        f"val accuracy {record['val_accuracy']:.4f}   {record['samples_per_s']:,.0f} drawings/s"
    )
