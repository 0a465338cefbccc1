"""How far a download is: a bar for each running file and one for the whole, or lines where there is no terminal."""

import shutil
import sys
from collections.abc import Sequence

from tqdm import tqdm

from quickdraw.data.fetch.transfer import Transfer
from quickdraw.errors import printable


def say(line: str) -> None:
    """Print a line above the bars."""
    tqdm.write(printable(line))
    sys.stdout.flush()


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


class Bars:
    """Shows the transfers. Only one thread calls it: tqdm's counting is not safe among several."""

    def __init__(self, transfers: Sequence[Transfer]) -> None:
        self.transfers = transfers
        self.running: dict[str, tqdm] = {}
        self.announced: set[str] = set()
        self.whole = self._bar(f"{len(transfers)} files")

    def update(self) -> None:
        """Show how far the transfers are now."""
        for transfer in self.transfers:
            if transfer.state == "running":
                self._show(transfer)
            elif transfer.state in ("finished", "failed") and transfer.name not in self.announced:
                self._announce(transfer)
        self.whole.total = sum(transfer.needed or 0 for transfer in self.transfers) or None
        # What was there before must not count as speed.
        self.whole.initial = sum(transfer.resumed for transfer in self.transfers)
        self.whole.update(sum(transfer.done for transfer in self.transfers) - self.whole.n)

    def close(self) -> None:
        self.update()
        for bar in (*self.running.values(), self.whole):
            bar.close()

    def _show(self, transfer: Transfer) -> None:
        if transfer.name not in self.running:
            self.running[transfer.name] = self._bar(transfer.name, initial=transfer.resumed)
        bar = self.running[transfer.name]
        bar.total = transfer.needed
        bar.set_postfix_str(printable(transfer.problem), refresh=False)
        bar.update(transfer.done - bar.n)

    def _announce(self, transfer: Transfer) -> None:
        self.announced.add(transfer.name)
        if transfer.name in self.running:
            self.running.pop(transfer.name).close()
        if transfer.state == "finished":
            say(f"{transfer.path}: {megabytes(transfer.done)}, whole and checked")

    def _bar(self, text: str, initial: int = 0) -> tqdm:
        # leave=False: what is finished gets a line, and a bar that stays would be repeated by each of them.
        return tqdm(
            desc=f"{printable(text):<12}",
            initial=initial,
            total=0,
            unit="B",
            unit_scale=True,
            leave=False,
            ncols=shutil.get_terminal_size().columns - 3,  # room for the ^C that a terminal shows
            disable=not sys.stderr.isatty(),
        )
