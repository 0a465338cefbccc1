"""The scores of a network on a split of drawings. A metric is one function here, and nothing else need be written.

    @metric("Accuracy/{split}_balanced")
    def balanced_accuracy(predictions): ...

appears as `val_balanced_accuracy` in metrics.csv, TensorBoard, the choices of `trainer.monitor` and of a search's
`metric`, as `val_` and `test_balanced_accuracy` in result.json, and in HParams. Neither torch nor numpy is imported
here: the settings are checked by these names before a run needs either.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quickdraw.predictions import Predictions

Score = Callable[["Predictions"], float]


@dataclass(frozen=True)
class Metric:
    """One score: `score(predictions)` computes it, `tag` names it in TensorBoard with the split in its place.

    `hparams` names what the HParams page shows of it: `best_val` (of the best epoch), `test`, both or neither.
    A metric that is not taken `every_epoch` is known of the test split only.
    """

    score: Score
    tag: str
    lower_is_better: bool
    hparams: Sequence[str]
    every_epoch: bool


METRICS: dict[str, Metric] = {}  # in this order they are the columns of metrics.csv


def metric(
    tag: str,
    *,
    lower_is_better: bool = False,
    hparams: Sequence[str] = ("best_val", "test"),
    every_epoch: bool = True,
) -> Callable[[Score], Score]:
    """Make a function of Predictions a metric by its own name; see `Metric` for the arguments."""

    def register(score: Score) -> Score:
        METRICS[score.__name__] = Metric(score, tag, lower_is_better, hparams, every_epoch)
        return score

    return register


@metric("Loss/{split}", lower_is_better=True)
def loss(predictions: "Predictions") -> float:
    """Mean of -log of the label's probability."""
    return predictions.loss.mean(dtype="float64")


@metric("Accuracy/{split}")
def accuracy(predictions: "Predictions") -> float:
    """Share of drawings whose likeliest class is the label."""
    return predictions.correct.mean()


@metric("Accuracy/{split}_balanced", hparams=["test"])
def balanced_accuracy(predictions: "Predictions") -> float:
    """Mean of the classes' accuracies: each class counts once, however many drawings it has."""
    return predictions.balanced_accuracy()


@metric("Accuracy/{split}_top3", hparams=[])
def top3_accuracy(predictions: "Predictions") -> float:
    """Share of drawings whose label is among the three likeliest classes."""
    return predictions.top_accuracy(3)


@metric("Accuracy/{split}_top5", hparams=[])
def top5_accuracy(predictions: "Predictions") -> float:
    """Share of drawings whose label is among the five likeliest classes."""
    return predictions.top_accuracy(5)


@metric("Calibration/{split}_error", lower_is_better=True, hparams=["test"], every_epoch=False)
def calibration_error(predictions: "Predictions") -> float:
    """Mean distance of confidence and accuracy; see `Predictions.calibration_error`."""
    return predictions.calibration_error()


def scores(predictions: "Predictions") -> dict[str, float]:
    """The scores that are taken every epoch, by their names: `loss`, `accuracy`, ..."""
    return {name: float(each.score(predictions)) for name, each in METRICS.items() if each.every_epoch}


def final_scores(predictions: "Predictions") -> dict[str, float]:
    """All scores, by their names."""
    return {name: float(each.score(predictions)) for name, each in METRICS.items()}


def monitors() -> list[str]:
    """The names of the scores that can choose the best epoch: `val_accuracy`, ..., and the losses last."""
    names = [name for name, each in METRICS.items() if each.every_epoch]
    return [f"val_{name}" for name in sorted(names, key=lower_is_better)]


def curve_tags() -> dict[str, str]:
    """TensorBoard's tags of the validation scores, each a curve over the epochs, by their names in the history."""
    return {f"val_{name}": each.tag.format(split="val") for name, each in METRICS.items() if each.every_epoch}


def final_tags() -> dict[str, str]:
    """TensorBoard's tags of the scores on the HParams page, one point each, by their names in result.json."""
    tags = {}
    for name, each in METRICS.items():
        for split in each.hparams:
            tags[f"{split.removeprefix('best_')}_{name}"] = each.tag.format(split=split)
    return tags


def lower_is_better(name: str) -> bool:
    """Whether a score is better when it is lower, as `val_loss` is. A name that is unknown here goes by its ending."""
    known = METRICS.get(re.sub(r"^(train|val|test)_", "", name))
    return known.lower_is_better if known else name.endswith("loss")


def best(history: Sequence[Mapping[str, Any]], monitor: str) -> Mapping[str, Any]:
    """The record of the best epoch by the score `monitor`, the first of equals."""
    choose = min if lower_is_better(monitor) else max
    return choose(history, key=lambda record: record[monitor])
