"""The launcher for Slurm: every job composed and checked here, those that are missing submitted by submitit."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, setup_globals
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.quickdraw_cluster._tasks import INSTALL, SlurmTask, plain_options
from hydra_plugins.quickdraw_launcher.local_launcher import LocalLauncher
from quickdraw.console import say
from quickdraw.errors import ConfigError, RunError
from quickdraw.sweep.checks import check_threads
from quickdraw.sweep.pool import ROOT
from quickdraw.sweep.slurm import SlurmJob, SlurmJobs
from quickdraw.sweep.slurm_sweep import SlurmSweep


class SlurmLauncher(LocalLauncher):
    """Submits the jobs of a sweep and watches them. The arguments are explained in its yaml file.

    `options` are hydra-submitit-launcher's, by the same names.
    """

    def __init__(self, wait: bool, poll_s: float, report: bool, dry_run: bool, **options: Any) -> None:
        self.at_once: int = options["array_parallelism"]
        super().__init__(n_jobs=self.at_once, fail_fast=False, dry_run=dry_run, report=report)
        self.wait = wait
        self.poll_s = poll_s
        self.options = {key: plain_options(value) for key, value in options.items()}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the jobs that are missing and watch all; return one JobReturn each, in their order.

        Raises ConfigError before any is submitted if one of them cannot be composed or has a bad setting; RunError if
        Slurm refuses, and at the end if some did not finish; Interrupted after a signal, which no job hears of.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        wanted = [self.job(list(overrides), number) for number, overrides in enumerate(job_overrides, initial_job_idx)]
        check_threads(wanted, self.options["cpus_per_task"], "hydra.launcher.cpus_per_task")
        runner = SlurmSweep(self.jobs(), wanted, self.report)
        if self.dry_run:
            say(runner.preview())
            return []
        runner.submit()
        if not self.wait:
            return []
        runner.watch()
        return [self.returned(job, runner.runs[job.folder]) for job in wanted]

    def jobs(self) -> SlurmJobs:
        """What runs this sweep's jobs."""
        return SlurmJobs(self.folder, self.at_once, self.send, self.poll_s)

    def task(self, config: DictConfig, folder: Path) -> SlurmTask:
        """What trains a job on the node that Slurm gives it."""
        return SlurmTask.of(self.context, config, folder, self.task_function)

    def send(self, jobs: Sequence[SlurmJob]) -> list[str]:
        """Submit some jobs as one array; Slurm's numbers of them. Raises RunError if it does not take them."""
        try:
            from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
            from submitit import AutoExecutor
            from submitit.core.utils import FailedJobError, FailedSubmissionError
        except ImportError as error:
            raise ConfigError(f"hydra/launcher=slurm: {error}; {INSTALL}") from error
        options = dict(self.options)
        folder, retries = options.pop("submitit_folder"), options.pop("max_num_timeout")
        find_us = f"export PYTHONPATH={shlex.quote(str(ROOT))}${{PYTHONPATH:+:$PYTHONPATH}}"
        options["setup"] = [*(options["setup"] or []), find_us]

        # submitit has options of its own for every kind of cluster, and takes Slurm's with a prefix.
        general = set(OmegaConf.structured(BaseQueueConf))
        parameters: dict[str, Any] = {}
        for key, value in options.items():
            if value is not None:
                parameters[key if key in general else f"slurm_{key}"] = value
        executor = AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=retries)
        executor.update_parameters(**parameters)
        try:
            return [job.job_id for job in executor.submit_array(jobs)]
        except (FailedJobError, FailedSubmissionError) as error:
            raise RunError(f"Slurm takes no jobs: {str(error).strip().splitlines()[-1]}") from error
