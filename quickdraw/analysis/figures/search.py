"""An adaptive search as frames and figures: its history, and the settings beside the scores."""

import math
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from quickdraw import plotting
from quickdraw.analysis.journal import Search
from quickdraw.settings import shown


def trial_frame(search: Search) -> pd.DataFrame:
    """Return a row for each trial: number, settings, score, state, epochs, seconds of training."""
    names = search.names
    rows = [
        {
            "trial": trial.number,
            **{name: trial.params.get(key) for key, name in names.items()},
            search.metric: trial.last,
            "state": trial.told,
            "epochs": trial.facts.get("epochs", max(trial.curve, default=0)),
            "seconds": trial.facts.get("seconds", math.nan),
        }
        for trial in search.trials
    ]
    return pd.DataFrame(rows)


def history_figure(search: Search) -> Figure:
    """Return each trial's score by its number, and the best so far. A pruned trial stands where it was ended."""
    with plotting.figure(7, 3.6) as (made, axes):
        for told, marker, size in (("completed", "o", 22), ("pruned", "x", 14)):
            shown_here = [trial for trial in search.trials if trial.told == told and trial.last is not None]
            x, y = [trial.number for trial in shown_here], [trial.last for trial in shown_here]
            axes.scatter(
                x, y, s=size, marker=marker, linewidth=1, label=told, color="C0" if told == "completed" else "gray"
            )
        best = search.best_so_far()
        if best:
            last = search.trials[-1].number
            axes.step(*zip(*best, (last, best[-1][1]), strict=True), where="post", color="C1", label="best so far")
        axes.set(title="Search history", xlabel="trial", ylabel=search.metric)
        axes.grid(axis="y")
        axes.legend(loc="best")
    return made


def parallel_frame(search: Search) -> pd.DataFrame:
    """Return where each finished trial crosses each axis, in [0, 1]: the settings, then the score; `trial`, `state`.

    A choice stands at its place in the list; a setting that is searched in factors, at its logarithm's.
    """
    names = search.names
    trials = [trial for trial in search.ranked() if trial.last is not None]
    rows = [
        {
            **{names[key]: place(search.kinds[key], trial.params.get(key)) for key in search.keys},
            search.metric: trial.last,
            "trial": trial.number,
            "state": trial.told,
        }
        for trial in trials
    ]
    frame = pd.DataFrame(rows, columns=[*names.values(), search.metric, "trial", "state"])
    scores = frame[search.metric]
    frame[search.metric] = (scores - scores.min()) / ((scores.max() - scores.min()) or 1.0)
    return frame


def place(kind: Any, value: Any) -> float:
    """Return where a value lies on its setting's axis, in [0, 1]."""
    given = kind["attributes"]
    if "choices" in given:
        return given["choices"].index(value) / max(1, len(given["choices"]) - 1)
    low, high = given["low"], given["high"]
    if given.get("log"):
        low, high, value = math.log(low), math.log(high), math.log(value)
    return float((value - low) / ((high - low) or 1.0))


def parallel_coordinates(search: Search) -> Figure:
    """Return one line a trial across the axes of all settings, the best ones coloured, pruned ones thin and grey."""
    frame = parallel_frame(search)
    columns = [*search.names.values(), search.metric]
    worst = frame.loc[frame["state"] == "completed", search.metric].agg("min" if search.maximise else "max")
    with plotting.figure(1.7 * len(columns) + 1.5, 3.8) as (made, axes):
        colours = colormaps["viridis"]
        for row in frame[::-1].to_dict("records"):
            pruned = row["state"] == "pruned"
            reach = (1.0 if search.maximise else 0.0) - worst or 1.0
            good = 0.0 if pruned else (row[search.metric] - worst) / reach  # among the completed ones, 1 the best
            axes.plot(
                range(len(columns)),
                [row[column] for column in columns],
                color="#bbbbbb" if pruned else colours(0.95 * (1 - good)),
                linewidth=0.6 if pruned else 1.6,
                zorder=1 if pruned else 2 + good,
            )
        for at, key in enumerate(search.keys):
            for position, text in ticks(search.kinds[key]):
                axes.text(at, position, f" {text}", fontsize=8, va="center", zorder=9)
        scores = [trial.last for trial in search.ranked() if trial.last is not None]
        for position, score in ((0, min(scores)), (1, max(scores))) if scores else ():
            axes.text(len(columns) - 1, position, f" {score:.4f}", fontsize=8, va="center", zorder=9)
        for at in range(len(columns)):
            axes.axvline(at, color="black", linewidth=0.8, zorder=3)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks([])
        axes.set_xlim(-0.1, len(columns) - 0.7)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_title("Settings and score: a line a trial, the darker the better, grey for pruned")
    return made


def ticks(kind: Any) -> list[tuple[float, str]]:
    """Return the places on a setting's axis that are named, and their names."""
    given = kind["attributes"]
    values = given["choices"] if "choices" in given else [given["low"], given["high"]]
    return [(place(kind, value), value if isinstance(value, str) else shown(value)) for value in values]
