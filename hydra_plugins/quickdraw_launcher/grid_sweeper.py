"""The sweeper for `-m`: all combinations of the values, launched at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from quickdraw.analysis.race import FILE as RACE


class GridSweeper(Sweeper):
    """Hydra's basic sweeper, but each job is composed once (80 ms) and a dry run leaves nothing behind.

    `params` are overrides by key, as a preset gives them; the command line comes after them.
    """

    hydra_context: HydraContext
    config: DictConfig
    launcher: Launcher

    def __init__(self, params: Mapping[str, Any] | None) -> None:
        self.params = [f"{key}={value}" for key, value in (params or {}).items()]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every sweeper."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Launch the jobs that the arguments describe; return one JobReturn each."""
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        (combinations,) = BasicSweeper.split_arguments(parser.parse_overrides([*self.params, *arguments]), None)
        if not hasattr(self.launcher, "jobs"):  # our launchers compose and check all jobs themselves
            self.validate_batch_is_legal(combinations)
        if not self.config.hydra.launcher.get("dry_run"):
            folder = Path(self.config.hydra.sweep.dir)
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(self.config, folder / "multirun.yaml")
            (folder / RACE).unlink(missing_ok=True)  # a grid is judged as one; the race's own command writes it again
        returned = self.launcher.launch(combinations, initial_job_idx=0)
        for each in returned:
            _ = each.return_value  # raises what the job raised, where the launcher did not
        return returned
