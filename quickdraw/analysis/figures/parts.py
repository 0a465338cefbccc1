"""What the figures share: sizes, colours, names of settings, heat maps."""

from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quickdraw.analysis.sweep import Sweep
from quickdraw.plotting import STYLE
from quickdraw.run.listing import Run

WIDTH = 9.0  # inches, of every figure
COLORS = STYLE["axes.prop_cycle"].by_key()["color"]
GREY = "#b5b5b5"
MOST_LINES = 200  # runs whose epochs are drawn, the best ones: reading and drawing one takes 10 ms
LONGEST = 44  # letters of a name


def escape_math(text: Any, longest: int = LONGEST) -> str:
    """Text that matplotlib shows letter by letter (a dollar would begin a formula), cut to a length."""
    shown = str(text)
    if len(shown) > longest:
        shown = f"{shown[: longest - 3]}..."
    return shown.replace("$", r"\$")


def escaped(names: Iterable[Any], longest: int) -> list[str]:
    """Some names as `escape_math` makes them."""
    return [escape_math(name, longest) for name in names]


def score_colors(sweep: Sweep) -> str:
    """The name of the colour map in which a better score is brighter."""
    return "viridis_r" if sweep.lower_is_better else "viridis"


def setting_colors(sweep: Sweep) -> dict[str, str]:
    """A colour for each of the best settings; more colours could not be distinguished."""
    return dict(zip((setting.label for setting in sweep.settings), COLORS[:-1], strict=False))


def hash_fraction(run: Run) -> float:
    """A number in [0, 1) that is a run's own: it moves dots and lines that would lie on one place."""
    return crc32(run.folder.name.encode(errors="replace")) / 2**32


def focus(axes: Axes, values: Sequence[float], vertical: bool = False) -> None:
    """Let an axis show the runs: with two seeds an interval is so long that nothing else would be seen beside it."""
    low, high = min(values), max(values)
    margin = 0.5 * (high - low) or 0.01
    set_limits = axes.set_ylim if vertical else axes.set_xlim
    set_limits(low - margin, high + margin)


def legend(made: Figure, axes: Axes, others: bool) -> None:
    """Put the names of the colours below the figure."""
    if others:
        axes.plot([], [], color=GREY, label="others")
    made.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=2, fontsize=8)


def heat_map(axes: Axes, frame: pd.DataFrame, colors: str, form: str, limit: float | None = None) -> None:
    """Draw a table of numbers as colours with the numbers in them; `limit` makes the colours symmetric about zero."""
    values = frame.to_numpy(dtype=float)
    span: dict[str, Any] = {} if limit is None else {"vmin": -limit, "vmax": limit}
    image = axes.imshow(values, cmap=colors, aspect="auto", **span)

    # The numbers.
    size = 9 if len(values) <= 12 else 7
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        text = form.format(value) if value else "0"
        axes.text(column, row, text, ha="center", va="center", color=contrast(image, value), fontsize=size)

    # The names of rows and columns.
    axes.set_xticks(range(frame.shape[1]), escaped(frame.columns, 20))
    axes.set_yticks(range(frame.shape[0]), escaped(frame.index, 20))
    if len("".join(map(str, frame.columns))) > 60:
        axes.tick_params(axis="x", rotation=45)
    axes.set_xlabel(escape_math(frame.columns.name or ""))
    axes.set_ylabel(escape_math(frame.index.name or ""))
    axes.spines[:].set_visible(False)


def contrast(image: Any, value: float) -> str:
    """White or black, whichever is readable on an image's colour of a value."""
    red, green, blue, _ = image.cmap(image.norm(value))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "black"
