"""The sweeper: from its keys and the command line to a SearchRunner."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from hydra_plugins.quickdraw_launcher._adaptive import AdaptiveSweeper, as_overrides, check_keys
from hydra_plugins.quickdraw_optuna.grammar import split
from quickdraw.console import say
from quickdraw.errors import ConfigError
from quickdraw.metrics import lower_is_better, monitors
from quickdraw.program import install_command
from quickdraw.rules import Rule, choice, either, whole
from quickdraw.search.space import Axis, Params, corners, overrides_of
from quickdraw.settings import ENVIRONMENT_KEYS, OUTPUT_KEYS, encoded, flatten
from quickdraw.sweep.job import Job
from quickdraw.sweep.places import check_folders
from quickdraw.sweep.runner import counted

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from quickdraw.search.sampling import Proposer
    from quickdraw.search.study import Direction

RULES: dict[str, Rule] = {
    "n_trials": whole(1),
    "sampler": choice("tpe", "random", "qmc", "cmaes", "gp"),
    "seed": whole(0),
    "startup_trials": whole(0),
    "pruner": choice("asha", "median", "none"),
    "min_epochs": whole(1),
    "reduction_factor": whole(2),
    "seeds": whole(1),
    "metric": either(choice(*monitors()), None),
    "direction": either(choice("maximize", "minimize"), None),
}


class OptunaSweeper(AdaptiveSweeper):
    """Searches with Optuna. The arguments are explained in its yaml file."""

    def __init__(
        self,
        n_trials: int,
        sampler: str,
        seed: int,
        startup_trials: int,
        pruner: str,
        min_epochs: int,
        reduction_factor: int,
        seeds: int,
        metric: str | None,
        direction: str | None,
        params: Mapping[str, Any] | None,
    ) -> None:
        given = locals()
        check_keys(given, RULES)
        self.keys = {key: given[key] for key in RULES}
        self.params = as_overrides(params)

    def sweep(self, arguments: list[str]) -> None:
        """Search the space that the arguments describe; raises what `SearchRunner.run` does."""
        fixed, axes = split(self.parsed(arguments))
        try:
            import optuna  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"hydra/sweeper=optuna needs Optuna ({error}): {install_command('requirements-search.txt')}"
            ) from error
        self._search(fixed, axes)

    def _search(self, fixed: list[str], axes: Sequence[Axis]) -> None:
        from quickdraw.search.runner import SearchRunner
        from quickdraw.search.study import JOURNAL, Study, held

        # Check the corners of the space: if these are good, all settings are.
        jobs = self.launcher.jobs()
        jobs.warm_up()  # it imports torch meanwhile
        probes = []
        for number, params in enumerate(corners(axes)):
            probes.append(self.launcher.job([*fixed, *overrides_of(params)], number))
        check_folders(probes)
        jobs.check(probes)
        config = probes[0].config
        metric, direction = self._goal(config)
        seeds = range(config["seed"], config["seed"] + self.keys["seeds"])
        first_trial = self._trial_jobs([*fixed, *overrides_of(corners(axes)[0])], 0, seeds)
        check_folders(first_trial)
        if self.launcher.dry_run and not (jobs.folder / JOURNAL).exists():
            say(f"{self.keys['n_trials']} trials of {counted(seeds)} in {jobs.folder}: {described(axes)}")
            return

        # Open the study, or begin it.
        proposer, pruner = self._proposer_and_pruner(axes)
        facts = {
            "metric": metric,
            "direction": direction,
            "seeds": list(seeds),
            "space": {axis.key: axis.described() for axis in axes},
            "settings": fixed_settings(config, axes),
        }
        jobs.folder.mkdir(parents=True, exist_ok=True)
        with held(jobs.folder):
            study = Study(jobs.folder, proposer, pruner, direction)
            study.claim(facts)

            def jobs_of(number: int, params: Params) -> list[Job]:
                return self._trial_jobs([*fixed, *overrides_of(params)], number, seeds)

            runner = SearchRunner(jobs, study, metric, self.keys["n_trials"], jobs_of, self.launcher.report)
            if self.launcher.dry_run:
                say(runner.preview())
                return
            OmegaConf.save(self.config, jobs.folder / "multirun.yaml")
            runner.run(self.launcher.fail_fast)

    def _goal(self, config: Mapping[str, Any]) -> tuple[str, "Direction"]:
        """The metric that is searched for, and whether the best is its highest or its lowest value."""
        metric = self.keys["metric"] or config["trainer"]["monitor"]
        direction: Direction = self.keys["direction"] or ("minimize" if lower_is_better(metric) else "maximize")
        return metric, direction

    def _proposer_and_pruner(self, axes: Sequence[Axis]) -> tuple["Proposer", "BasePruner"]:
        from quickdraw.search.pruning import make_pruner
        from quickdraw.search.sampling import Proposer

        keys = self.keys
        proposer = Proposer(axes, keys["sampler"], keys["seed"], keys["startup_trials"])
        pruner = make_pruner(keys["pruner"], keys["min_epochs"], keys["reduction_factor"], keys["startup_trials"])
        return proposer, pruner

    def _trial_jobs(self, overrides: list[str], number: int, seeds: range) -> list[Job]:
        """The jobs of a trial, one a seed."""
        jobs = []
        for place, seed in enumerate(seeds):
            own = [f"seed={seed}"] if len(seeds) > 1 else []
            jobs.append(self.launcher.job([*overrides, *own], number * len(seeds) + place))
        return jobs


def described(axes: Sequence[Axis]) -> str:
    """A space in words."""
    return ", ".join(f"{axis.key} in {axis.described()}" for axis in sorted(axes, key=lambda axis: axis.key))


def fixed_settings(config: Mapping[str, Any], axes: Sequence[Axis]) -> dict[str, Any]:
    """The settings, by key, that are the same in all trials of a search."""
    searched = {axis.key.lstrip("+") for axis in axes}
    left_out = {"exp_name", *ENVIRONMENT_KEYS, *OUTPUT_KEYS, *searched}
    return encoded({key: value for key, value in flatten(config).items() if key not in left_out})
