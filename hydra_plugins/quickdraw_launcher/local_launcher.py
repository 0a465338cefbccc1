"""The launcher for `-m`: every job composed and checked before the first starts, then run as a Batch."""

import math
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from hydra_plugins.quickdraw_cli.choices import check_choices
from hydra_plugins.quickdraw_cli.resolvers import plain
from quickdraw.errors import ConfigError
from quickdraw.metrics import lower_is_better
from quickdraw.run.listing import Run
from quickdraw.sweep import process
from quickdraw.sweep.jobs import Plan, Sweep
from quickdraw.sweep.runner import Batch


class LocalLauncher(Launcher):
    """Runs the jobs of a sweep in processes of this machine. The arguments are explained in its yaml file."""

    def __init__(self, n_jobs: int | str, fail_fast: bool, dry_run: bool, report: bool = True) -> None:
        if n_jobs != "auto" and not (type(n_jobs) is int and n_jobs >= 1):
            raise ConfigError(f"hydra.launcher.n_jobs: expected auto or a whole number from 1 up, got {n_jobs!r}")
        self.n_jobs = n_jobs
        self.fail_fast = fail_fast
        self.dry_run = dry_run
        self.report = report

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every launcher."""
        self.context = hydra_context
        self.task = (task_function.__module__, task_function.__name__)
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; return one JobReturn each, in their order.

        Raises ConfigError before any job starts if one of them cannot be composed or has a bad setting; RunError at the
        end if some failed; Interrupted after a signal, when the running jobs have saved.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        sweep = self.sweep()
        plans = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            plans.append(self.plan(list(overrides), number))
            if not plans[-1].run().ended:
                sweep.pool.warm_up()  # it imports torch while we compose the others
        batch = Batch(sweep, plans, self.report)
        if self.dry_run:
            print(batch.preview())
            return []
        batch.run(self.fail_fast)
        return [self.returned(plan, batch.runs[plan.folder]) for plan in plans]

    def sweep(self) -> Sweep:
        """Return the Sweep in this sweep's folder; its `submit` and `next` are what a sweeper without batches needs."""
        return Sweep(Path(self.config.hydra.sweep.dir), self.n_jobs)

    def plan(self, overrides: list[str], number: int) -> Plan:
        """Compose one job."""
        check_choices(overrides)
        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
            if OmegaConf.select(config, "hydra.job_logging.root.handlers"):
                config.hydra.job_logging.root.handlers = ["file"]  # what a job says goes to its run.log
        folder = Path(config.hydra.sweep.dir, config.hydra.sweep.subdir)
        return Plan(overrides, folder, plain(config), (process.run_job_here, (self.context, config, folder, self.task)))

    @staticmethod
    def returned(plan: Plan, run: Run) -> JobReturn:
        """Return what Hydra's sweepers want to know of a job: what `main` returns, the worst of all if it diverged."""
        worst = math.inf if lower_is_better(run.monitor) else -math.inf
        cfg = OmegaConf.create(plan.config)
        assert isinstance(cfg, DictConfig)
        value = float(run.result.get(run.monitor, worst))
        return JobReturn(plan.overrides, cfg, task_name="run", status=JobStatus.COMPLETED, _return_value=value)
