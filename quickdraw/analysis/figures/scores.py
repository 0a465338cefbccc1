"""The settings of a sweep by rank, as a figure."""

from matplotlib.figure import Figure

from quickdraw.analysis.figures.parts import COLORS, GREY, WIDTH, escape_math, focus
from quickdraw.analysis.sweep import Sweep
from quickdraw.plotting import figure

MOST_ROWS = 20  # settings in the ranking


def ranking_figure(sweep: Sweep) -> Figure | None:
    """Draw each setting's mean and 95 % interval over its seeds, and a dot for each run, the best on top."""
    settings = [setting for setting in sweep.settings if setting.scores][:MOST_ROWS]
    if not settings:
        return None
    shown: list[float] = []
    marked = sweep.may_be_best or (settings[0].name,)
    coloured = "may be the best at 95 %" if sweep.may_be_best else "the first"
    title = f"Ranking by {sweep.metric}: mean and 95 % interval over the seeds; a dot is a run; in colour: {coloured}"
    with figure(WIDTH, 1.1 + 0.34 * len(settings), title) as (made, axes):
        for place, setting in enumerate(settings):
            values = list(map(sweep.measured, setting.scores.values()))
            mean = sweep.measured(setting.mean)
            low, high = sweep.intervals[setting.name]
            shown += values
            color = COLORS[1] if setting.name in marked else COLORS[0]
            axes.plot(values, [place] * len(values), "o", color=GREY, markersize=5, zorder=1)
            axes.errorbar(
                mean,
                place,
                xerr=[[mean - low], [high - mean]],
                fmt="D",
                color=color,
                markersize=6,
                capsize=4,
                zorder=2,
            )
        names = [escape_math(setting.name) or "all" for setting in settings]
        axes.set_yticks(range(len(settings)), names)
        axes.set_ylim(len(settings) - 0.5, -0.5)
        focus(axes, shown)
        better = "lower" if sweep.lower_is_better else "higher"
        axes.set_xlabel(f"{sweep.metric} ({better} is better)")
        axes.grid(axis="x")
    return made
