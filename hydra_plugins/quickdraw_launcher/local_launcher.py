"""The launcher for `-m`: every job composed and checked before the first starts, then run by a SweepRunner."""

import math
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from hydra_plugins.quickdraw_cli.choices import check_choices
from hydra_plugins.quickdraw_cli.resolvers import plain
from hydra_plugins.quickdraw_cli.saved import config_from
from hydra_plugins.quickdraw_launcher._task import HydraTask, importable_module
from quickdraw.console import say
from quickdraw.errors import ConfigError
from quickdraw.files import user_path
from quickdraw.metrics import lower_is_better
from quickdraw.rules import LANES, either
from quickdraw.run.listing import Run
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Jobs
from quickdraw.sweep.lanes import LaneJobs
from quickdraw.sweep.local import LocalJobs
from quickdraw.sweep.places import Places, check_folders
from quickdraw.sweep.runner import SweepRunner

LANES_OR_AUTO = either(LANES, "auto")
PRELOAD = ("hydra_plugins.quickdraw_cli.command_line", HydraTask.__module__)  # by the server that jobs are forked from


class LocalLauncher(Launcher):
    """Runs the jobs of a sweep in processes of this machine. The arguments are explained in its yaml file."""

    def __init__(
        self, n_jobs: int | str, fail_fast: bool, dry_run: bool, report: bool = True, lanes: int | str = 1
    ) -> None:
        if n_jobs != "auto" and not (type(n_jobs) is int and n_jobs >= 1):
            raise ConfigError(f"hydra.launcher.n_jobs: expected auto or a whole number from 1 up, got {n_jobs!r}")
        if not LANES_OR_AUTO.holds(lanes):
            raise ConfigError(f"hydra.launcher.lanes: expected {LANES_OR_AUTO.words}, got {lanes!r}")
        self.n_jobs = n_jobs
        self.lanes = lanes
        self.fail_fast = fail_fast
        self.dry_run = dry_run
        self.report = report

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every launcher."""
        self.context = hydra_context
        self.task_function = task_function
        self.config = config
        self.places = Places(self.folder, keep=not self.dry_run)

    @property
    def folder(self) -> Path:
        """The sweep's folder."""
        return Path(self.config.hydra.sweep.dir)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; return one JobReturn each, in their order.

        Raises ConfigError before any job starts if one of them cannot be composed or has a bad setting; RunError at the
        end if some failed; Interrupted after a signal, when the running jobs have saved.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        jobs = self.jobs()
        wanted = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            wanted.append(self.job(list(overrides), number))
            if len(wanted) == 1 and not wanted[0].on_disk().ended:
                jobs.warm_up()  # it imports torch while we compose the others
        check_folders(wanted)
        runner = SweepRunner(jobs, wanted, self.report)
        if self.dry_run:
            say(runner.preview())
            return []
        runner.run(self.fail_fast)
        return [self.returned(job, runner.runs[job.folder]) for job in wanted]

    def jobs(self) -> Jobs:
        """What runs this sweep's jobs; a sweeper that chooses each job by the results so far uses it directly."""
        if self.lanes == 1:
            return LocalJobs(self.folder, self.n_jobs, PRELOAD)
        return LaneJobs(self.folder, self.n_jobs, PRELOAD, self.lanes)

    def job(self, overrides: list[str], number: int) -> Job:
        """Compose one job."""
        check_choices(overrides)
        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
            if OmegaConf.select(config, "hydra.job_logging.root.handlers"):
                config.hydra.job_logging.root.handlers = ["file"]  # what a job says goes to its run.log
        settings = plain(config)
        folder = self.places.folder(self.wished(config), settings)
        with open_dict(config):  # decided here, once: the job's process computes no folder of its own
            config.hydra.sweep.dir = str(self.folder)
            config.hydra.sweep.subdir = str(folder.relative_to(self.folder))
        elsewhere = config_from(self.config.hydra)
        return Job(overrides, folder, settings, self.task(config, folder), sweep=self.folder, config_from=elsewhere)

    def wished(self, config: DictConfig) -> Path:
        """Where a job would lie: in the sweep's folder, below a name of its own where `exp_name` varies."""
        own = user_path(config.hydra.sweep.dir)
        place = self.folder if own == self.folder else self.folder / own.name
        return place / config.hydra.sweep.subdir

    def task(self, config: DictConfig, folder: Path) -> HydraTask:
        """What trains a job in the process that is started for it."""
        return HydraTask(self.context, config, importable_module(self.task_function), self.task_function.__name__)

    @staticmethod
    def returned(job: Job, run: Run) -> JobReturn:
        """What Hydra's sweepers want to know of a job: the value of `main`, the worst of all if it diverged."""
        worst = math.inf if lower_is_better(run.monitor) else -math.inf
        cfg = OmegaConf.create(job.config)
        assert isinstance(cfg, DictConfig)
        value = float(run.result.get(run.monitor, worst))
        return JobReturn(job.overrides, cfg, task_name="run", status=JobStatus.COMPLETED, _return_value=value)
