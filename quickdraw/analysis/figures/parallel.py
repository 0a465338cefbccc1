"""Parallel coordinates: each run of a sweep, or trial of a search, as a line from its settings to its score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quickdraw.analysis.columns import Column
from quickdraw.analysis.figures.parts import MOST_LINES, WIDTH, escape_math, escaped, hash_fraction, score_colors
from quickdraw.analysis.journal import SearchRecord, TrialRecord
from quickdraw.analysis.ranking import best_first
from quickdraw.analysis.sweep import Sweep
from quickdraw.plotting import figure
from quickdraw.run.listing import display

AXIS_WIDTH = 1.3  # inches, of a figure with many axes
PRUNED = "#bbbbbb"
MOST_NAMES = 12  # on an axis


@dataclass(frozen=True)
class Line:
    """One line: where it crosses each axis, from 0 to 1, the last of which is the score's, and how it is drawn."""

    heights: Sequence[float]
    color: Any
    width: float
    order: float


Ticks = Sequence[tuple[float, str]]


def draw_parallel(
    title: str, names: Sequence[str], ticks: Sequence[Ticks], lines: Sequence[Line], scores: tuple[float, float]
) -> Figure:
    """Draw lines across the axes of some settings, with the names of their values, to the axis of the score.

    `names` are of all axes, `ticks` of the settings' axes; `scores` are the score at the bottom and at the top.
    """
    count = len(names)
    with figure(max(WIDTH, AXIS_WIDTH * count), 4.4, title) as (made, axes):
        for line in lines:
            axes.plot(range(count), line.heights, color=line.color, linewidth=line.width, zorder=line.order)
        for place in range(count):
            axes.axvline(place, color="black", linewidth=0.8, zorder=1)
        for place, named in enumerate(ticks):
            for height, text in named:
                label(axes, place, height, escape_math(text, 20))
        low, high = scores
        for height in np.linspace(0, 1, 5).tolist():
            label(axes, count - 1, height, f"{low + height * (high - low):.4f}")
        axes.set_xticks(range(count), escaped(names, 20))
        axes.tick_params(axis="x", length=0)
        axes.set_yticks([])
        axes.set_xlim(-0.05, count - 0.65)
        axes.set_ylim(-0.08, 1.08)
        axes.spines[:].set_visible(False)
    return made


def label(axes: Axes, place: int, height: float, text: str) -> None:
    """Write beside an axis."""
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
    axes.text(place + 0.03, height, text, fontsize=8, va="center", bbox=box, zorder=9)


def fraction(value: float, low: float, high: float, alone: float = 0.5) -> float:
    """Where a value lies between two others, from 0 to 1; `alone` if the two are the same."""
    return (value - low) / (high - low) if high > low else alone


def parallel_figure(sweep: Sweep) -> Figure | None:
    """Draw each run as a line through the values of its settings to its score; a brighter line is a better run.

    Not of a search, whose trials have a figure of their own.
    """
    done = best_first(sweep.runs)[:MOST_LINES][::-1]  # the best one on top
    if not sweep.columns or sweep.search or len(done) < 2:
        return None
    scores = list(map(sweep.score, done))
    low, high = min(scores), max(scores)
    colors = colormaps[score_colors(sweep)]
    places = {run.folder: place for place, run in enumerate(sweep.runs)}

    lines = []
    for run, score in zip(done, scores, strict=True):
        aside = 0.05 * (hash_fraction(run) - 0.5)  # so that lines through the same values lie side by side
        heights = [height(column, places[run.folder]) + aside for column in sweep.columns.values()]
        share = fraction(score, low, high)
        lines.append(Line([*heights, share], colors(share), 1.1, 2))
    lines[-1] = replace(lines[-1], width=3.0, order=3)

    title = f"Parallel coordinates: from the settings to {sweep.metric}"
    ticks = list(map(column_ticks, sweep.columns.values()))
    return draw_parallel(title, [*sweep.columns, sweep.metric], ticks, lines, (low, high))


def height(column: Column, place: int) -> float:
    """Where a run's value lies on its axis."""
    return fraction(float(column.codes[place]), 0, len(column.values) - 1)


def column_ticks(column: Column) -> Ticks:
    """The values of an axis that are named, and where they lie."""
    last = len(column.values) - 1
    codes = range(0, last + 1, max(1, (last + 1) // MOST_NAMES))
    return [(fraction(code, 0, last), column.values[code]) for code in codes]


def trials_figure(search: SearchRecord) -> Figure | None:
    """Draw each trial of a search as a line through its settings to its score, pruned ones thin and grey."""
    trials = [trial for trial in search.ranked() if trial.last is not None and search.has_all_settings(trial)]
    if not trials:
        return None
    scores = {trial.number: trial.last or 0.0 for trial in trials}
    low, high = min(scores.values()), max(scores.values())
    completed = [scores[trial.number] for trial in trials if trial.final_state == "completed"]
    best, worst = max(completed, default=high), min(completed, default=low)
    if not search.maximise:
        best, worst = worst, best

    lines = []
    for trial in reversed(trials):
        heights = [*setting_heights(search, trial), fraction(scores[trial.number], low, high, alone=0.0)]
        good = 1.0  # among the completed ones, 1 the best
        if best != worst:
            good = (scores[trial.number] - worst) / (best - worst)
        if trial.final_state == "pruned":
            lines.append(Line(heights, PRUNED, 0.6, 1))
        else:
            lines.append(Line(heights, colormaps["viridis"](good), 1.6, 2 + good))

    title = "Settings and score: a line a trial, the brighter the better, grey for pruned"
    ticks = [kind_ticks(search.kinds[key]) for key in search.keys]
    return draw_parallel(title, [*search.names.values(), search.metric], ticks, lines, (low, high))


def setting_heights(search: SearchRecord, trial: TrialRecord) -> list[float]:
    """Where a trial crosses the axes of its settings."""
    return [kind_height(search.kinds[key], trial.params.get(key)) for key in search.keys]


def kind_height(kind: Mapping[str, Any], value: Any) -> float:
    """Where a value lies on its setting's axis, from 0 to 1.

    A choice stands at its place in the list; a setting that is searched in factors, at its logarithm's.
    """
    given = kind["attributes"]
    if "choices" in given:
        return fraction(given["choices"].index(value), 0, len(given["choices"]) - 1, alone=0.0)
    low, high = given["low"], given["high"]
    if given.get("log"):
        low, high, value = math.log(low), math.log(high), math.log(value)
    return fraction(value, low, high, alone=0.0)


def kind_ticks(kind: Mapping[str, Any]) -> Ticks:
    """The values on a setting's axis that are named, and where they lie."""
    given = kind["attributes"]
    values = given["choices"] if "choices" in given else [given["low"], given["high"]]
    return [(kind_height(kind, value), display(value)) for value in values]
