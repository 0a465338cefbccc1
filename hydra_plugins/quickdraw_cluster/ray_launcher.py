"""The launcher for Ray: the local launcher, with processes on all machines of a Ray cluster."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from hydra_plugins.quickdraw_cluster.job import check_threads
from hydra_plugins.quickdraw_cluster.slurm_launcher import INSTALL
from hydra_plugins.quickdraw_launcher.local_launcher import LocalLauncher
from quickdraw.errors import ConfigError
from quickdraw.sweep.jobs import Plan, Sweep

with contextlib.suppress(ImportError, LookupError):
    # The plugin has a configuration named ray, too, and Hydra takes one of the same name for the schema of ours: a
    # deprecated way, which refuses any key that the plugin does not know. This imports no ray.
    import hydra_plugins.hydra_ray_launcher._config  # noqa: F401

    del ConfigStore.instance().repo["hydra"]["launcher"]["ray.yaml"]


class RayLauncher(LocalLauncher):
    """Runs the jobs of a sweep as tasks of Ray. The arguments are explained in its yaml file.

    `ray` holds hydra-ray-launcher's settings: the arguments of `ray.init` and of `ray.remote`.
    """

    def __init__(self, n_jobs: int | str, fail_fast: bool, dry_run: bool, report: bool, ray: DictConfig) -> None:
        super().__init__(n_jobs, fail_fast, dry_run, report)
        self.ray = ray

    def sweep(self) -> Sweep:
        """Return the Sweep in this sweep's folder, whose processes are Ray's."""
        try:
            from quickdraw.sweep.ray import RayPool
        except ImportError as error:
            raise ConfigError(f"hydra/launcher=ray: {error}; {INSTALL}") from error
        return RaySweep(Path(self.config.hydra.sweep.dir), self.n_jobs, RayPool(self.ray))


class RaySweep(Sweep):
    """The jobs in one folder, as many at once as the cluster has room for."""

    def __init__(self, folder: Path, n_jobs: int | str, pool: Any) -> None:
        super().__init__(folder, n_jobs)
        self.pool = self.cluster = pool

    def _size(self, plans: Sequence[Plan], gpus: int) -> int:
        check_threads([plan.config for plan in plans], self.cluster.cpus, "hydra.launcher.ray.remote.num_cpus")
        room: int = self.cluster.connect()
        return self.n_jobs if isinstance(self.n_jobs, int) else room
