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
SIDE = 28 + GAP


def mosaic(rows: Mapping[str, np.ndarray | Sequence[np.ndarray]], title: str = "", zoom: int = 2) -> Figure:
    """A sheet with one named row of drawings each: uint8 or float [n, 28, 28] or [n, 784], ink dark.

    One image instead of one a drawing: 200 drawings take 0.2 s, as a sheet of axes 3 s.
    """
    canvas = mosaic_canvas(list(rows.values()))
    height, width = canvas.shape
    left = 0.09 * max(map(len, rows), default=0) + 0.1
    top = 0.3 if title else 0.05
    with figure(width * zoom / 100 + left, height * zoom / 100 + top, title) as (made, axes):
        axes.imshow(canvas, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
        axes.set_yticks((np.arange(len(rows)) + 0.5) * SIDE, list(rows))
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return made


def mosaic_canvas(rows: Sequence[np.ndarray | Sequence[np.ndarray]]) -> np.ndarray:
    """Rows of drawings as one image, float64 [H, W], 0 paper and 255 ink, with grey frames around the drawings."""
    longest = max(map(len, rows), default=0)
    canvas = np.full((len(rows) * SIDE + GAP, longest * SIDE + GAP), SHADE, dtype=np.float64)
    for row, drawings in enumerate(rows):
        top = row * SIDE + GAP
        for column, drawing in enumerate(drawings):
            left = column * SIDE + GAP
            values = np.asarray(drawing).reshape(28, 28)
            canvas[top : top + 28, left : left + 28] = values if values.dtype == np.uint8 else values * 255
        canvas[top - GAP : top + SIDE, len(drawings) * SIDE + GAP :] = 0  # no frames where no drawings are
    return canvas


def pairs(files: Sequence[np.ndarray], places: np.ndarray, classes: Sequence[str]) -> Figure:
    """A sheet of pairs of drawings [k, 2], as `Nearest.pairs` returns them: one above the other, with labels."""
    flat = places.T.ravel()
    labels = Drawings(files).labels(flat)
    names = [classes[label] for label in labels]
    return sheet(pick(files, flat), names, columns=max(1, len(places)))


def counts(drawings: Mapping[str, int], title: str = "Drawings of each class") -> Figure:
    """Bars of the number of drawings of each class, in that order, and a line at an even share."""
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
    """The distribution of each measure in each class: shares in [0, 1], one array a class.

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
