"""A sweep as figures: ranking, learning curves, time. Each function returns None where there is nothing to draw."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quickdraw.analysis.folders import metric
from quickdraw.analysis.frames import curve_frame, ranking_frame, setting_names
from quickdraw.analysis.ranking import rank
from quickdraw.metrics import lower_is_better
from quickdraw.plotting import STYLE, figure
from quickdraw.run.listing import Run

WIDTH = 9.0  # inches, of every figure
COLORS = STYLE["axes.prop_cycle"].by_key()["color"]
GREY = "#b5b5b5"
MOST_ROWS = 20  # settings in the ranking
MOST_LINES = 200  # runs whose epochs are drawn, the best ones: reading and drawing one takes 10 ms
LONGEST = 44  # letters of a name


def ranking_figure(runs: Sequence[Run]) -> Figure | None:
    """Draw each setting's mean and 95 % interval over its seeds, and a dot for each run, the best on top."""
    score = metric(runs)
    sign = -1 if lower_is_better(score) else 1
    settings = [setting for setting in rank(runs) if setting.scores][:MOST_ROWS]
    if not settings:
        return None
    title = f"Ranking by {score}: mean and 95 % interval over the seeds; a dot is a run"
    with figure(WIDTH, 1.1 + 0.34 * len(settings), title) as (made, axes):
        for place, setting in enumerate(settings):
            values = [sign * value for value in setting.scores.values()]
            axes.plot(values, [place] * len(values), "o", color=GREY, markersize=5, zorder=1)
            color = COLORS[0] if place else COLORS[1]
            axes.errorbar(
                sign * setting.mean, place, xerr=setting.half_width if len(values) > 1 else None,
                fmt="D", color=color, markersize=6, capsize=4, zorder=2,
            )  # fmt: skip
        axes.set_yticks(range(len(settings)), [clear(setting.name) or "all" for setting in settings])
        axes.set_ylim(len(settings) - 0.5, -0.5)
        focus(axes, [sign * value for setting in settings for value in setting.scores.values()])
        axes.set_xlabel(f"{score} ({'lower' if sign < 0 else 'higher'} is better)")
        axes.grid(axis="x")
    return made


def curves_figure(runs: Sequence[Run]) -> Figure | None:
    """Draw loss and score over the epochs: the mean over each setting's seeds, and from the worst to the best seed."""
    score, frame = metric(runs), curve_frame(runs, MOST_LINES)
    if frame.empty:
        return None
    colors = setting_colors(runs)
    with figure(WIDTH, 4.2, "Learning curves: mean over the seeds, and the range of them", ncols=2) as (made, axes):
        for setting, own in in_order(frame, colors):
            color, width = colors.get(setting, GREY), 1.8 if setting in colors else 0.7
            by_epoch = own.groupby("epoch")
            for spot, column, style in (
                (axes[0], "val_loss", "-"),
                (axes[0], "train_loss", ":"),
                (axes[1], score, "-"),
            ):
                if column not in own:
                    continue
                mean = by_epoch[column].mean()
                label = clear(setting) if spot is axes[1] and setting in colors else None
                spot.plot(mean.index, mean, style, color=color, linewidth=width, label=label)
                if style == "-" and setting in colors:
                    low, high = by_epoch[column].min(), by_epoch[column].max()
                    spot.fill_between(mean.index, low, high, color=color, alpha=0.15, linewidth=0)
        axes[0].set_title("loss: val (line), train (dotted)")
        axes[1].set_title(score)
        for spot in axes:
            spot.set_xlabel("epoch")
            spot.xaxis.get_major_locator().set_params(integer=True)
            spot.grid()
        legend(made, axes[1], len(colors) < frame["setting"].nunique())
    return made


def time_figure(runs: Sequence[Run]) -> Figure | None:
    """Draw the score as the seconds of training go by, and each run's best score against its seconds.

    The stepped line joins the runs that no other one beats in both.
    """
    score, frame = metric(runs), curve_frame(runs, MOST_LINES)
    done = [run for run in runs if run.result and "train_s" in run.result]
    if frame.empty or not done or score not in frame:
        return None
    colors, names = setting_colors(runs), setting_names(runs)
    sign = -1 if lower_is_better(score) else 1
    with figure(WIDTH, 4.2, f"{score} against time", ncols=2) as (made, axes):
        for (setting, _), own in frame.groupby(["setting", "folder"], sort=False):
            axes[0].plot(own["seconds"], own[score], color=colors.get(setting, GREY), linewidth=1, alpha=0.8)
        for setting, color in [*((name, GREY) for name in {*names.values()} - colors.keys()), *colors.items()]:
            own = [run for run in done if names[run.folder] == setting]
            label = clear(setting) if setting in colors else None
            seconds, values = [run.result["train_s"] for run in own], [run.result[score] for run in own]
            axes[1].plot(seconds, values, "o", color=color, label=label)
        front = pareto([(run.result["train_s"], sign * run.result[score]) for run in done])
        axes[1].step(
            [seconds for seconds, _ in front], [sign * value for _, value in front],
            where="post", color="black", linewidth=0.8, linestyle="--", zorder=0,
        )  # fmt: skip
        axes[0].set_title("as training goes on")
        axes[1].set_title("in the end (dashed: none beats these)")
        longest = max(frame["seconds"].max(), *(run.result["train_s"] for run in done))
        for spot in axes:
            spot.set_xlabel("seconds of training")
            spot.set_xlim(0, 1.05 * longest)
            spot.grid()
        axes[0].set_ylabel(score)
        focus(axes[1], [run.result[score] for run in done], vertical=True)
        legend(made, axes[1], len(colors) < len({*names.values()}))
    return made


def heat_map(axes: Axes, frame: pd.DataFrame, colors: str, form: str, limit: float | None = None) -> None:
    """Draw a table of numbers as colours with the numbers in them; `limit` makes the colours symmetric about zero."""
    values = frame.to_numpy(dtype=float)
    span: dict[str, Any] = {} if limit is None else {"vmin": -limit, "vmax": limit}
    image = axes.imshow(values, cmap=colors, aspect="auto", **span)
    for (row, column), value in np.ndenumerate(values):
        if not math.isnan(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            color = "white" if dark else "black"
            size = 9 if len(values) <= 12 else 7
            axes.text(
                column, row, form.format(value) if value else "0", ha="center", va="center", color=color, fontsize=size
            )
    axes.set_xticks(range(frame.shape[1]), [clear(name, 20) for name in frame.columns])
    axes.set_yticks(range(frame.shape[0]), [clear(name, 20) for name in frame.index])
    if sum(len(str(name)) for name in frame.columns) > 60:
        axes.tick_params(axis="x", rotation=45)
    axes.set_xlabel(clear(frame.columns.name or ""))
    axes.set_ylabel(clear(frame.index.name or ""))
    for side in axes.spines.values():
        side.set_visible(False)


def setting_colors(runs: Sequence[Run]) -> dict[str, str]:
    """Return a colour for each of the best settings; there are no more colours that can be told apart."""
    return dict(zip(ranking_frame(runs)["setting"], COLORS[: len(COLORS) - 1], strict=False))


def in_order(frame: pd.DataFrame, colors: Mapping[str, str]) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each setting: those without a colour first, so that the others lie on top."""
    groups = {str(setting): own for setting, own in frame.groupby("setting", sort=False)}
    order = [name for name in groups if name not in colors] + [name for name in colors if name in groups]
    return [(name, groups[name]) for name in order]


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (seconds, score) that no other one beats in both, by seconds."""
    front: list[tuple[float, float]] = []
    for seconds, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or value > front[-1][1]:
            front.append((seconds, value))
    return front


def legend(made: Figure, axes: Axes, others: bool) -> None:
    """Put the names of the colours below the figure."""
    if others:
        axes.plot([], [], color=GREY, label="others")
    made.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=2, fontsize=8)


def focus(axes: Axes, values: Sequence[float], vertical: bool = False) -> None:
    """Let an axis show the runs: with two seeds an interval is so long that nothing else would be seen beside it."""
    low, high = min(values), max(values)
    margin = 0.5 * (high - low) or 0.01
    (axes.set_ylim if vertical else axes.set_xlim)(low - margin, high + margin)


def clear(text: Any, longest: int = LONGEST) -> str:
    """Return text as matplotlib shows it letter by letter (a dollar would begin a formula), cut to a length."""
    told = str(text)
    return (told if len(told) <= longest else f"{told[: longest - 3]}...").replace("$", r"\$")
