"""One trial of a search and its jobs, one a seed."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from quickdraw.run.listing import Run, read_epochs
from quickdraw.search.space import Proposal
from quickdraw.sweep.jobs import Plan


@dataclass
class Trial:
    """A trial that is under way: `plans` are its jobs, of which the first alone is judged while it trains.

    So a setting that is not worth its end costs one training cut short, and all are judged with the same seed.
    """

    proposal: Proposal
    plans: list[Plan]
    began: float
    runs: dict[Path, Run] = field(default_factory=dict)
    over: bool = False

    @property
    def first(self) -> Plan:
        """The job that is judged."""
        return self.plans[0]

    def state(self) -> str | None:
        """Return how the trial ended, None if it has not."""
        states = [run.state for run in self.runs.values()]
        for told, state in (
            ("failed", "failed"),
            ("interrupted", "failed"),
            ("diverged", "diverged"),
            ("pruned", "pruned"),
        ):
            if told in states:
                return state
        return "completed" if len(self.runs) == len(self.plans) else None

    def value(self, metric: str) -> float | None:
        """Return the mean score over the seeds, None if one of them has none."""
        if self.state() != "completed":
            return None
        return fmean(float(run.result[metric]) for run in self.runs.values())

    def facts(self, metric: str) -> dict[str, Any]:
        """Return what the study notes of the trial at its end."""
        runs = [self.runs[plan.folder] for plan in self.plans if plan.folder in self.runs]  # in the order of the seeds
        reasons = [run.reason.splitlines()[0] for run in runs if run.reason]
        return {
            "state": self.state(),
            **({"reason": reasons[0]} if reasons else {}),
            "epochs": len(read_epochs(self.first.folder)),
            "seconds": sum(spent(plan.folder) for plan in self.plans if plan.folder in self.runs),
            "jobs": [plan.folder.name for plan in self.plans],
            "scores": {str(run.settings.get("seed", 0)): run.result.get(metric) for run in runs if run.result},
        }


def curve(folder: Path, metric: str) -> list[float]:
    """Return a job's scores, one an epoch."""
    return [float(row[metric]) for row in read_epochs(folder)]


def spent(folder: Path) -> float:
    """Return the seconds that a job spent in training."""
    return math.fsum(row["train_s"] for row in read_epochs(folder))
