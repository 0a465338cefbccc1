"""Two runs on the same test drawings: which one is right more often, and whether that may be chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quickdraw.analysis.columns import is_number
from quickdraw.analysis.sentences import SURE, p_text
from quickdraw.errors import RunError, WeightsError
from quickdraw.predictions import Predictions, read_predictions
from quickdraw.records import read_description
from quickdraw.run.listing import Run, named, varied
from quickdraw.statistics.paired import mcnemar, paired_proportions_interval

TIMES = ("best_epoch", "epochs", "parameters", "train_s", "total_s", "samples_per_s", "peak_rss_mb")


@dataclass(frozen=True)
class Comparison:
    """Two completed runs, A and B, whose test splits are the same drawings.

    `a` and `b` are what they say of each, in the same order; `classes` are the names of the labels.
    """

    runs: tuple[Run, Run]
    a: Predictions
    b: Predictions
    classes: list[str]

    @property
    def names(self) -> tuple[str, str]:
        """The settings of each that differ, or otherwise its folder's name."""
        names = named(self.runs)
        a, b = self.runs
        return names[a.folder] or a.folder.name, names[b.folder] or b.folder.name

    @property
    def settings(self) -> dict[str, tuple[str, str]]:
        """The settings that differ, as each run has them."""
        a, b = self.runs
        return {column: (a.display(key), b.display(key)) for key, column in varied(self.runs).items()}

    @property
    def metrics(self) -> dict[str, tuple[float, float]]:
        """Every number that both results have: validation first, then the test split, then time and size."""
        a, b = self.runs[0].result, self.runs[1].result
        numbers = [key for key in a if is_number(a[key]) and is_number(b.get(key))]
        scores = [key for key in numbers if key.startswith(("val_", "test_"))]
        scores.sort(key=lambda key: key.startswith("test_"))  # the order within each group stays
        times = [key for key in TIMES if key in numbers]
        return {key: (a[key], b[key]) for key in (*scores, *times)}

    @property
    def only_a(self) -> np.ndarray:
        """Whether only A is right, bool [N]."""
        return self.a.correct & ~self.b.correct

    @property
    def only_b(self) -> np.ndarray:
        """Whether only B is right, bool [N]."""
        return self.b.correct & ~self.a.correct

    @property
    def class_accuracy(self) -> tuple[np.ndarray, np.ndarray]:
        """The accuracy of A and of B on each class, float64 [C] each; nan for a class without test drawings."""
        return self.a.class_accuracy(len(self.classes)), self.b.class_accuracy(len(self.classes))

    @property
    def difference(self) -> float:
        """By how much B's test accuracy is higher than A's."""
        return (int(self.only_b.sum()) - int(self.only_a.sum())) / len(self.a.label)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference: it leaves out 0 exactly when McNemar's p is below 0.05."""
        return paired_proportions_interval(int(self.only_a.sum()), int(self.only_b.sum()), len(self.a.label))

    @property
    def p(self) -> float:
        """McNemar's p: how likely a difference as large would be if both were equally good."""
        return mcnemar(int(self.only_a.sum()), int(self.only_b.sum()))

    def class_rows(self) -> list[dict[str, Any]]:
        """One row a class: test drawings, both accuracies, their difference, and how many only one gets right.

        What differs most comes first.
        """
        a, b = self.class_accuracy
        label, count = self.a.label, len(self.classes)
        columns = {
            "drawings": np.bincount(label, minlength=count),
            "a": a,
            "b": b,
            "difference": b - a,
            "only_a_right": np.bincount(label[self.only_a], minlength=count),
            "only_b_right": np.bincount(label[self.only_b], minlength=count),
        }
        rows = []
        for place in np.argsort(-np.abs(b - a), kind="stable").tolist():  # nan, a class without drawings, comes last
            values = {name: column[place].item() for name, column in columns.items()}
            rows.append({"class": self.classes[place], **values})
        return rows

    def verdict(self) -> str:
        """Which one is right more often, and whether that may be chance, in words."""
        a, b, count = int(self.only_a.sum()), int(self.only_b.sum()), len(self.a.label)
        if not (a or b):
            return f"A and B are right on the same ones of the {count:,} test drawings."
        better, worse, difference = "B", "A", self.difference
        low, high = self.interval
        if b <= a:
            better, worse, difference = "A", "B", -self.difference
            low, high = -high, -low
        evidence = f"(95 %: {low:+.4f} to {high:+.4f}; McNemar's test: {p_text(self.p)})"
        if self.p < SURE:
            return (
                f"{better} is better than {worse} by {difference:.4f} of the {count:,} test drawings {evidence}: "
                "significant on this test split (McNemar); whether the setting is better needs more seeds."
            )
        lead = f"{better} leads {worse} by {difference:.4f}"
        if a == b:
            lead = "A and B are right equally often"
        return f"{lead} {evidence}: the two cannot be distinguished on these {count:,} test drawings."


def compare(a: Run, b: Run) -> Comparison:
    """Compare two runs; raises RunError if one has left no predictions, or if their test splits are not the same."""
    for run in (a, b):
        if not run.result:
            raise RunError(f"{run.folder}: expected a completed run, got one that is {state_text(run)}")
    known, other = description(a), description(b)
    ours = read_predictions(a.folder / "predictions.npz", len(known["classes"]))
    theirs = read_predictions(b.folder / "predictions.npz", len(other["classes"]))
    difference = described_difference(known, other)
    same = np.array_equal(ours.index, theirs.index) and np.array_equal(ours.label, theirs.label)
    if not difference and not same:
        difference = f"{len(ours.index):,} and {len(theirs.index):,} drawings, not the same ones"
    if difference:
        keys = [key for key in varied([a, b]) if key.startswith("data.")]
        if keys:
            difference += f"; make these settings equal: {', '.join(keys)}"
        raise RunError(f"{a.folder} and {b.folder}: their test splits differ: {difference}")
    return Comparison((a, b), ours, theirs, known["classes"])


def described_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """How the drawings of two runs differ by their descriptions; empty if they do not."""
    if a["classes"] != b["classes"]:
        return "they know different classes"
    files = [name for name in a["classes"] if a["fingerprints"][name] != b["fingerprints"].get(name)]
    if not files:
        return ""
    names = ", ".join(files[:5])
    if len(files) > 5:
        names += " and others"
    return f"the drawings of {names} are other files"


def description(run: Run) -> dict[str, Any]:
    """The description of a run's weights; raises RunError when it is missing or damaged.

    It holds at least `classes`, `fingerprints` (the sha256 of each class's file) and `drawings` (their counts).
    """
    path = next(iter(sorted((run.folder / "weights").glob("*_net.json"))), run.folder / "weights" / "*_net.json")
    try:
        known = read_description(path)
    except WeightsError as error:
        raise RunError(str(error)) from error
    if "fingerprints" not in known:
        raise RunError(f"{path}: expected the description of a network's weights, with fingerprints")
    return known


def state_text(run: Run) -> str:
    """How a run stands, in one line: `failed: out of memory`."""
    reason = run.reason.partition("\n")[0]
    return f"{run.state}: {reason}" if reason else run.state
