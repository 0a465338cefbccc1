"""The style that all pictures share, and sheets of drawings; what a model learnt is drawn with these.

Figures are made without pyplot, so nothing is kept open and no window or backend is needed; a notebook shows the figure
that a cell ends with.
"""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLE: Any = {
    "figure.dpi": 100,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called $
    "axes.prop_cycle": mpl.cycler(  # type: ignore[attr-defined]
        # The colour-blind can tell them apart too. Source: Okabe and Ito (2008).
        color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]
    ),
}


class Picture(Figure):
    """A figure that a notebook shows by itself: without pyplot it knows a matplotlib Figure by its size alone."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def pixels(made: Figure, dpi: float = 160) -> np.ndarray:
    """The pixels of a figure, uint8 [H, W, 3], with `dpi` pixels an inch."""
    made.set_dpi(dpi)
    canvas = FigureCanvasAgg(made)
    with warnings.catch_warnings(action="ignore"):  # a class may be named with letters that the font lacks
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


@contextmanager
def figure(width: float, height: float, title: str = "", **grid: Any) -> Iterator[tuple[Figure, Any]]:
    """Make a figure of that size in inches, in the project's style, while the block draws in it.

    `grid` are arguments of `Figure.subplots`; yields the figure and its axes.
    """
    with mpl.rc_context(STYLE):
        made = Picture(figsize=(width, height), layout="constrained")
        axes = made.subplots(**grid)
        if title:
            made.suptitle(title, x=0.01, ha="left", fontweight="bold")
        yield made, axes


def show_drawing(axes: Axes, image: np.ndarray, title: str = "", color: str = "black") -> None:
    """Show one drawing, uint8 or float [28, 28] or [784], ink dark on paper white."""
    axes.imshow(image.reshape(28, 28), cmap="gray_r", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=8, fontweight="normal", color=color, loc="center")
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("#cccccc")


def sheet(
    images: np.ndarray | Sequence[np.ndarray], titles: Sequence[str] = (), columns: int = 8, title: str = ""
) -> Figure:
    """A sheet of drawings [N, 28, 28] or [N, 784], row by row, each under its title if there are any."""
    rows = max(1, math.ceil(len(images) / columns))
    height = rows * (1.25 if titles else 0.95)
    if title:
        height += 0.4
    with figure(columns * 0.95, height, title, nrows=rows, ncols=columns, squeeze=False) as (made, axes):
        for place, spot in enumerate(axes.flat):
            if place < len(images):
                show_drawing(spot, np.asarray(images[place]), titles[place] if titles else "")
            else:
                spot.axis("off")
    return made
