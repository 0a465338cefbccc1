"""The rows of a sweep's tables: settings by rank, jobs, failures. Tables, frames and JSON are made of these."""

from typing import Any

from quickdraw.analysis.sweep import Sweep
from quickdraw.run.listing import SCORES, job_row


def ranking_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """One row a setting, the best first: mean, deviation and 95 % interval of the score, as it was measured.

    `half_width` reaches from the mean to the farther end of the interval, which stays within what a score can be.
    `train_s` is the mean time spent in training. The test accuracy is for the record: it ranks nothing.
    """
    from quickdraw.analysis.confusions import gives_one_class

    rows = []
    for rank, setting in enumerate(sweep.settings, 1):
        mean = sweep.measured(setting.mean)
        low, high = sweep.intervals[setting.name]
        scores = list(map(sweep.measured, setting.scores.values()))
        rows.append(
            {
                "rank": rank,
                "setting": setting.name,
                "seeds": len(setting.scores),
                "mean": mean,
                "deviation": setting.deviation,
                "half_width": max(high - mean, mean - low),
                "low": low,
                "high": high,
                "scores": dict(zip(map(str, setting.scores), scores, strict=True)),
                "test_accuracy": setting.test_accuracy(),
                "train_s": setting.result_mean("train_s"),
                "diverged": setting.diverged,
                "one_class": sum(map(gives_one_class, setting.runs)),
                "may_be_best": setting.name in sweep.may_be_best,
            }
        )
    return rows


def job_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """One row a run, in the order of their folders: the settings that vary, its state, scores, seconds and folder."""
    scores = dict.fromkeys([sweep.metric, *SCORES])
    return [job_row(run, sweep.folder, sweep.keys, scores) for run in sweep.runs]


def failure_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """One row for each run that failed, diverged or was interrupted: what it was, its state, the cause, and its log."""
    rows = []
    for run in sweep.runs:
        if run.incomplete:
            name = sweep.names[run.folder] or run.folder.name
            rows.append({"run": name, "state": run.state, "cause": run.reason, "log": str(run.folder / "run.log")})
    return rows
