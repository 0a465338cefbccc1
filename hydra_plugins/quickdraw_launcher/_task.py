"""What a job's process does by Hydra: it runs the program's own function on the composed configuration.

The underscore keeps this file out of Hydra's scan for plugins, which loads a module anew: a class that is there twice
cannot be pickled.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobRuntime, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.quickdraw_cli import resolvers


@dataclass(frozen=True)
class HydraTask:
    """Trains one job in the process in which it is called. `function` is the name of the program's own in `module`."""

    context: HydraContext
    config: DictConfig
    module: str
    function: str

    def __call__(self) -> None:
        """Let Hydra run the function in this process, which it did not start."""
        self.run(self.config)

    def run(self, config: DictConfig) -> None:
        """Let Hydra run the function on a configuration; raises what the function raises."""
        setup_globals()
        resolvers.register()
        JobRuntime.instance().set("name", config.hydra.job.name)
        decorated = getattr(importlib.import_module(self.module), self.function)
        function: Callable[[DictConfig], Any] = decorated.__wrapped__  # without Hydra's command line around it
        returned = run_job(function, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context)
        _ = returned.return_value  # raises what the function raised


def importable_module(function: TaskFunction) -> str:
    """The name under which another process can import a program's function: `run`, whatever `__main__` is here."""
    if function.__module__ != "__main__":
        return function.__module__
    return Path(function.__globals__["__file__"]).resolve().stem
