"""What a job's process does on another machine, and what all launchers for more than one machine need."""

from pathlib import Path
from typing import Any, Self

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from hydra_plugins.quickdraw_launcher._task import HydraTask, importable_module
from quickdraw.program import install_command

INSTALL = f"install what clusters need: {install_command('requirements-cluster.txt')}"


class ClusterTask(HydraTask):
    """Trains one job on a machine that composes nothing and has not seen the command.

    The configuration is the one that was composed when the job was submitted, whatever became of the yaml files since.
    """

    @classmethod
    def of(cls, context: HydraContext, config: DictConfig, folder: Path, function: TaskFunction) -> Self:
        """The task with the job's folder written out, and its function by a name that another process can import."""
        config = config.copy()
        with open_dict(config):
            sweep = Path(config.hydra.sweep.dir).absolute()
            config.hydra.sweep.dir, config.hydra.sweep.subdir = str(sweep), str(folder.absolute().relative_to(sweep))
        return cls(context, config, importable_module(function), function.__name__)


class SlurmTask(ClusterTask):
    """Trains one job on a node of Slurm, under the number that it has there now."""

    def __call__(self) -> None:
        """Let Hydra run the function in this process, which submitit started."""
        from submitit import JobEnvironment

        config = self.config.copy()  # Hydra makes the one it runs read-only, and ours is pickled again for a requeue
        with open_dict(config):
            config.hydra.job.id = JobEnvironment().job_id
        self.run(config)


def plain_options(options: Any) -> Any:
    """A launcher's options as plain values."""
    return OmegaConf.to_container(options, resolve=True) if OmegaConf.is_config(options) else options
