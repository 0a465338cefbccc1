"""What may be judged: only settings whose scores were measured the same way, on the same validation drawings."""

import math
from collections.abc import Iterator, Sequence

from quickdraw.analysis.comparison import description
from quickdraw.analysis.ranking import Setting
from quickdraw.errors import RunError
from quickdraw.metrics import lower_is_better
from quickdraw.run.listing import SPLIT_SEED, Run, split_goes_with_seed
from quickdraw.statistics.best import Verdict, compare_with_best, mean_intervals

TRAINING_ONLY = (
    "batch_size",
    "augment",
    "balance",
    "download",
    "cache",
    "root",
    "train_limit",
    "train_fraction",
)  # `root`: fingerprints tell


def unlike(runs: Sequence[Run]) -> list[str]:
    """What makes the scores of some runs incomparable: keys whose values differ, or the files of the drawings."""
    keys = dict.fromkeys(key for run in runs for key in run.settings if decides_what_is_measured(key))
    found = []
    for key in keys:
        if key == SPLIT_SEED and split_goes_with_seed(runs):
            continue  # of each seed the drawings are the same for all settings
        values = {run.display(key) for run in runs if key in run.settings}
        if len(values) > 1:
            found.append(key)
    if not found and len({*fingerprints(runs)}) > 1:
        found.append("the files of the drawings")
    return found


def decides_what_is_measured(key: str) -> bool:
    """Whether a key chooses the validation drawings, or the score."""
    if key == "trainer.monitor":
        return True
    group, _, name = key.partition(".")
    return group == "data" and name not in TRAINING_ONLY


def fingerprints(runs: Sequence[Run]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield the sha256 of each class's file, for each run that has left them."""
    for run in runs:
        if run.result:
            try:
                yield tuple(sorted(description(run)["fingerprints"].items()))
            except RunError:
                continue


def unlike_in_words(found: Sequence[str]) -> str:
    """That settings are ranked but not judged, and why."""
    verb = "differs" if len(found) == 1 and "files" not in found[0] else "differ"
    return (
        f"Not judged: {' and '.join(found)} {verb}, so the scores were not measured on the same drawings in the same "
        "way. The settings are ranked; which one is better cannot be said."
    )


def judge(settings: Sequence[Setting], metric: str) -> Verdict:
    """Which of the settings may be the best, all compared at once over their seeds."""
    scores = {}
    for setting in settings:
        diverged = {seed_of(run): float("nan") for run in setting.runs if run.state == "diverged"}
        scores[setting.name] = diverged | setting.scores
    low, high = bounds_of(metric)
    if lower_is_better(metric):
        low, high = -high, -low
    return compare_with_best(scores, bounds=(low, high))


def intervals(settings: Sequence[Setting], metric: str) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each setting's mean, as it was measured, by name; nan where it is not known.

    By the deviation over seeds that all settings show together: two seeds alone know little of it.
    """
    sign = -1 if lower_is_better(metric) else 1
    groups = {}
    for setting in settings:
        groups[setting.name] = [sign * score for score in setting.scores.values()]
    return dict(zip(groups, mean_intervals(list(groups.values()), bounds_of(metric)), strict=True))


def bounds_of(metric: str) -> tuple[float, float]:
    """Between which numbers a score lies, as it is measured."""
    if lower_is_better(metric):
        return 0.0, math.inf
    if metric.endswith("accuracy"):
        return 0.0, 1.0
    return -math.inf, math.inf


def seed_of(run: Run) -> int:
    """The seed of a run."""
    return int(run.settings.get("seed", 0))
