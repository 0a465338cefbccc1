"""What each setting did, as figures. Each function returns None where there is nothing to draw."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quickdraw.analysis.effects import Effect
from quickdraw.analysis.figures.parts import (
    COLORS,
    GREY,
    WIDTH,
    escape_math,
    escaped,
    focus,
    hash_fraction,
    heat_map,
    score_colors,
)
from quickdraw.analysis.frames import interaction_frame
from quickdraw.analysis.sentences import percent
from quickdraw.analysis.sweep import Sweep
from quickdraw.plotting import figure

MOST_PANELS = 6  # settings whose effect is drawn


def effects_figure(sweep: Sweep) -> Figure | None:
    """Draw what each setting did, most first: the runs at each of its values, their mean and its 95 % interval."""
    effects = sweep.effects[:MOST_PANELS]
    if not effects:
        return None
    wide = min(3, len(effects))
    high = math.ceil(len(effects) / wide)
    title = f"What mattered: {sweep.metric} by each setting, and how much of its spread that explains"
    with figure(WIDTH, 0.6 + 2.6 * high, title, nrows=high, ncols=wide, sharey=True, squeeze=False) as (made, axes):
        for spot, effect in zip(axes.flat, effects, strict=False):
            draw_effect(spot, sweep, effect)
        for spot in axes.flat[len(effects) :]:
            spot.axis("off")
        for row in axes:
            row[0].set_ylabel(sweep.metric)
        focus(axes.flat[0], list(map(sweep.score, sweep.completed)), vertical=True)
    return made


def draw_effect(spot: Axes, sweep: Sweep, effect: Effect) -> None:
    """Draw one setting: a dot for each run, the mean and the interval of each value."""
    # The runs, moved aside a little where they would lie on one place.
    places = []
    for run, code in zip(sweep.runs, sweep.columns[effect.setting].codes.tolist(), strict=True):
        if sweep.metric in run.result:
            places.append(code + 0.3 * (hash_fraction(run) - 0.5))
    spot.plot(places, list(map(sweep.score, sweep.completed)), "o", color=GREY, markersize=3, zorder=1)

    # The means, and their intervals where they are known.
    values = [value for value in sweep.values if value.setting == effect.setting]
    means = np.array([value.mean for value in values])
    below = means - np.array([value.low for value in values])
    above = np.array([value.high for value in values]) - means
    errors = np.nan_to_num([below, above])
    spot.errorbar(range(len(values)), means, yerr=errors, fmt="D-", color=COLORS[0], capsize=3, markersize=5)

    # The names of the values.
    names = escaped((value.value for value in values), 14)
    if len("".join(names)) > 30:
        spot.set_xticks(range(len(values)), names, rotation=25, ha="right")
    else:
        spot.set_xticks(range(len(values)), names)
    spot.set_xlim(-0.5, len(values) - 0.5)
    share = "not known" if math.isnan(effect.share) else percent(effect.share)
    spot.set_title(f"{escape_math(effect.setting, 24)}: {share}")


def interaction_figure(sweep: Sweep) -> Figure | None:
    """Draw the mean score for each pair of values of the two settings that mattered most."""
    together = sweep.top_interaction
    if together is None:
        return None
    title = f"The two together: mean {sweep.metric} by {escape_math(together.first)} and {escape_math(together.second)}"
    with figure(WIDTH * 0.75, 1.5 + 0.5 * len(together.rows), title) as (made, axes):
        heat_map(axes, interaction_frame(together), score_colors(sweep), "{:.4f}")
    return made
