"""What is seen of a search while it runs: a line for each finished trial, and a live one with the best so far."""

import math
import time

from quickdraw.sweep.view import View, duration


class SearchView(View):
    """`done` of `total` trials were finished before, `best` is the best score of them."""

    def __init__(self, total: int, done: int, size: int, metric: str, maximise: bool, best: float | None) -> None:
        super().__init__({}, [], size)
        self.total, self.done, self.metric, self.maximise, self.best = total, done, metric, maximise, best
        self.trial_seconds: list[float] = []
        self.pruned = 0

    def show(self, running: int) -> None:
        """Refresh the live line."""
        left = max(0, self.total - self.done - running)
        best = "none yet" if self.best is None else f"{self.best:.4f}"
        parts = [f"best {best}", f"{self.done} of {self.total} done", f"{self.pruned} pruned", f"{running} running"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts.append(duration(time.monotonic() - self.begin))
        if self.trial_seconds:
            mean_s = sum(self.trial_seconds) / len(self.trial_seconds)
            parts.append(f"about {duration(mean_s * (left + running / 2) / self.size)} to go")
        self._line("   ".join(parts))

    def trial(self, name: str, state: str, value: float | None, said: str, seconds: float) -> None:
        """Say how one trial ended."""
        self.done += state != "failed"
        self.failed += state == "failed"
        self.pruned += state == "pruned"
        self.trial_seconds.append(seconds)
        better = ""
        if state == "completed" and value is not None and math.isfinite(value):
            said = f"{self.metric} {value:.4f}"
            if self.best is None or (value > self.best if self.maximise else value < self.best):
                self.best, better = value, "   the best so far"
        number = f"{self.done}".rjust(len(str(self.total)))
        self._say(f"[{number}/{self.total}] {name}   {said}   {duration(seconds)}{better}")
