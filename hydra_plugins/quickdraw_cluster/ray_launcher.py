"""The launcher for Ray: the local launcher, with processes on all machines of a Ray cluster."""

import contextlib
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from hydra_plugins.quickdraw_cluster._tasks import INSTALL, ClusterTask, plain_options
from hydra_plugins.quickdraw_launcher.local_launcher import LocalLauncher
from quickdraw.errors import ConfigError
from quickdraw.sweep.jobs import Jobs

with contextlib.suppress(ImportError, LookupError):
    # hydra-ray-launcher, where it is installed, has a configuration named ray, too, and Hydra takes one of the same
    # name for the schema of ours: a deprecated way, which refuses any key that it does not know. This imports no ray.
    import hydra_plugins.hydra_ray_launcher._config  # noqa: F401

    del ConfigStore.instance().repo["hydra"]["launcher"]["ray.yaml"]


class RayLauncher(LocalLauncher):
    """Runs the jobs of a sweep as tasks of Ray. The arguments are explained in its yaml file.

    `ray` holds the arguments of `ray.init` and of `ray.remote`.
    """

    def __init__(self, n_jobs: int | str, fail_fast: bool, dry_run: bool, report: bool, ray: DictConfig) -> None:
        super().__init__(n_jobs, fail_fast, dry_run, report)
        self.ray = plain_options(ray)

    def jobs(self) -> Jobs:
        """What runs this sweep's jobs."""
        try:
            from quickdraw.sweep.ray import RayJobs
        except ImportError as error:
            raise ConfigError(f"hydra/launcher=ray: {error}; {INSTALL}") from error
        return RayJobs(self.folder, self.n_jobs, self.ray["init"], self.ray["remote"])

    def task(self, config: DictConfig, folder: Path) -> ClusterTask:
        """What trains a job in the worker that Ray starts for it."""
        return ClusterTask.of(self.context, config, folder, self.task_function)
