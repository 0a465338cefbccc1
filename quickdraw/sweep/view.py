"""What is seen of a sweep while it runs: one line for each finished job, and one for the whole."""

import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from types import TracebackType

from quickdraw.run.listing import Run


class View:
    """A live line on a terminal (done, running, failed, left, time left); everywhere a line for each finished job.

    `names` tell the jobs apart, `runs` are how they stand before, `size` is how many run at once.
    """

    def __init__(self, names: Mapping[Path, str], runs: Iterable[Run], size: int) -> None:
        self.names, self.size = names, size
        self.width = max(map(len, names.values()), default=0)
        finished = [run for run in runs if run.ended]
        self.done, self.failed, self.total = len(finished), 0, len(names)
        self.seconds = [run.result["total_s"] for run in finished if run.result]
        self.awaited: set[Path] = set()
        self.begin = time.monotonic()
        self.live = sys.stderr.isatty()

    def show(self, running: int) -> None:
        """Refresh the live line."""
        left = self.total - self.done - self.failed - running
        parts = [f"{self.done} of {self.total} done", f"{running} running", f"{self.failed} failed", f"{left} left"]
        parts.append(duration(time.monotonic() - self.begin))
        if self.seconds:
            parts.append(f"about {duration(fmean(self.seconds) * (left + running / 2) / self.size)} to go")
        self._line("   ".join(parts))

    def ended(self, run: Run) -> None:
        """Say how one job ended."""
        self.failed += run.state == "failed"
        self.done += run.ended
        said = f"{run.state}: {run.reason.split(';')[0]}" if run.reason else run.state
        if run.result:
            self.seconds.append(run.result["total_s"])
            score, accuracy = run.result[run.monitor], run.result["test_accuracy"]
            said = f"{run.monitor} {score:.4f}   test_accuracy {accuracy:.4f}   {duration(run.result['total_s'])}"
        number = f"{self.done + self.failed}".rjust(len(str(self.total)))
        self._say(f"[{number}/{self.total}] {self.names[run.folder].ljust(self.width)}   {said}")

    def wait_for(self, run: Run) -> None:
        """Say once that a job is being trained by another process."""
        if run.folder not in self.awaited:
            self.awaited.add(run.folder)
            self._say(f"waiting for another process to end {self.names.get(run.folder, run.folder.name)}")

    def _say(self, line: str) -> None:
        self._line("")
        print(line, flush=True)

    def _line(self, text: str) -> None:
        if self.live:
            columns = shutil.get_terminal_size().columns
            print(f"\r\033[K{text[: columns - 1]}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> "View":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line("")


def duration(seconds: float) -> str:
    """Return a time as a person would say it: `42 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
