"""What a search tries next: Optuna's samplers, seeded trial by trial, and never the same settings twice.

A sampler is made anew for each trial, with a seed made of (the search's seed, the trial's number, the attempt). So a
proposal is a function of these and of the trials before it, and a search that was killed goes on as it would have.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from quickdraw.search.evolution import EvolutionSampler
from quickdraw.search.space import FEW, Axis, Params, params_key, points, size

ATTEMPTS = 20  # to propose something new, before it is drawn from what is left


def sobol(seed: int) -> BaseSampler:
    """The sampler that fills the space evenly, by Sobol's sequence; the study remembers how far it got."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


MAKERS: dict[str, Callable[[Sequence[Axis], int, int, int], BaseSampler]] = {
    # of the axes, the trial's seed, the search's seed and the number of random trials before the sampler learns
    "tpe": lambda axes, seed, search_seed, startup: TPESampler(seed=seed, n_startup_trials=startup, multivariate=True),
    "random": lambda axes, seed, search_seed, startup: RandomSampler(seed=seed),
    "qmc": lambda axes, seed, search_seed, startup: sobol(search_seed),
    "cmaes": lambda axes, seed, search_seed, startup: EvolutionSampler(axes, seed),
    "gp": lambda axes, seed, search_seed, startup: GPSampler(
        seed=seed, n_startup_trials=startup, warn_independent_sampling=False
    ),
}


def distribution(axis: Axis) -> BaseDistribution:
    """An axis as Optuna describes it."""
    if axis.choices:
        return CategoricalDistribution(axis.choices)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=int(axis.step or 1))
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


class Proposer(BaseSampler):
    """Proposes all settings of a trial at once. `forced`, once set, is what the next trial gets instead."""

    def __init__(self, axes: Sequence[Axis], name: str, seed: int, startup_trials: int) -> None:
        self.axes = axes
        self.make = MAKERS[name]
        self.seed = seed
        self.startup_trials = startup_trials
        self.space = {axis.key: distribution(axis) for axis in axes}
        self.forced: Params | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space, which is known."""
        return self.space

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Params:
        """Settings that no trial has had, if there are any left."""
        if self.forced is not None:
            forced, self.forced = self.forced, None
            return forced
        tried = {params_key(other.params) for other in study.get_trials(deepcopy=False) if other.number != trial.number}
        for attempt in range(ATTEMPTS):
            params = self._draw(study, trial, attempt)
            if params_key(params) not in tried:
                return params
        return self._untried(trial, tried) or params

    def _draw(self, study: Study, trial: FrozenTrial, attempt: int) -> Params:
        sampler = self.make(self.axes, derived(self.seed, trial.number, attempt), self.seed, self.startup_trials)
        drawn = sampler.sample_relative(study, trial, self.space)
        for key, values in self.space.items():
            if key not in drawn:
                drawn[key] = sampler.sample_independent(study, trial, key, values)
        return {axis.key: axis.rounded(drawn[axis.key]) for axis in self.axes}

    def _untried(self, trial: FrozenTrial, tried: set[str]) -> Params | None:
        if size(self.axes) > FEW:
            return None
        left = [params for params in points(self.axes) if params_key(params) not in tried]
        return left[derived(self.seed, trial.number, ATTEMPTS) % len(left)] if left else None

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Never called: all settings are proposed together."""
        raise LookupError(f"{param_name} is no axis of this search")


def derived(*numbers: int) -> int:
    """A seed below 2^32 made of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
