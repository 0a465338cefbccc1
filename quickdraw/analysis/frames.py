"""A sweep as pandas frames: what the notebook and the page show, and the figures draw.

Everywhere a validation score is the runs' `trainer.monitor`, as it was measured: a loss is better when it is lower.
"""

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from quickdraw.analysis.comparison import Comparison
from quickdraw.analysis.effects import Effect, Interaction
from quickdraw.analysis.journal import SearchRecord
from quickdraw.analysis.ranking import SAME
from quickdraw.analysis.rows import failure_rows, job_rows, ranking_rows
from quickdraw.analysis.sweep import Sweep
from quickdraw.run.listing import Run, place_in
from quickdraw.statistics.race import Dropped


def run_frame(sweep: Sweep) -> pd.DataFrame:
    """One row a run: the settings that vary, its state, its scores, seconds in all, and its folder's name."""
    frame = pd.DataFrame(job_rows(sweep))
    return frame.drop(columns="reason", errors="ignore").convert_dtypes()


def ranking_frame(sweep: Sweep) -> pd.DataFrame:
    """One row a setting, the best first: mean, deviation and 95 % interval of the score over the seeds."""
    columns = ["rank", "setting", "seeds", "mean", "deviation", "low", "high", "test_accuracy", "train_s", "diverged"]
    columns += ["one_class", "may_be_best"]
    frame = pd.DataFrame(ranking_rows(sweep), columns=columns).set_index("rank")
    frame["setting"] = frame["setting"].replace("", SAME)
    return frame.rename(columns={"mean": sweep.metric})


def failure_frame(sweep: Sweep) -> pd.DataFrame:
    """One row for each run that failed, diverged or was interrupted: what it was, its state, the cause, and its log."""
    return pd.DataFrame(failure_rows(sweep), columns=["run", "state", "cause", "log"])


def race_frame(sweep: Sweep) -> pd.DataFrame:
    """One row for each setting of a race that fell: after how many seeds, why, and by how much behind which."""
    dropped = sweep.decision.dropped if sweep.decision else ()
    return pd.DataFrame(map(asdict, dropped), columns=list(Dropped.__dataclass_fields__))


def value_frame(sweep: Sweep) -> pd.DataFrame:
    """One row for each value of each setting that varies: the mean score of its runs, with a 95 % interval."""
    columns = ["setting", "value", "runs", "mean", "low", "high", "diverged"]
    frame = pd.DataFrame(map(asdict, sweep.values), columns=columns)
    return frame.rename(columns={"mean": sweep.metric})


def effect_frame(sweep: Sweep) -> pd.DataFrame:
    """One row for each setting that varies, what explains most first."""
    return pd.DataFrame(map(asdict, sweep.effects), columns=list(Effect.__dataclass_fields__))


def interaction_frame(interaction: Interaction) -> pd.DataFrame:
    """The mean score for each value of the first setting (rows) with each of the second; nan where no run is."""
    rows = pd.Index(interaction.rows, name=interaction.first)
    return pd.DataFrame(interaction.means, rows, pd.Index(interaction.columns, name=interaction.second))


def curve_frame(sweep: Sweep, most: int | None = None) -> pd.DataFrame:
    """One row an epoch of each run: its `setting`, `seed` and `folder`, and the columns of its `metrics.csv`.

    `seconds` is the time spent in training until the end of that epoch. A run without epochs has no row; of more than
    `most` runs only the best have (None: all).
    """
    frames = []
    for run in best_runs(sweep.runs, most):
        frame = pd.DataFrame(sweep.epochs(run))
        if "epoch" in frame and "train_s" in frame:
            setting, seed = sweep.setting_names[run.folder], run.settings.get("seed", 0)
            seconds = frame["train_s"].cumsum()
            place = place_in(sweep.folder, run.folder)
            frames.append(frame.assign(setting=setting, seed=seed, folder=place, seconds=seconds))
    if not frames:
        return pd.DataFrame(columns=["setting", "seed", "folder"])
    return pd.concat(frames, ignore_index=True)


def best_runs(runs: Sequence[Run], most: int | None) -> Sequence[Run]:
    """The best of the runs, the best first; all in their own order if they are no more than `most`."""
    if most is None or len(runs) <= most:
        return runs
    return sorted(runs, key=lambda run: (run.score is None, -(run.score or 0.0)))[:most]


def class_frame(comparison: Comparison) -> pd.DataFrame:
    """One row a class: its test drawings, the accuracy of A and of B, and how many only one gets right.

    What differs most comes first.
    """
    frame = pd.DataFrame(comparison.class_rows())
    frame.columns = pd.Index(["class", "drawings", "A", "B", "B - A", "only A right", "only B right"])
    return frame


def confusion_frame(comparison: Comparison) -> pd.DataFrame:
    """How many more drawings of each class (row) B takes for each class (column) than A does."""
    count = len(comparison.classes)
    change = comparison.b.confusion(count) - comparison.a.confusion(count)
    names = comparison.classes
    return pd.DataFrame(change, pd.Index(names, name="true class"), pd.Index(names, name="predicted as"))


def trial_frame(search: SearchRecord) -> pd.DataFrame:
    """One row for each trial of a search: number, settings, score, state, epochs, seconds of training."""
    rows = []
    for trial in search.trials:
        settings = {name: trial.params.get(key) for key, name in search.names.items()}
        epochs = trial.facts.get("epochs", max(trial.curve, default=0))
        end = {"state": trial.final_state, "epochs": epochs, "seconds": trial.facts.get("seconds", float("nan"))}
        rows.append({"trial": trial.number, **settings, search.metric: trial.last, **end})
    return pd.DataFrame(rows)
