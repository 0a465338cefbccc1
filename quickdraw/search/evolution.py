"""CMA-ES for a search that may be killed: its state is computed anew from the finished trials.

Optuna's own sampler keeps its state as a pickle in the study; a journal is a data file, and nothing in a data file may
be unpickled here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from quickdraw.search.space import Axis

WIDTH = 0.3  # the first standard deviation, in a space scaled to [0, 1]; a third of it, as Hansen (2016) advises


class EvolutionSampler(BaseSampler):
    """CMA-ES over the numbers of a space, scaled to [0, 1]; choices are drawn at random.

    The finished trials, in the order of their numbers, are its generations.
    """

    def __init__(self, axes: Sequence[Axis], seed: int) -> None:
        self.axes = [axis for axis in axes if not axis.choices]
        self.seed = seed
        self.random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing: what is searched was given."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next member of the newest generation."""
        from cmaes import CMA

        if not self.axes:
            return {}
        bounds = np.array([[0.0, 1.0]] * len(self.axes))
        evolution = CMA(np.full(len(self.axes), 0.5), WIDTH, bounds=bounds, seed=self.seed % 2**31)
        keys = {axis.key for axis in self.axes}
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        finished = [trial for trial in ended if keys <= trial.params.keys()]
        count = evolution.population_size
        for start in range(0, len(finished) - count + 1, count):
            generation = sorted(finished[start : start + count], key=lambda each: badness(each, study.direction))
            places = map(self._place, generation)
            evolution.tell([(place, float(rank)) for rank, place in enumerate(places)])
        params: dict[str, Any] = {}
        for axis, position in zip(self.axes, evolution.ask(), strict=True):
            params[axis.key] = axis.at(float(position))
        return params

    def _place(self, trial: FrozenTrial) -> np.ndarray:
        return np.array([axis.position(trial.params[axis.key]) for axis in self.axes])

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random choice."""
        return self.random.sample_independent(study, trial, param_name, param_distribution)


def badness(trial: FrozenTrial, direction: StudyDirection) -> tuple[bool, int, float]:
    """What sorts trials, best first: the complete ones by value, then the pruned ones, the longest first."""
    value = float("inf") if trial.value is None else trial.value
    if direction == StudyDirection.MAXIMIZE and trial.value is not None:
        value = -value
    if trial.state == TrialState.PRUNED:
        return True, -(trial.last_step or 0), value
    return False, 0, value
