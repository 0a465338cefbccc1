"""What is seen of a search while it runs: a line for each finished trial, and a live one with the best so far."""

import math

from quickdraw.sweep.view import LiveView, duration


class SearchView(LiveView):
    """`done` of `total` trials were finished before, `best` is the best score of them."""

    def __init__(self, total: int, done: int, size: int, metric: str, maximise: bool, best: float | None) -> None:
        super().__init__({}, size, total, done)
        self.metric, self.maximise, self.best = metric, maximise, best
        self.pruned = 0

    def show(self, running: int) -> None:
        """Refresh the live line."""
        left = max(0, self.total - self.done - running)
        best = "none yet" if self.best is None else f"{self.best:.4f}"
        parts = [f"best {best}", f"{self.done} of {self.total} done", f"{self.pruned} pruned", f"{running} running"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        self.refresh([*parts, *self.times(running, left)])

    def trial(self, name: str, state: str, value: float | None, said: str, seconds: float) -> None:
        """Say how one trial ended."""
        self.done += state != "failed"
        self.failed += state == "failed"
        self.pruned += state == "pruned"
        self.seconds.append(seconds)
        better = ""
        if state == "completed" and value is not None and math.isfinite(value):
            said = f"{self.metric} {value:.4f}"
            if self._is_best(value):
                self.best, better = value, "   the best so far"
        self.say(f"{self.number(self.done)} {name}   {said}   {duration(seconds)}{better}")

    def _is_best(self, value: float) -> bool:
        if self.best is None:
            return True
        return value > self.best if self.maximise else value < self.best
