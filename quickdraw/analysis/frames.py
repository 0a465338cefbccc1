"""The runs of a sweep as pandas frames: what the notebook shows, and the figures draw.

Everywhere a validation score is the runs' `trainer.monitor`, as it was measured: a loss is better when it is lower.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pandas as pd

from quickdraw.analysis.folders import metric
from quickdraw.analysis.ranking import rank
from quickdraw.metrics import lower_is_better
from quickdraw.run.listing import SCORES, Run, name, named, short, varied

SAME = "(all the same)"


def setting_keys(runs: Sequence[Run]) -> dict[str, str]:
    """Return the keys that vary, without the seed, and the short names of their columns."""
    return short({key: column for key, column in varied(runs).items() if key != "seed"})


def setting_names(runs: Sequence[Run]) -> dict[Path, str]:
    """Return the setting of each run, whatever its seed, by the run's folder: `lr=0.001 dropout_rate=0.3`."""
    keys = setting_keys(runs)
    return {run.folder: name(run, keys) or SAME for run in runs}


def run_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row a run: the settings that vary, its state, its scores, seconds in all, and its folder's name."""
    keys = short(varied(runs))
    rows = [
        {column: run.display(key) for key, column in keys.items()}
        | {"state": run.state}
        | {score: run.result.get(score) for score in dict.fromkeys([metric(runs), *SCORES])}
        | {"best_epoch": run.result.get("best_epoch"), "seconds": run.result.get("total_s"), "folder": run.folder.name}
        for run in runs
    ]
    return pd.DataFrame(rows).convert_dtypes()


def ranking_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row a setting, the best first: mean, deviation and 95 % interval of the score over the seeds.

    `train_s` is the mean time spent in training. The test accuracy is for the record: it ranks nothing.
    """
    score = metric(runs)
    sign = -1 if lower_is_better(score) else 1
    rows = [
        {
            "setting": setting.name or SAME,
            "seeds": len(setting.scores),
            score: sign * setting.mean,
            "deviation": setting.deviation,
            "low": sign * setting.mean - setting.half_width,
            "high": sign * setting.mean + setting.half_width,
            "test_accuracy": setting.test_accuracy(),
            "train_s": fmean(
                [run.result["train_s"] for run in setting.runs if "train_s" in run.result] or [float("nan")]
            ),
            "diverged": setting.diverged,
        }
        for setting in rank(runs)
    ]
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="rank"))


def curve_frame(runs: Sequence[Run], most: int | None = None) -> pd.DataFrame:
    """Return one row an epoch of each run: its `setting`, `seed` and `folder`, and the columns of its `metrics.csv`.

    `seconds` is the time spent in training until the end of that epoch. A run without epochs has no row; of more than
    `most` runs only the best have (None: all).
    """
    names = setting_names(runs)
    best = sorted(runs, key=lambda run: (run.score is None, -(run.score or 0.0)))[:most]
    frames = []
    for run in runs if len(best) == len(runs) else best:
        try:
            frame = pd.read_csv(run.folder / "metrics.csv")
        except (OSError, ValueError):  # none was ended; or it is no table
            continue
        if "epoch" in frame and "train_s" in frame:
            known = {"setting": names[run.folder], "seed": run.settings.get("seed", 0), "folder": run.folder.name}
            frames.append(frame.assign(**known, seconds=frame["train_s"].cumsum()))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["setting", "seed", "folder"])


def failure_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row for each run that was not completed: what it was, its state, the cause, and its log."""
    names = named(runs)
    rows = [
        [names[run.folder] or run.folder.name, run.state, run.reason, str(run.folder / "run.log")]
        for run in runs
        if run.state in ("failed", "diverged", "interrupted")
    ]
    return pd.DataFrame(rows, columns=["run", "state", "cause", "log"])
