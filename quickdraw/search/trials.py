"""One trial of a search and its jobs, one a seed."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from quickdraw.run.listing import Run, place_in, read_epochs
from quickdraw.search.space import Proposal, overrides_of
from quickdraw.sweep.job import Job

DECISIVE = {  # states of one job that decide its trial, the first of them that is found, and the trial's state
    "failed": "failed",
    "interrupted": "failed",
    "diverged": "diverged",
    "pruned": "pruned",
}


@dataclass
class Trial:
    """A trial that is under way. Only the first of its jobs is judged while it trains.

    So a setting that is not worth its end costs one training cut short, and all are judged with the same seed.
    """

    proposal: Proposal
    jobs: list[Job]
    began: float
    runs: dict[Path, Run] = field(default_factory=dict)
    over: bool = False

    @property
    def first(self) -> Job:
        """The job that is judged."""
        return self.jobs[0]

    def name(self) -> str:
        """The trial's settings, by the last part of their names: `lr=0.01 dropout_rate=0.3`."""
        return " ".join(overrides_of({key.split(".")[-1]: value for key, value in self.proposal.params.items()}))

    def state(self) -> str | None:
        """How the trial ended, None if it has not."""
        states = {run.state for run in self.runs.values()}
        for of_job, of_trial in DECISIVE.items():
            if of_job in states:
                return of_trial
        return "completed" if len(self.runs) == len(self.jobs) else None

    def value(self, metric: str) -> float | None:
        """The mean score over the seeds, None if one of them has none."""
        if self.state() != "completed":
            return None
        return fmean(float(run.result[metric]) for run in self.runs.values())

    def facts(self, metric: str) -> dict[str, Any]:
        """What the study notes of the trial at its end."""
        reasons: list[str] = []
        scores: dict[str, Any] = {}
        seconds: list[float] = []
        for job in self.jobs:  # in the order of the seeds
            run = self.runs.get(job.folder)
            if run is None:
                continue
            seconds.append(spent(job.folder))
            if run.reason:
                reasons.append(run.reason.splitlines()[0])
            if run.result:
                scores[str(run.settings.get("seed", 0))] = run.result.get(metric)
        facts: dict[str, Any] = {"state": self.state()}
        if reasons:
            facts["reason"] = reasons[0]
        return facts | {
            "epochs": len(read_epochs(self.first.folder)),
            "seconds": sum(seconds),
            "jobs": [place_in(job.sweep or job.folder.parent, job.folder) for job in self.jobs],
            "scores": scores,
        }


def curve(folder: Path, metric: str) -> list[float]:
    """A job's scores, one an epoch."""
    return [float(row[metric]) for row in read_epochs(folder)]


def spent(folder: Path) -> float:
    """The seconds that a job spent in training."""
    return math.fsum(float(row["train_s"]) for row in read_epochs(folder))
