"""The sweeper: from its keys and the command line to a Search."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log, setup_globals
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.quickdraw_launcher.local_launcher import LocalLauncher
from hydra_plugins.quickdraw_optuna.grammar import overrides_of, split
from quickdraw.errors import ConfigError
from quickdraw.metrics import lower_is_better
from quickdraw.rules import Rule, choice, either, whole
from quickdraw.search.space import Axis, Params, corners
from quickdraw.settings import ENVIRONMENT_KEYS, OUTPUT_KEYS, encoded, flatten, shown
from quickdraw.sweep.jobs import Plan

RULES: dict[str, Rule] = {
    "n_trials": whole(1),
    "sampler": choice("tpe", "random", "qmc", "cmaes", "gp"),
    "seed": whole(0),
    "startup_trials": whole(0),
    "pruner": choice("asha", "median", "none"),
    "min_epochs": whole(1),
    "reduction_factor": whole(2),
    "seeds": whole(1),
    "metric": either(
        choice("val_accuracy", "val_balanced_accuracy", "val_top3_accuracy", "val_top5_accuracy", "val_loss"), None
    ),
    "direction": either(choice("maximize", "minimize"), None),
}


class OptunaSweeper(Sweeper):
    """Searches with Optuna, over the local launcher. The arguments are explained in its yaml file."""

    hydra_context: HydraContext
    config: DictConfig
    launcher: LocalLauncher

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
        self.keys = {key: given[key] for key in RULES}
        complaints = [
            f"hydra.sweeper.{key}: expected {RULES[key].words}, got {shown(value)}"
            for key, value in self.keys.items()
            if not RULES[key].holds(value)
        ]
        if complaints:
            raise ConfigError("; ".join(complaints))
        self.params = [f"{key}={value}" for key, value in (params or {}).items()]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every sweeper."""
        self.hydra_context = hydra_context
        self.config = config
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        if type(launcher) is not LocalLauncher:
            raise ConfigError(
                f"hydra/sweeper=optuna runs its jobs by hydra/launcher=local alone, got {type(launcher).__name__}: "
                "leave hydra/launcher out"
            )
        self.launcher = launcher

    def sweep(self, arguments: list[str]) -> None:
        """Search the space that the arguments describe; raises what `Search.run` does."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        fixed, axes = split(parser.parse_overrides([*self.params, *arguments]))
        try:
            import optuna  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"hydra/sweeper=optuna needs Optuna ({error}): python -m pip install -r requirements-search.txt"
            ) from error
        self._search(fixed, axes)

    def _search(self, fixed: list[str], axes: Sequence[Axis]) -> None:
        from quickdraw.search.pruning import make_pruner
        from quickdraw.search.runner import Search
        from quickdraw.search.sampling import Proposer
        from quickdraw.search.study import JOURNAL, Direction, Study, held

        sweep = self.launcher.sweep()
        sweep.pool.warm_up()  # it imports torch meanwhile
        probes = [self.launcher.plan([*fixed, *overrides_of(params)], 0) for params in corners(axes)]
        sweep.check(probes)
        config = probes[0].config
        metric = self.keys["metric"] or config["trainer"]["monitor"]
        direction: Direction = self.keys["direction"] or ("minimize" if lower_is_better(metric) else "maximize")
        seeds = range(config["seed"], config["seed"] + self.keys["seeds"])

        def plans_of(number: int, params: Params) -> list[Plan]:
            overrides = [*fixed, *overrides_of(params)]
            return [
                self.launcher.plan(
                    [*overrides, *([f"seed={seed}"] if len(seeds) > 1 else [])], number * len(seeds) + place
                )
                for place, seed in enumerate(seeds)
            ]

        keys = self.keys
        proposer = Proposer(axes, keys["sampler"], keys["seed"], keys["startup_trials"])
        pruner = make_pruner(keys["pruner"], keys["min_epochs"], keys["reduction_factor"], keys["startup_trials"])
        if self.launcher.dry_run and not (sweep.folder / JOURNAL).exists():
            jobs = "1 job" if len(seeds) == 1 else f"{len(seeds)} jobs"
            print(f"{keys['n_trials']} trials of {jobs} in {sweep.folder}: {described(axes)}")
            return
        sweep.folder.mkdir(parents=True, exist_ok=True)
        with held(sweep.folder):
            study = Study(sweep.folder, proposer, pruner, direction)
            study.claim(
                {
                    "metric": metric,
                    "direction": direction,
                    "seeds": list(seeds),
                    "space": {axis.key: axis.described() for axis in axes},
                    "settings": settled(config, axes),
                }
            )
            search = Search(sweep, study, metric, keys["n_trials"], plans_of)
            if self.launcher.dry_run:
                print(search.preview())
                return
            OmegaConf.save(self.config, Path(sweep.folder) / "multirun.yaml")
            search.run(self.launcher.fail_fast, self.launcher.report)


def described(axes: Sequence[Axis]) -> str:
    """Return a space in words."""
    return ", ".join(f"{axis.key} in {axis.described()}" for axis in sorted(axes, key=lambda axis: axis.key))


def settled(config: Mapping[str, Any], axes: Sequence[Axis]) -> dict[str, Any]:
    """Return the settings, by key, that are the same in all trials of a search."""
    left_out = {"exp_name", *ENVIRONMENT_KEYS, *OUTPUT_KEYS, *(axis.key.lstrip("+") for axis in axes)}
    return encoded({key: value for key, value in flatten(config).items() if key not in left_out})
