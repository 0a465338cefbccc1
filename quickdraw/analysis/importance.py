"""What an adaptive search found, in words: the best trials, and how much each setting matters."""

import json
import math
import warnings
from statistics import median
from typing import Any

from quickdraw.analysis.journal import SearchRecord, TrialRecord
from quickdraw.analysis.ranking import deviation
from quickdraw.analysis.tables import table
from quickdraw.run.listing import display

TOP = 10  # trials that the end of a search lists
# Trials with a score for each setting. Simulated with three settings, one of which decides: of 4 and 8 trials fANOVA
# puts another one first in 28 and 12 % of searches, of 10 and 15 in none.
TRIALS_PER_SETTING = 5


def report(search: SearchRecord) -> str:
    """What the end of a search prints: the best trials, and the importance of each setting."""
    ranked = search.ranked()
    if not ranked:
        return "no trial finished"
    parts = [best_trials(search, ranked)]
    explained = importance(search)
    if explained:
        rows = [[search.names[key], f"{100 * part:.0f} %"] for key, part in explained.items()]
        parts.append(table(["setting", "importance (fANOVA)"], rows))
    parts += filter(None, [too_few(search)])
    return "\n\n".join(parts)


def best_trials(search: SearchRecord, ranked: list[TrialRecord]) -> str:
    """The best trials as a table."""
    deviations = ["deviation"] if several_seeds(search) else []
    rows: list[list[Any]] = []
    for place, trial in enumerate(ranked[:TOP], 1):
        settings = [display(trial.params.get(key)) for key in search.names]
        row = [place, trial.number, *settings, trial.last]
        if deviations:
            row.append(deviation(list(trial.facts.get("scores", {}).values())))
        folder = ", ".join(trial.facts.get("jobs", [])[:1])
        rows.append([*row, trial.final_state, trial.facts.get("epochs"), folder])
    header = ["rank", "trial", *search.names.values(), search.metric, *deviations, "state", "epochs", "folder"]
    text = table(header, rows)
    if len(ranked) > TOP:
        text += f"\n({len(ranked) - TOP} more in {search.folder / 'summary.csv'})"
    return text


def too_few(search: SearchRecord) -> str:
    """That the trials are too few for an importance; empty if they are enough."""
    scored, fewest = len(final_scores(search)), TRIALS_PER_SETTING * len(search.kinds)
    if scored >= fewest:
        return ""
    trials = "1 trial" if scored == 1 else f"{scored} trials"
    return (
        f"importance (fANOVA): not known from {trials}; at least {fewest} are needed, "
        f"{TRIALS_PER_SETTING} for each setting"
    )


def importance(search: SearchRecord) -> dict[str, float]:
    """The part of the scores' variance that each setting explains, the greatest first; they add up to 1.

    By fANOVA: Hutter et al. (2014). A pruned trial counts too, with an estimate of its final score, because otherwise
    the search would hide what it avoided; diverged ones are left out. Empty without Optuna, or for too few trials.
    """
    try:
        import optuna
        from optuna.distributions import json_to_distribution
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    except ImportError:
        return {}
    scores = final_scores(search)
    if too_few(search) or len({*scores.values()}) < 2:
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


def final_scores(search: SearchRecord) -> dict[int, float]:
    """The final score of each finished trial that has all its settings, by number.

    A pruned one's is estimated: its last score, and what the completed ones gained from that epoch on (the median).
    """
    trials = [trial for trial in search.trials if search.has_all_settings(trial)]
    completed = [
        (trial, trial.value)
        for trial in search.trials
        if trial.final_state == "completed" and trial.value is not None and math.isfinite(trial.value)
    ]
    values = {trial.number: value for trial, value in completed}
    scores: dict[int, float] = {}
    for trial in trials:
        if trial.number in values:
            scores[trial.number] = values[trial.number]
        elif trial.final_state == "pruned" and trial.curve:
            epoch = max(trial.curve)
            gains = [value - other.curve[epoch] for other, value in completed if epoch in other.curve]
            if gains:
                scores[trial.number] = trial.curve[epoch] + median(gains)
    return scores


def several_seeds(search: SearchRecord) -> bool:
    """Whether a trial's score is the mean over several seeds."""
    return any(len(trial.facts.get("scores", {})) > 1 for trial in search.trials)
