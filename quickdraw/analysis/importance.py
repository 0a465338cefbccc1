"""What an adaptive search found, in words: the best trials, and how much each setting matters."""

import math
import warnings
from statistics import median, stdev
from typing import Any

from quickdraw.analysis.journal import Search, Trial
from quickdraw.analysis.tables import table
from quickdraw.settings import shown

TOP = 10  # trials that the end of a search lists
FEWEST = 4  # trials from which an importance is worth computing


def report(search: Search) -> str:
    """Return what the end of a search says: the best trials, the importance of each setting, how to train the best."""
    ranked = search.ranked()
    if not ranked:
        return "no trial came to an end"
    names = search.names
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
