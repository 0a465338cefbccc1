"""What is seen of a sweep or a search while it runs: a live line on a terminal, and a line for each end everywhere."""

import math
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Self

from quickdraw.console import say
from quickdraw.errors import printable
from quickdraw.run.listing import Run


class LiveView(ABC):
    """The live line, and the lines that stay above it. `names` tell the jobs apart, `size` is how many run at once.

    `seconds` are those that each finished job (or trial) of `total` took, `done` and `failed` count how they ended,
    `trainings` those that ended in this command.
    """

    def __init__(self, names: Mapping[Path, str], size: int, total: int, done: int) -> None:
        self.names, self.size = names, size
        self.total, self.done, self.failed = total, done, 0
        self.trainings = 0
        self.seconds: list[float] = []
        self.awaited: set[Path] = set()
        self.begin = time.monotonic()
        self.live = sys.stderr.isatty()

    @abstractmethod
    def show(self, running: int) -> None:
        """Refresh the live line, when so many jobs are running."""

    def wait_for(self, run: Run) -> None:
        """Say once that a job is being trained by another process."""
        if run.folder not in self.awaited:
            self.awaited.add(run.folder)
            self.say(f"waiting for another process to end {self.names.get(run.folder, run.folder.name)}")

    def pace(self) -> list[str]:
        """The time since the beginning, and how many trainings ended a minute."""
        passed_s = time.monotonic() - self.begin
        texts = [duration(passed_s)]
        if self.trainings:
            texts.append(f"{self.trainings * 60 / passed_s:.3g} trainings a minute")
        return texts

    def times(self, running: int, left: int) -> list[str]:
        """The pace, and about how long it will take."""
        texts = self.pace()
        if self.seconds:
            texts.append(f"about {duration(fmean(self.seconds) * (left + running / 2) / self.size)} to go")
        return texts

    def number(self, count: int) -> str:
        """A count of the whole: `[ 7/12]`."""
        return f"[{str(count).rjust(len(str(self.total)))}/{self.total}]"

    def refresh(self, parts: Sequence[str]) -> None:
        """Show these parts in the live line."""
        self._line("   ".join(parts))

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._line("")
        say(line)

    def _line(self, text: str) -> None:
        if self.live:
            columns = shutil.get_terminal_size().columns
            print(f"\r\033[K{printable(text)[: columns - 1]}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line("")


class SweepView(LiveView):
    """A sweep's: done, running, failed, left, time left; a line for each job. `runs` are how they stand before."""

    def __init__(self, names: Mapping[Path, str], runs: Iterable[Run], size: int) -> None:
        finished = [run for run in runs if run.ended]
        super().__init__(names, size, total=len(names), done=len(finished))
        self.width = max(map(len, names.values()), default=0)
        self.seconds = [run.result["total_s"] for run in finished if "total_s" in run.result]

    def show(self, running: int) -> None:
        """Refresh the live line."""
        left = self.total - self.done - self.failed - running
        parts = [f"{self.done} of {self.total} done", f"{running} running", f"{self.failed} failed", f"{left} left"]
        self.refresh([*parts, *self.times(running, left)])

    def ended(self, run: Run) -> None:
        """Say how one job ended."""
        self.failed += run.state in ("failed", "damaged")
        self.done += run.ended
        if run.result:
            self.seconds.append(run.result.get("total_s", 0.0))
        name = self.names[run.folder].ljust(self.width)
        self.say(f"{self.number(self.done + self.failed)} {name}   {outcome_in_words(run)}")


def outcome_in_words(run: Run) -> str:
    """How a run ended: its scores and seconds, or its state and the reason."""
    if not run.result:
        return how_it_ended(run.state, run.reason)
    score, accuracy = run.result[run.monitor], run.result.get("test_accuracy", math.nan)
    return f"{run.monitor} {score:.4f}   test_accuracy {accuracy:.4f}   {duration(run.result.get('total_s', 0.0))}"


def how_it_ended(state: str, reason: str) -> str:
    """A state with its reason, if there is one: `failed: killed by SIGKILL (out of memory?)`."""
    return f"{state}: {reason.split(';', maxsplit=1)[0]}" if reason else state


def duration(seconds: float) -> str:
    """A time as a person would say it: `42 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
