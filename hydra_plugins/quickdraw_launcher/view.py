"""What is seen of a sweep while it runs: one line for each finished job, and one for the whole."""

import sys
import time
from statistics import fmean
from types import TracebackType

from tqdm import tqdm

from quickdraw.analysis.runs import Run


class View:
    """A live line on a terminal (done, running, failed, left, time left); everywhere a line for each finished job."""

    def __init__(self, total: int, done: int, size: int) -> None:
        self.total, self.done, self.failed, self.size = total, done, 0, size
        self.seconds: list[float] = []
        self.begin = time.monotonic()
        self.bar = tqdm(total=total, bar_format="{desc}", leave=False, disable=not sys.stderr.isatty())

    def show(self, running: int) -> None:
        """Refresh the live line."""
        left = self.total - self.done - self.failed - running
        parts = [f"{self.done}/{self.total} done", f"{running} running", f"{self.failed} failed", f"{left} left"]
        if self.seconds:
            estimate = fmean(self.seconds) * (left + running / 2) / self.size
            parts.append(f"about {duration(estimate)} to go")
        self.bar.set_description_str(", ".join([*parts, f"{duration(time.monotonic() - self.begin)} so far"]))

    def ended(self, run: Run, name: str) -> None:
        """Say how one job ended."""
        self.failed += run.state == "failed"
        self.done += run.state in ("completed", "diverged", "pruned")
        what = f"{run.state}: {run.reason}" if run.reason else run.state
        if run.result:
            self.seconds.append(run.result["total_s"])
            accuracy, seconds = run.result["test_accuracy"], duration(run.result["total_s"])
            what = f"{run.monitor} {run.result[run.monitor]:.4f}   test accuracy {accuracy:.4f}   {seconds}"
        self.bar.write(f"[{self.done + self.failed}/{self.total}] {name or run.folder.name}   {what}", file=sys.stdout)

    def __enter__(self) -> "View":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


def duration(seconds: float) -> str:
    """Return a time as a person would say it: `42 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
