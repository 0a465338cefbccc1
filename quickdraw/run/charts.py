"""Figures of what a network learnt: where it errs, how confident it is, and what its first layer looks for.

Each says in its title what it shows and of which drawings. They are drawn for TensorBoard, which shows a picture some
300 pixels wide until it is clicked: few large words rather than many small ones, and of many classes only those that
matter. Where there are many small pictures they share one pair of axes: 24 pairs take 0.9 s to draw, one 0.1 s.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import nn

from quickdraw.plotting import figure
from quickdraw.predictions import Predictions

MOST_CLASSES = 12  # that a confusion matrix or a chart of bars shows in full
MISTAKES = 16
WIDTH = 4.4  # inches
FILTERS = 64
LONGEST_NAME = 15  # letters, under a drawing
PIXELS = 28


def confusion_matrix(predictions: Predictions, classes: Sequence[str], split: str = "test") -> Figure:
    """The confusion matrix in per cent of each true class; of many classes, those most taken for each other."""
    counts = predictions.confusion(len(classes))
    with np.errstate(invalid="ignore"):
        shares = 100 * counts / counts.sum(axis=1, keepdims=True)

    # Of many classes some, and one more column for all the others.
    shown = np.arange(len(classes))
    title = "Confusion matrix: % of each true class"
    if len(classes) > MOST_CLASSES:
        shown = most_confused(counts, MOST_CLASSES)
        title += f"\nthe {len(shown)} most confused of {len(classes)} classes"
    names = [shortened(classes[index], 16) for index in shown.tolist()]
    columns = list(names)
    matrix = shares[np.ix_(shown, shown)]
    if len(shown) < len(classes):
        matrix = np.column_stack([matrix, shares[shown].sum(axis=1) - matrix.sum(axis=1)])
        columns.append("others")

    with figure(WIDTH, 4.2, f"{title}\n{of_drawings(predictions, split)}") as (made, axes):
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        for (row, column), share in np.ndenumerate(matrix):
            write_share(axes, row, column, share)
        axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="predicted", ylabel="true")
    return made


def write_share(axes: Axes, row: int, column: int, share: float) -> None:
    """Write a share in per cent into its cell of a matrix, with a digit after the point below 10; none below 0.05."""
    if share >= 0.05:
        digits = 0 if share >= 9.95 else 1
        color = "white" if share > 50 else "black"
        text = axes.text(column, row, f"{share:.{digits}f}", ha="center", va="center", color=color, fontsize=8)
        text.set_in_layout(False)  # it lies within the axes: to look where takes as long as to draw it


def most_confused(counts: np.ndarray, most: int) -> np.ndarray:
    """The classes of the pairs most often taken for each other, int64 [`most`], those of a pair side by side.

    `counts` is a confusion matrix; a pair counts by the sum of both shares, so that a class with few drawings counts.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mutual = np.triu(shares + shares.T, k=1)
    found: list[int] = []
    for pair in np.argsort(-mutual, axis=None, kind="stable"):
        found += [index for index in divmod(int(pair), len(counts)) if index not in found]
        if len(found) >= most:
            break
    return np.array(found[:most])


def class_accuracy(predictions: Predictions, classes: Sequence[str], split: str = "test") -> Figure:
    """The accuracy on each class as bars with 95 % intervals, worst first, and their mean, balanced accuracy.

    Of many classes, the worst two thirds of what there is room for, and the best.
    """
    accuracy = predictions.class_accuracy(len(classes))
    drawings = np.bincount(predictions.label, minlength=len(classes))

    # Which classes, and in which order.
    title = "Accuracy by class (drawings of it)"
    order = np.argsort(accuracy, kind="stable")[: np.count_nonzero(drawings)]
    room = MOST_CLASSES + 6
    if len(order) > room:
        worst = room * 2 // 3
        title += f"\nthe worst {worst} and the best {room - worst} of {len(order)} classes"
        order = np.concatenate([order[:worst], order[worst - room :]])
    low, high = wilson(accuracy[order], drawings[order])
    balanced = float(np.nanmean(accuracy))

    with figure(WIDTH, 1.4 + 0.24 * len(order), f"{title}\n{of_drawings(predictions, split)}") as (made, axes):
        places = np.arange(len(order))
        axes.barh(places, accuracy[order], color="#56B4E9")
        axes.errorbar(
            (low + high) / 2, places, xerr=(high - low) / 2, fmt="none", ecolor="#555555", label="95 % interval"
        )
        for place, value in zip(places, accuracy[order], strict=True):
            axes.text(0.01, place, f"{value:.3f}", va="center", fontsize=9)
        axes.axvline(balanced, color="#D55E00", label=f"their mean, balanced accuracy: {balanced:.4f}")
        axes.set_yticks(places, [f"{shortened(classes[index], 24)} ({drawings[index]:,})" for index in order])
        axes.set(xlim=(0, 1), xlabel="accuracy")
        axes.invert_yaxis()
        axes.figure.legend(loc="outside lower right", ncols=2, fontsize=8)
    return made


def wilson(share: np.ndarray, count: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95 % intervals of some shares of `count` each. Source: Wilson (1927)."""
    centre = share + z * z / (2 * count)
    margin = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (centre - margin) / (1 + z * z / count), (centre + margin) / (1 + z * z / count)


def calibration_curve(predictions: Predictions, split: str = "test") -> Figure:
    """The accuracy of predictions made with equal confidence, and the share of such predictions."""
    drawings, confidence, accuracy = predictions.calibration()
    title = f"Calibration: expected error {predictions.calibration_error():.4f}\n{of_drawings(predictions, split)}"
    with figure(WIDTH, 4.2, title, nrows=2, height_ratios=[3, 1], sharex=True) as (made, (curve, bars)):
        curve.plot([0, 1], [0, 1], color="#999999", linestyle="--", label="perfect calibration")
        curve.plot(confidence, accuracy, marker="o", label="the network")
        curve.set(ylim=(0, 1.02), ylabel="accuracy")
        curve.grid(alpha=0.3)
        curve.legend(loc="upper left")
        edges = np.linspace(0, 1, len(drawings) + 1)
        bars.bar(edges[:-1], drawings / drawings.sum(), width=1 / len(drawings), align="edge", edgecolor="white")
        bars.set(xlim=(0, 1), xlabel="confidence (the predicted class's probability)", ylabel="share")
    return made


def worst_mistakes(predictions: Predictions, most: int = MISTAKES) -> np.ndarray:
    """The positions of the wrong predictions that were made with most confidence, most confident first."""
    wrong = np.flatnonzero(~predictions.correct)
    return wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:most]


def mistakes(
    images: np.ndarray, predictions: Predictions, positions: np.ndarray, classes: Sequence[str], split: str = "test"
) -> Figure:
    """The drawings, float [K, 28, 28], each with its true class, the predicted one and the confidence in it.

    `positions` [K] are the places of the drawings in `predictions`; there may be none.
    """
    columns, space = 4, 16
    rows = max(1, math.ceil(len(positions) / columns))
    wrong = np.count_nonzero(~predictions.correct)
    title = f"The most confident of {wrong:,} mistakes\nblack: true class, red: predicted"
    with figure(WIDTH, 0.7 + 1.5 * rows, f"{title}\n{of_drawings(predictions, split)}") as (made, axes):
        tiles(axes, images, columns, gap=(4, space), vmin=0, vmax=1, cmap="gray_r")
        for place, position in enumerate(positions):
            label, predicted = classes[predictions.label[position]], classes[predictions.predicted[position]]
            x, y = (place % columns) * (PIXELS + 4) + PIXELS / 2, (place // columns) * (PIXELS + space) + PIXELS
            axes.text(x, y + 1, shortened(label, LONGEST_NAME), ha="center", va="top", fontsize=9)
            confidence = f"{int(100 * predictions.confidence[position])}%"
            text = f"{shortened(predicted, LONGEST_NAME - len(confidence))} {confidence}"
            axes.text(x, y + 8, text, ha="center", va="top", fontsize=9, color="#C03000")
        axes.set_ylim(rows * (PIXELS + space) - 1, -1)
    return made


def first_filters(net: nn.Module) -> Figure | None:
    """The weights of the first layer as pictures; None for a network that sees no picture in its first layer."""
    weights = first_weights(net)
    if weights is None:
        return None
    total, height, width = weights.shape
    shown = weights[:FILTERS]
    title = f"First layer: {total} filters of {height} x {width} pixels"
    if len(shown) < total:
        title += f", the first {len(shown)} of {total}"
    columns = min(8, max(len(shown), 1))
    rows = math.ceil(len(shown) / columns)
    limit = float(np.abs(weights).max()) or 1.0
    title += "\nblue: positive weight, red: negative"
    with figure(WIDTH, 0.9 + 4 * rows / columns, title) as (made, axes):
        gap = max(1, width // 4)
        picture = tiles(axes, shown, columns, gap=(gap, gap), vmin=-limit, vmax=limit, cmap="RdBu")
        made.colorbar(picture, ax=axes, shrink=0.7, label="weight")
    return made


def first_weights(net: nn.Module) -> np.ndarray | None:
    """The filters of the first convolution, or of a first linear layer over all pixels, float32 [K, H, W].

    Filters that see several copies of the picture are summed over them, which is how they answer to equal copies.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.weight.detach().float().sum(dim=1).cpu().numpy()
        if isinstance(layer, nn.Linear):
            seen = layer.weight.detach().float().cpu().numpy()
            return seen.reshape(-1, PIXELS, PIXELS) if layer.in_features == PIXELS * PIXELS else None
    return None


def tiles(axes: Axes, images: np.ndarray, columns: int, gap: tuple[int, int], **style: Any) -> AxesImage:
    """Show images [K, H, W] row by row in one pair of axes, `gap` pixels between them across and down."""
    count, height, width = images.shape
    rows = max(1, math.ceil(count / columns))
    across, down = width + gap[0], height + gap[1]
    canvas = np.full((rows * down, columns * across), np.nan)
    for place, image in enumerate(images):
        top, left = place // columns * down, place % columns * across
        canvas[top : top + height, left : left + width] = image
    axes.axis("off")
    return axes.imshow(canvas[: rows * down, : columns * across - gap[0]], interpolation="nearest", **style)


def of_drawings(predictions: Predictions, split: str) -> str:
    """The drawings that a figure is about, as a line of its title."""
    return f"{split} split, {len(predictions.label):,} drawings"


def shortened(name: str, most: int) -> str:
    """A name, cut to at most `most` letters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
