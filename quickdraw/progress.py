"""The view of a training while it runs: a bar on a terminal, and one line an epoch everywhere."""

import sys
import threading
import time
from types import TracebackType

from torch import Tensor
from tqdm import tqdm

from quickdraw.state import EpochRecord

tqdm.set_lock(threading.RLock())  # its own is one between processes, which a killed process leaves behind
REFRESH_S = 0.2  # reading the loss waits for the device, so it is done no oftener than an eye can follow


class Progress:
    """A bar over the steps of one epoch, with the latest training loss; nothing where the output is no terminal."""

    def __init__(self, title: str, steps: int, done: int, shown: bool | None) -> None:
        self.shown = sys.stderr.isatty() if shown is None else shown
        self.bar = tqdm(desc=title, total=steps, initial=done, unit="step", leave=False, disable=not self.shown)
        self.next = 0.0

    def show(self, loss: Tensor) -> None:
        """Count one step."""
        self.bar.update()
        if self.shown and time.monotonic() >= self.next:
            self.bar.set_postfix_str(f"training loss {loss.item():.4f}")
            self.next = time.monotonic() + REFRESH_S

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


def describe(record: EpochRecord) -> str:
    """One epoch's numbers as one line."""
    return (
        f"epoch {record['epoch']:3d}   train loss {record['train_loss']:.4f}   val loss {record['val_loss']:.4f}   "
        f"val accuracy {record['val_accuracy']:.4f}   {record['samples_per_s']:,.0f} drawings/s"
    )
