"""The history of an adaptive search, as a figure."""

from matplotlib.figure import Figure

from quickdraw.analysis.journal import SearchRecord
from quickdraw.plotting import figure

STATES = {"completed": {"color": "C0", "marker": "o", "s": 22}, "pruned": {"color": "gray", "marker": "x", "s": 14}}


def history_figure(search: SearchRecord) -> Figure:
    """Draw each trial's score by its number, and the best so far. A pruned trial stands where it was ended."""
    with figure(7, 3.6) as (made, axes):
        for state, style in STATES.items():
            trials = [trial for trial in search.trials if trial.final_state == state and trial.last is not None]
            scores = [trial.last for trial in trials]
            axes.scatter([trial.number for trial in trials], scores, linewidth=1, label=state, **style)
        best = search.best_so_far()
        if best:
            best.append((search.trials[-1].number, best[-1][1]))
            axes.step(*zip(*best, strict=True), where="post", color="C1", label="best so far")
        axes.set(title="Search history", xlabel="trial", ylabel=search.metric)
        axes.grid(axis="y")
        axes.legend(loc="best")
    return made
