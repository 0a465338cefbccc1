"""What sweepers share that choose each job by the results so far: checked keys, a launcher that composes job by job.

The underscore keeps this file out of Hydra's scan for plugins: it holds no sweeper that could be chosen.
"""

from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log, setup_globals
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.quickdraw_launcher.local_launcher import LocalLauncher
from quickdraw.errors import ConfigError
from quickdraw.rules import Rule
from quickdraw.settings import shown


class AdaptiveSweeper(Sweeper):
    """Runs jobs by any launcher of ours. `params` are overrides by key, as a preset gives them."""

    hydra_context: HydraContext
    config: DictConfig
    launcher: LocalLauncher
    params: list[str]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every sweeper."""
        self.hydra_context = hydra_context
        self.config = config
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        if not isinstance(launcher, LocalLauncher):
            raise ConfigError(
                f"hydra/sweeper={config.hydra.runtime.choices['hydra/sweeper']} runs its jobs by hydra/launcher=local, "
                f"slurm or ray, got {type(launcher).__name__}: leave hydra/launcher out"
            )
        self.launcher = launcher

    def parsed(self, arguments: list[str]) -> list[Override]:
        """The overrides of a preset and of the command line, which comes after it."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        return parser.parse_overrides([*self.params, *arguments])


def check_keys(keys: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Raise ConfigError, one line for all of them, if a key of a sweeper has a bad value."""
    complaints = []
    for key, rule in rules.items():
        if not rule.holds(keys[key]):
            complaints.append(f"hydra.sweeper.{key}: expected {rule.words}, got {shown(keys[key])}")
    if complaints:
        raise ConfigError("; ".join(complaints))


def as_overrides(params: Mapping[str, Any] | None) -> list[str]:
    """Values by key, as a preset gives them, in the form of overrides."""
    return [f"{key}={value}" for key, value in (params or {}).items()]
