"""What the process of one job does on a node of Slurm or in a worker of Ray, which have started it."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from quickdraw.errors import ConfigError, RunError
from quickdraw.hardware import resolve_threads
from quickdraw.sweep.process import open_log, run_task, task_function


@dataclass(frozen=True)
class SlurmJob:
    """One job as submitit pickles it: called on the node, and asked for its `checkpoint` when it is queued again.

    The configuration is the one that was composed when the job was submitted, whatever became of the yaml files since.
    """

    context: HydraContext
    config: DictConfig
    folder: Path
    task: tuple[str, str]

    def __call__(self) -> None:
        """Run the job in the folder that the local launcher would have given it."""
        from submitit import JobEnvironment

        config = self.config.copy()  # Hydra makes the one it runs read-only, and `checkpoint` pickles ours again
        with open_dict(config):
            config.hydra.job.id = JobEnvironment().job_id
        open_log(self.folder)
        run_task(self.context, config, self.task)

    def checkpoint(self) -> Any:
        """Return what is to be run when the job is queued again: the same, for it continues from its own folder."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass(frozen=True)
class RayTask:
    """The task function for a worker of Ray, which Hydra calls in a process that stood somewhere else."""

    working_folder: Path
    folder: Path
    task: tuple[str, str]

    def __call__(self, config: DictConfig) -> float:
        """Run the job in the folder that the local launcher would have given it; return its score.

        Raises RunError where the job ends its process: Ray would take that for a crash, and say so at length.
        """
        os.chdir(self.working_folder)  # data.root is relative to it
        open_log(self.folder)
        try:
            value: float = task_function(self.task)(config)
        except SystemExit as end:
            raise RunError(f"exit code {end.code}") from end
        return value


def placed(config: DictConfig, folder: Path) -> DictConfig:
    """Return a job's configuration with its folder written out, so that no node computes it from what it finds."""
    config = config.copy()
    with open_dict(config):
        config.hydra.sweep.dir, config.hydra.sweep.subdir = str(folder.parent.absolute()), folder.name
    return config


def importable_task(module: str, name: str) -> tuple[str, str]:
    """Return the module and name of the task's function as another process can import them."""
    file = getattr(sys.modules[module], "__file__", None)
    return (Path(file).stem if module == "__main__" and file else module, name)


def check_threads(configs: list[dict[str, Any]], cpus: float | None, key: str) -> None:
    """Raise ConfigError if a job computes on more threads than it asks for processors."""
    most = max((resolve_threads(config["threads"], one_of_many=True) for config in configs), default=1)
    if cpus is not None and most > cpus:
        raise ConfigError(f"threads={most} but {key}={cpus:g}: ask for as many processors, {key}={most}")
