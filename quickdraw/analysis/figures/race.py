"""The settings of a race over its looks, as a figure."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from quickdraw.analysis.figures.parts import COLORS, GREY, WIDTH, escape_math, legend
from quickdraw.analysis.ranking import mean
from quickdraw.analysis.sweep import Sweep
from quickdraw.plotting import figure


def race_figure(sweep: Sweep) -> Figure | None:
    """Draw each setting's mean score after each look, up to where it fell (a cross); in colour those that are left."""
    decision = sweep.decision
    if sweep.race is None or decision is None or not decision.rounds:
        return None
    fell = {dropped.name: dropped.seeds for dropped in decision.dropped}
    with figure(WIDTH, 4.2, "The race: mean score over the seeds so far; a cross: shown to be worse") as (made, axes):
        for setting in reversed(sweep.settings):  # the best on top
            looks, means = [], []
            for look in decision.rounds:
                if look.seeds <= fell.get(setting.name, decision.seeds):
                    end = sweep.race.first_seed + look.seeds
                    so_far = [score for seed, score in setting.scores.items() if seed < end]
                    looks.append(look.seeds)
                    means.append(sweep.measured(mean(so_far)))
            if setting.name in fell:
                axes.plot(looks, means, color=GREY, linewidth=1)
                axes.plot(looks[-1:], means[-1:], "x", color=GREY)
            else:
                color = COLORS[decision.kept.index(setting.name) % len(COLORS)]
                axes.plot(looks, means, "o-", color=color, markersize=4, label=escape_math(setting.name))
        axes.set(xlabel="seeds each", ylabel=sweep.metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y")
        legend(made, axes, others=bool(fell))
    return made
