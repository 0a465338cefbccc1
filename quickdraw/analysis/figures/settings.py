"""What each setting did, as figures. Each function returns None where there is nothing to draw."""

import math
from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from quickdraw.analysis.effects import effect_frame, interaction_frame, label_columns, top_two, value_frame
from quickdraw.analysis.figures.scores import COLORS, GREY, MOST_LINES, WIDTH, clear, focus, heat_map
from quickdraw.analysis.folders import metric
from quickdraw.metrics import lower_is_better
from quickdraw.plotting import figure
from quickdraw.run.listing import Run

MOST_PANELS = 6  # settings whose effect is drawn


def effects_figure(runs: Sequence[Run]) -> Figure | None:
    """Draw what each setting did, most first: the runs at each of its values, their mean and its 95 % interval."""
    score, frame, values = metric(runs), effect_frame(runs)[:MOST_PANELS], value_frame(runs)
    if frame.empty:
        return None
    columns = label_columns(runs)
    count = len(frame)
    wide = min(3, count)
    rows = math.ceil(count / wide)
    title = f"What mattered: {score} by each setting, and how much of its spread that explains"
    with figure(WIDTH, 0.6 + 2.6 * rows, title, nrows=rows, ncols=wide, sharey=True, squeeze=False) as (made, axes):
        for spot, (_, effect) in zip(axes.flat, frame.iterrows(), strict=False):
            own = values[values["setting"] == effect["setting"]].reset_index(drop=True)
            labels = columns[effect["setting"]]
            dots = [
                (code + 0.3 * (hash_fraction(run) - 0.5), run.result[score])
                for run, code in zip(runs, labels.cat.codes, strict=True)
                if run.result
            ]
            spot.plot(*zip(*dots, strict=True), "o", color=GREY, markersize=3, zorder=1)
            errors = (own["high"] - own[score]).fillna(0)
            spot.errorbar(own.index, own[score], yerr=errors, fmt="D-", color=COLORS[0], capsize=3, markersize=5)
            ticks = [clear(value, 14) for value in own["value"]]
            tilt = sum(map(len, ticks)) > 30
            spot.set_xticks(own.index, ticks, rotation=25 if tilt else 0, ha="right" if tilt else "center")
            spot.set_xlim(-0.5, len(own) - 0.5)
            told = "cannot be told" if math.isnan(effect["share"]) else f"{100 * effect['share']:.0f} %"
            spot.set_title(f"{clear(effect['setting'], 24)}: {told}")
        for spot in axes.flat[count:]:
            spot.axis("off")
        for row in axes:
            row[0].set_ylabel(score)
        focus(axes.flat[0], [run.result[score] for run in runs if run.result], vertical=True)
    return made


def interaction_figure(runs: Sequence[Run]) -> Figure | None:
    """Draw the mean score for each pair of values of the two settings that mattered most."""
    names = top_two(runs)
    if len(names) < 2:
        return None
    score, frame = metric(runs), interaction_frame(runs, *names)
    title = f"The two together: mean {score} by {clear(names[0])} and {clear(names[1])}"
    with figure(WIDTH * 0.75, 1.5 + 0.5 * len(frame), title) as (made, axes):
        heat_map(axes, frame, "viridis_r" if lower_is_better(score) else "viridis", "{:.4f}")
    return made


def parallel_figure(runs: Sequence[Run]) -> Figure | None:
    """Draw each run as a line through the values of its settings to its score; a brighter line is a better run."""
    score = metric(runs)
    columns = label_columns(runs)
    done = sorted((run for run in runs if run.score is not None), key=lambda run: run.score or 0.0)[-MOST_LINES:]
    if not columns or len(done) < 2:
        return None
    scores = [float(run.result[score]) for run in done]
    low, high = min(scores), max(scores)
    place = {run.folder: number for number, run in enumerate(runs)}
    best = min(scores) if lower_is_better(score) else high
    with figure(WIDTH, 4.4, f"Parallel coordinates: from the settings to {score}") as (made, axes):
        colors = colormaps["viridis_r" if lower_is_better(score) else "viridis"]
        for run, value in zip(done, scores, strict=True):
            share = (value - low) / (high - low) if high > low else 0.5
            jitter = 0.05 * (hash_fraction(run) - 0.5)  # so that lines through the same values lie side by side
            heights = [height(labels, place[run.folder]) + jitter for labels in columns.values()]
            width, order = (3.0, 3) if value == best else (1.1, 2)
            axes.plot(range(len(columns) + 1), [*heights, share], color=colors(share), linewidth=width, zorder=order)
        for at, labels in enumerate(columns.values()):
            names = labels.cat.categories
            axes.axvline(at, color="black", linewidth=0.8, zorder=1)
            for code in range(0, len(names), max(1, len(names) // 12)):
                where = code / (len(names) - 1) if len(names) > 1 else 0.5
                box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
                axes.text(at + 0.03, where, clear(names[code], 20), fontsize=8, va="center", bbox=box, zorder=4)
        axes.axvline(len(columns), color="black", linewidth=0.8, zorder=1)
        for share in np.linspace(0, 1, 5):
            axes.text(len(columns) + 0.03, share, f"{low + share * (high - low):.4f}", fontsize=8, va="center")
        axes.set_xticks(range(len(columns) + 1), [*(clear(name, 20) for name in columns), score])
        axes.tick_params(axis="x", length=0)
        axes.set_yticks([])
        axes.set_xlim(-0.05, len(columns) + 0.35)
        axes.set_ylim(-0.08, 1.08)
        for side in axes.spines.values():
            side.set_visible(False)
    return made


def height(labels: pd.Series, place: int) -> float:
    """Return where a run's value lies on its axis, from 0 to 1."""
    count = len(labels.cat.categories)
    return float(labels.cat.codes.iloc[place]) / (count - 1) if count > 1 else 0.5


def hash_fraction(run: Run) -> float:
    """Return a number in [0, 1) that is a run's own: so that dots and lines on one place can be told apart."""
    return crc32(run.folder.name.encode(errors="replace")) / 2**32
