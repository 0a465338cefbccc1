"""What is seen of a race while it runs: a live line, a line for each job's end, and one for each setting that falls."""

from collections.abc import Mapping
from pathlib import Path

from quickdraw.run.listing import Run
from quickdraw.statistics.race import Decision
from quickdraw.statistics.sentences import dropped_in_words
from quickdraw.sweep.view import LiveView, outcome_in_words


class RaceView(LiveView):
    """A race's: settings left, seeds each, jobs done and running. `decision` is how it stands, `total` its budget."""

    def __init__(self, names: Mapping[Path, str], size: int, total: int, done: int, decision: Decision) -> None:
        super().__init__(names, size, total, done)
        self.decision = decision

    def show(self, running: int) -> None:
        """Refresh the live line."""
        left, fallen = len(self.decision.kept), len(self.decision.dropped)
        parts = [
            f"{left} of {left + fallen} settings left",
            f"{self.decision.seeds} seeds each",
            f"{self.done} jobs done",
            f"{running} running",
        ]
        if self.failed:
            parts.append(f"{self.failed} failed")
        self.refresh([*parts, *self.pace()])

    def ended(self, run: Run) -> None:
        """Say how one job ended. The whole is the budget: a race is over long before, as a rule."""
        self.failed += run.state == "failed"
        self.done += run.ended
        self.say(f"{self.number(self.done + self.failed)} {self.names[run.folder]}   {outcome_in_words(run)}")

    def look(self, decision: Decision) -> None:
        """Say which settings fell since the last look."""
        for dropped in decision.dropped[len(self.decision.dropped) :]:
            self.say(dropped_in_words(dropped))
        self.decision = decision
