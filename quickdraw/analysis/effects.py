"""What mattered: how much of the spread of the scores each setting explains, the seed among them.

The scores are explained by an additive model, a mean and an effect for each value of each setting, fitted by least
squares; so a sweep need not be a full grid. A setting's share is what the fit loses without it, less what chance alone
would give it: Kelley's epsilon squared (1935). `p` is Fisher's F-test of the same loss.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from quickdraw import metrics
from quickdraw.analysis.folders import metric
from quickdraw.analysis.ranking import half_width
from quickdraw.run.listing import Run, short, varied

MOST_VALUES = 8  # a number with more values is a range that was searched: it is cut into as many parts as PARTS
PARTS = 4


def value_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row for each value of each setting that varies: the mean score of its runs, with a 95 % interval.

    `runs` is how many were completed with that value, `diverged` how many diverged, which have no score.
    """
    score, rows = metric(runs), []
    for column, labels in label_columns(runs).items():
        for value in labels.cat.categories:
            own = [run for run, label in zip(runs, labels, strict=True) if label == value]
            scores = [float(run.result[score]) for run in own if run.result]
            mean = float(np.mean(scores)) if scores else float("nan")
            half, diverged = half_width(scores), sum(run.state == "diverged" for run in own)
            rows.append([column, value, len(scores), mean, mean - half, mean + half, diverged])
    return pd.DataFrame(rows, columns=["setting", "value", "runs", score, "low", "high", "diverged"])


def effect_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row for each setting that varies, what explains most first, the seed among them.

    `share` is the fraction of the scores' spread that it explains, `p` the chance of such a share if it did nothing
    (nan where no two runs tell chance from effect); `difference` is from the worst value's mean to the best one's.
    """
    score = metric(runs)
    lower_is_better = metrics.lower_is_better(score)
    means = value_frame(runs).dropna(subset=[score])
    done = [run for run in runs if run.result]
    columns = {name: labels for name, labels in label_columns(runs, done).items() if labels.nunique() > 1}
    y = np.array([float(run.result[score]) for run in done])
    rows = []
    for name, column in columns.items():
        share, p = explained(y, [other for each, other in columns.items() if each != name], column)
        own = means[means["setting"] == name].sort_values(score, ascending=lower_is_better, kind="stable")
        best, worst = own.iloc[0], own.iloc[-1]
        rows.append([name, share, p, abs(best[score] - worst[score]), best["value"], worst["value"]])
    frame = pd.DataFrame(rows, columns=["setting", "share", "p", "difference", "best", "worst"])
    order = frame.sort_values(["share", "difference"], ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def top_two(runs: Sequence[Run]) -> list[str]:
    """Return the two settings that mattered most, without the seed; fewer if fewer vary."""
    settings = effect_frame(runs)["setting"]
    return [name for name in settings if name != "seed"][:2]


def interaction_frame(runs: Sequence[Run], first: str, second: str) -> pd.DataFrame:
    """Return the mean score for each value of the first setting (rows) with each of the second; nan where no run is."""
    score = metric(runs)
    done = [run for run in runs if run.result]
    columns = label_columns(runs, done)
    y = pd.Series([float(run.result[score]) for run in done], dtype=float)
    frame = pd.DataFrame({first: columns[first], second: columns[second], score: y})
    return frame.pivot_table(index=first, columns=second, values=score, aggfunc="mean", observed=True)


def interaction_share(runs: Sequence[Run], first: str, second: str) -> tuple[float, float]:
    """Return what two settings explain together beyond the sum of each, as a fraction of the spread, and its p."""
    done = [run for run in runs if run.result]
    columns = {name: labels for name, labels in label_columns(runs, done).items() if labels.nunique() > 1}
    y = np.array([float(run.result[metric(runs)]) for run in done])
    both = pd.Series([f"{a}\n{b}" for a, b in zip(columns[first], columns[second], strict=True)], dtype="category")
    return explained(y, list(columns.values()), both)


def explained(y: np.ndarray, others: Sequence[pd.Series], own: pd.Series) -> tuple[float, float]:
    """Return the share of the spread of y [N] that a setting explains beyond the others, and the p of its F-test.

    Each setting is a categorical [N]. Both are nan when the runs are too few for an error to be left over.
    """
    total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    if not total:
        return float("nan"), float("nan")
    without, rank_without = residual(y, others)
    error, rank = residual(y, [*others, own])
    gained, left = rank - rank_without, len(y) - rank
    if left < 1 or gained < 1:
        return float("nan"), float("nan")
    variance = error / left
    share = max(0.0, (without - error - gained * variance) / total)
    from scipy.special import fdtrc

    if variance <= 1e-12 * total:
        return share, 0.0
    return share, float(fdtrc(gained, left, max(0.0, (without - error) / gained / variance)))


def residual(y: np.ndarray, columns: Sequence[pd.Series]) -> tuple[float, int]:
    """Return what least squares leave of y [N], as a sum of squares, and the rank of the model."""
    coded = [np.eye(len(labels.cat.categories))[labels.cat.codes] for labels in columns]
    design = np.hstack([np.ones((len(y), 1)), *coded])
    fitted, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    return float(((y - design @ fitted) ** 2).sum()), int(rank)


def label_columns(runs: Sequence[Run], chosen: Sequence[Run] | None = None) -> dict[str, pd.Series]:
    """Return for each setting that varies the value of each chosen run (all), as a categorical in order.

    Numbers are in order of size, and one with more than MOST_VALUES of them is cut at its quartiles, as `0.001..0.004`.
    """
    place = {run.folder: number for number, run in enumerate(runs)}
    rows = [place[run.folder] for run in (runs if chosen is None else chosen)]
    columns = short(varied(runs))
    return {column: labels(runs, key).iloc[rows].reset_index(drop=True) for key, column in columns.items()}


def labels(runs: Sequence[Run], key: str) -> pd.Series:
    """Return the value of one setting of each run, as a categorical in order."""
    values = [run.settings.get(key) for run in runs]
    told = [str(run.display(key)) for run in runs]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return pd.Series(pd.Categorical(told, list(dict.fromkeys(told))))
    numbers = np.array(values, dtype=float)
    if len({*told}) > MOST_VALUES and key != "seed" and np.isfinite(numbers).all():
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, PARTS + 1)))
        names = [f"{low:.3g}..{high:.3g}" for low, high in pairwise(edges)]
        codes = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(names) - 1)
        return pd.Series(pd.Categorical.from_codes(codes, list(unique(names))))
    order: Mapping[str, float] = dict(zip(told, numbers.tolist(), strict=True))
    return pd.Series(pd.Categorical(told, sorted(order, key=lambda text: order[text])))


def unique(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same: pandas wants that of categories."""
    return [name if name not in names[:place] else f"{name} ({place + 1})" for place, name in enumerate(names)]
