"""Pictures of data: how many drawings, how dark, what they look like. See `quickdraw.plotting` for the style."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from quickdraw.data.drawings import Drawings
from quickdraw.explore.drawings import pick
from quickdraw.plotting import figure, sheet

GAP = 1  # pixels between drawings
SHADE = 60  # the gap's grey, of 255


def mosaic(rows: Mapping[str, np.ndarray | Sequence[np.ndarray]], title: str = "", zoom: int = 2) -> Figure:
    """Return a sheet with one named row of drawings each: uint8 or float [n, 28, 28] or [n, 784], ink dark.

    One image instead of one a drawing: 200 drawings take 0.2 s, as a sheet of axes 3 s.
    """
    side = 28 + GAP
    longest = max((len(drawings) for drawings in rows.values()), default=0)
    canvas = np.full((len(rows) * side + GAP, longest * side + GAP), SHADE, dtype=np.float64)
    for row, drawings in enumerate(rows.values()):
        for column, drawing in enumerate(drawings):
            values = np.asarray(drawing).reshape(28, 28)
            place = np.s_[row * side + GAP : (row + 1) * side, column * side + GAP : (column + 1) * side]
            canvas[place] = values if values.dtype == np.uint8 else values * 255
        canvas[row * side : (row + 1) * side + GAP, len(drawings) * side + GAP :] = 0  # no frames where none are
    height, width = canvas.shape
    margin = 0.09 * max((len(name) for name in rows), default=0) + 0.1
    with figure(width * zoom / 100 + margin, height * zoom / 100 + (0.3 if title else 0.05), title) as (made, axes):
        axes.imshow(canvas, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
        axes.set_yticks([row * side + side / 2 for row in range(len(rows))], list(rows))
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return made


def pairs(files: Sequence[np.ndarray], places: np.ndarray, classes: Sequence[str]) -> Figure:
    """Return a sheet of pairs of drawings [k, 2], as `Nearest.pairs` returns them: one above the other, with labels."""
    flat = places.T.ravel()
    labels = Drawings(files).labels(flat)
    return sheet(pick(files, flat), [classes[label] for label in labels], columns=max(1, len(places)))


def counts(drawings: Mapping[str, int], title: str = "Drawings of each class") -> Figure:
    """Return bars of how many drawings each class has, in that order, and a line at an even share."""
    names, values = list(drawings), list(drawings.values())
    with figure(7, 0.6 + 0.24 * len(names)) as (made, axes):
        bars = axes.barh(names, values, height=0.7)
        even = sum(values) / len(values)
        axes.axvline(even, color="#888888", linestyle=":", linewidth=1, zorder=0)
        axes.text(even, len(names) - 0.3, "an even share", color="#666666", fontsize=8, ha="center", va="top")
        for label in axes.bar_label(bars, [f"{value:,}" for value in values], padding=3, fontsize=9):
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})  # before the line
        axes.invert_yaxis()
        axes.set_title(title)
        axes.margins(x=0.12)
        axes.set_xlim(left=0)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
    return made


def distributions(measures: Mapping[str, Sequence[np.ndarray]], names: Sequence[str]) -> Figure:
    """Return for each measure how it is distributed in each class: shares in [0, 1], one array a class.

    The shape is the distribution, the line its middle half, the dot the median.
    """
    with figure(4 * len(measures), 0.8 + 0.36 * len(names), ncols=len(measures), sharey=True, squeeze=False) as (
        made,
        axes,
    ):
        for spot, (title, values) in zip(axes[0], measures.items(), strict=True):
            places = np.arange(len(names))
            parts = spot.violinplot(list(values), places, orientation="horizontal", widths=0.9, showextrema=False)
            for body in parts["bodies"]:
                body.set_alpha(0.45)
            low, middle, high = np.array([np.percentile(each, (25, 50, 75)) for each in values]).T
            spot.hlines(places, low, high, color="#333333", linewidth=2)
            spot.plot(middle, places, "o", color="white", markeredgecolor="#333333", markersize=4)
            spot.set_title(title)
            spot.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            spot.set_xlim(left=0)
            spot.grid(axis="x", alpha=0.3)
            spot.tick_params(axis="y", length=0)
        axes[0, 0].set_yticks(np.arange(len(names)), names)
        axes[0, 0].invert_yaxis()
    return made
