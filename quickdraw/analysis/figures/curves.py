"""A sweep over time, as figures: learning curves by epoch, scores by seconds of training."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quickdraw.analysis.figures.parts import GREY, MOST_LINES, WIDTH, escape_math, focus, legend, setting_colors
from quickdraw.analysis.frames import curve_frame
from quickdraw.analysis.sweep import Sweep
from quickdraw.plotting import figure


def curves_figure(sweep: Sweep) -> Figure | None:
    """Draw loss and score over the epochs: the mean over each setting's seeds, and from the worst to the best seed."""
    frame = curve_frame(sweep, MOST_LINES)
    if frame.empty:
        return None
    colors = setting_colors(sweep)
    with figure(WIDTH, 4.2, "Learning curves: mean over the seeds, and the range of them", ncols=2) as (made, axes):
        losses, scores = axes
        for setting, own in in_order(frame, colors):
            color = colors.get(setting)
            draw_curve(losses, own, "val_loss", "-", color)
            draw_curve(losses, own, "train_loss", ":", color)
            draw_curve(scores, own, sweep.metric, "-", color, escape_math(setting))
        losses.set_title("loss: val (line), train (dotted)")
        scores.set_title(sweep.metric)
        for spot in axes:
            spot.set_xlabel("epoch")
            spot.xaxis.get_major_locator().set_params(integer=True)
            spot.grid()
        legend(made, scores, len(colors) < frame["setting"].nunique())
    return made


def draw_curve(spot: Axes, own: pd.DataFrame, column: str, style: str, color: str | None, label: str = "") -> None:
    """Draw one column of one setting's epochs; a setting without a colour of its own is thin and grey."""
    if column not in own:
        return
    by_epoch = own.groupby("epoch")[column]
    mean = by_epoch.mean()
    if color is None:
        spot.plot(mean.index, mean, style, color=GREY, linewidth=0.7)
        return
    spot.plot(mean.index, mean, style, color=color, linewidth=1.8, label=label or None)
    if style == "-":
        spot.fill_between(mean.index, by_epoch.min(), by_epoch.max(), color=color, alpha=0.15, linewidth=0)


def time_figure(sweep: Sweep) -> Figure | None:
    """Draw the score as the seconds of training go by, and each run's best score against its seconds.

    The stepped line joins the runs that no other one beats in both.
    """
    frame = curve_frame(sweep, MOST_LINES)
    timed = [run for run in sweep.completed if "train_s" in run.result]
    seconds = {run.folder: float(run.result["train_s"]) for run in timed}
    if frame.empty or not timed or sweep.metric not in frame:
        return None
    colors, names = setting_colors(sweep), sweep.setting_names
    with figure(WIDTH, 4.2, f"{sweep.metric} against time", ncols=2) as (made, axes):
        training, final = axes

        # Each run as it trains.
        for (setting, _), own in frame.groupby(["setting", "folder"], sort=False):
            color = colors.get(setting, GREY)
            training.plot(own["seconds"], own[sweep.metric], color=color, linewidth=1, alpha=0.8)
        training.set_title("as training goes on")
        training.set_ylabel(sweep.metric)

        # Each run at its end: those without a colour first, so that the others lie on top.
        uncoloured = sorted({*names.values()} - colors.keys())
        for setting in (*uncoloured, *colors):
            own_runs = [run for run in timed if names[run.folder] == setting]
            own_seconds = [seconds[run.folder] for run in own_runs]
            label = escape_math(setting) if setting in colors else None
            final.plot(own_seconds, list(map(sweep.score, own_runs)), "o", color=colors.get(setting, GREY), label=label)
        draw_front(final, sweep, seconds.values(), map(sweep.score, timed))
        final.set_title("in the end (dashed: none beats these)")
        focus(final, list(map(sweep.score, timed)), vertical=True)

        longest = max(frame["seconds"].max(), *seconds.values())
        for spot in axes:
            spot.set_xlabel("seconds of training")
            spot.set_xlim(0, 1.05 * longest)
            spot.grid()
        legend(made, final, bool(uncoloured))
    return made


def draw_front(spot: Axes, sweep: Sweep, seconds: Iterable[float], scores: Iterable[float]) -> None:
    """Draw the step through the runs that no other one beats in both, by their seconds and measured scores."""
    higher_is_better = map(sweep.measured, scores)
    front = pareto(list(zip(seconds, higher_is_better, strict=True)))
    times, values = zip(*front, strict=True)
    measured = list(map(sweep.measured, values))
    spot.step(times, measured, where="post", color="black", linewidth=0.8, linestyle="--", zorder=0)


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (seconds, score) that no other one beats in both, by seconds."""
    front: list[tuple[float, float]] = []
    for seconds, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or value > front[-1][1]:
            front.append((seconds, value))
    return front


def in_order(frame: pd.DataFrame, colors: Mapping[str, str]) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each setting: those without a colour first, so that the others lie on top."""
    groups = {str(setting): own for setting, own in frame.groupby("setting", sort=False)}
    uncoloured = [name for name in groups if name not in colors]
    order = [*uncoloured, *colors]
    return sorted(groups.items(), key=lambda item: order.index(item[0]))
