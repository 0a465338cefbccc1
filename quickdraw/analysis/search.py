"""What an adaptive search found: a frame, two figures, the importance of each setting, and what its end says."""

import math
import warnings
from pathlib import Path
from statistics import median, stdev
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from quickdraw import pictures
from quickdraw.analysis.journal import Search, Trial
from quickdraw.analysis.tables import table
from quickdraw.settings import shown

TOP = 10  # trials that the end of a search lists
FEWEST = 4  # trials from which an importance is worth computing


def short_names(search: Search) -> dict[str, str]:
    """Return the searched settings by the last part of their names, where no other one ends the same."""
    last = [key.split(".")[-1] for key in search.keys]
    return {key: end if last.count(end) == 1 else key for key, end in zip(search.keys, last, strict=True)}


def trial_frame(search: Search) -> pd.DataFrame:
    """Return a row for each trial: number, settings, score, state, epochs, seconds of training."""
    names = short_names(search)
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


def best_so_far(search: Search) -> list[tuple[int, float]]:
    """Return the best score of the completed trials after each of them, with its trial's number."""
    done = [trial for trial in search.trials if trial.told == "completed" and trial.value is not None]
    best: list[tuple[int, float]] = []
    for trial in done:
        assert trial.value is not None
        value = trial.value if not best else (max if search.maximise else min)(best[-1][1], trial.value)
        best.append((trial.number, value))
    return best


def history_figure(search: Search) -> Figure:
    """Return each trial's score by its number, and the best so far. A pruned trial stands where it was ended."""
    with pictures.figure(7, 3.6) as (made, axes):
        for told, marker, size in (("completed", "o", 22), ("pruned", "x", 14)):
            shown_here = [trial for trial in search.trials if trial.told == told and trial.last is not None]
            x, y = [trial.number for trial in shown_here], [trial.last for trial in shown_here]
            axes.scatter(
                x, y, s=size, marker=marker, linewidth=1, label=told, color="C0" if told == "completed" else "gray"
            )
        best = best_so_far(search)
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
    names = short_names(search)
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
    columns = [*short_names(search).values(), search.metric]
    worst = frame.loc[frame["state"] == "completed", search.metric].agg("min" if search.maximise else "max")
    with pictures.figure(1.7 * len(columns) + 1.5, 3.8) as (made, axes):
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


def importance(search: Search) -> dict[str, float]:
    """Return the part of the scores' variance that each setting explains, the greatest first; they add up to 1.

    By fANOVA: Hutter et al. (2014). A pruned trial counts too, with an estimate of its final score, for else the search
    would hide what it avoided; diverged ones are left out. Empty without Optuna, or for too few trials.
    """
    try:
        import json

        import optuna
        from optuna.distributions import json_to_distribution
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    except ImportError:
        return {}
    scores = final_scores(search)
    if len(scores) < FEWEST or len({*scores.values()}) < 2:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = {key: json_to_distribution(json.dumps(kind)) for key, kind in search.kinds.items()}
    study = optuna.create_study()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for number, score in scores.items():
            params = search.trials[number].params
            study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=score))
        parts = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {key: float(part) for key, part in parts.items()}


def final_scores(search: Search) -> dict[int, float]:
    """Return the final score of each finished trial, by number.

    A pruned one's is estimated: its last score, and what the completed ones gained from that epoch on (the median).
    """
    completed = [
        (trial, trial.value)
        for trial in search.trials
        if trial.told == "completed" and trial.value is not None and math.isfinite(trial.value)
    ]
    scores = {trial.number: value for trial, value in completed}
    for trial in search.trials:
        if trial.told == "pruned" and trial.curve:
            epoch = max(trial.curve)
            gains = [value - other.curve[epoch] for other, value in completed if epoch in other.curve]
            if gains:
                scores[trial.number] = trial.curve[epoch] + median(gains)
    whole = search.kinds.keys()
    return {number: score for number, score in scores.items() if search.trials[number].params.keys() == whole}


def report(search: Search) -> str:
    """Return what the end of a search says: the best trials, the importance of each setting, how to train the best."""
    ranked = search.ranked()
    if not ranked:
        return "no trial came to an end"
    names = short_names(search)
    rows = [
        [
            place,
            trial.number,
            *(text(trial.params.get(key)) for key in names),
            trial.last,
            *([deviation(trial)] if several_seeds(search) else []),
            trial.told,
            trial.facts.get("epochs"),
            ", ".join(trial.facts.get("jobs", [])[:1]),
        ]
        for place, trial in enumerate(ranked[:TOP], 1)
    ]
    head = ["rank", "trial", *names.values(), search.metric, *(["deviation"] if several_seeds(search) else [])]
    parts = [table([*head, "state", "epochs", "folder"], rows)]
    if len(ranked) > TOP:
        parts[0] += f"\n({len(ranked) - TOP} more in {search.folder / 'summary.csv'})"
    explained = importance(search)
    if explained:
        parts.append(
            table(
                ["setting", "importance (fANOVA)"],
                [[names[key], f"{100 * part:.0f} %"] for key, part in explained.items()],
            )
        )
    return "\n\n".join(parts)


def several_seeds(search: Search) -> bool:
    """Return whether a trial's score is the mean over several seeds."""
    return any(len(trial.facts.get("scores", {})) > 1 for trial in search.trials)


def deviation(trial: Trial) -> float:
    """Return the standard deviation over a trial's seeds; nan for fewer than two."""
    scores = list(trial.facts.get("scores", {}).values())
    return stdev(scores) if len(scores) > 1 else math.nan


def text(value: Any) -> str:
    """Return a setting's value as it is read."""
    return value if isinstance(value, str) else shown(value)


def write_figures(search: Search, folder: Path) -> list[Path]:
    """Write both figures as PNG files into a folder and return their paths."""
    paths = []
    for name, made in (("history", history_figure(search)), ("parallel_coordinates", parallel_coordinates(search))):
        paths.append(folder / f"search_{name}.png")
        made.savefig(paths[-1])
    return paths
