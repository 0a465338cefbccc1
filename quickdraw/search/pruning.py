"""Which trainings are not worth their end."""

from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

PASSED = "passed_rung"  # the epochs of the newest rung that a trial was let past


class Halving(BasePruner):
    """Successive halving without waiting. Source: Li et al. (2020), A system for massively parallel tuning (ASHA).

    After `min_epochs`, and after `factor` times as many each time, a training goes on only if its best score so far is
    among the best 1/`factor` of all that got there so far (only the best, while there are fewer than `factor`).

    Unlike Optuna's pruner it asks what the trials reported, and nothing that it noted itself before the answer was
    carried out: a search that was killed in between decides the same again.
    """

    def __init__(self, min_epochs: int, factor: int) -> None:
        self.min_epochs = min_epochs
        self.factor = factor

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the training should end."""
        rung = self.min_epochs
        while rung <= (trial.last_step or 0):
            if rung > trial.system_attrs.get(PASSED, 0):
                if not self._among_the_best(study, trial, rung):
                    return True
                study._storage.set_trial_system_attr(trial._trial_id, PASSED, rung)
            rung *= self.factor
        return False

    def _among_the_best(self, study: Study, trial: FrozenTrial, rung: int) -> bool:
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        scores: dict[int, float] = {}
        for other in study.get_trials(deepcopy=False):
            values = other.intermediate_values
            if rung in values:
                scores[other.number] = max(sign * value for step, value in values.items() if step <= rung)
        kept = sorted(scores.values(), reverse=True)[: max(1, len(scores) // self.factor)]
        return scores[trial.number] >= kept[-1]


def make_pruner(name: str, min_epochs: int, factor: int, startup_trials: int) -> BasePruner:
    """The pruner of that name: asha, median or none."""
    if name == "asha":
        return Halving(min_epochs, factor)
    if name == "median":
        return MedianPruner(n_startup_trials=startup_trials, n_warmup_steps=min_epochs)
    return NopPruner()
