"""The launcher for Slurm: every job composed and checked here, those that are missing submitted by submitit."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, setup_globals
from omegaconf import OmegaConf

from hydra_plugins.quickdraw_cluster.job import SlurmJob, check_threads, importable_task, placed
from hydra_plugins.quickdraw_launcher.local_launcher import LocalLauncher
from quickdraw.errors import ConfigError, RunError
from quickdraw.sweep.jobs import Plan
from quickdraw.sweep.pool import ROOT
from quickdraw.sweep.slurm import SlurmBatch
from quickdraw.sweep.slurm_queue import Queue

INSTALL = "install what clusters need: pip install -r requirements-cluster.txt"


class SlurmLauncher(LocalLauncher):
    """Submits the jobs of a sweep and watches them. The arguments are explained in its yaml file.

    `options` are hydra-submitit-launcher's, by the same names.
    """

    def __init__(self, wait: bool, poll_s: float, report: bool, dry_run: bool, **options: Any) -> None:
        super().__init__(n_jobs=options["array_parallelism"], fail_fast=False, dry_run=dry_run, report=report)
        self.wait = wait
        self.poll_s = poll_s
        self.options: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in options.items()
        }

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the jobs that are missing and watch all; return one JobReturn each, in their order.

        Raises ConfigError before any is submitted if one of them cannot be composed or has a bad setting; RunError if
        Slurm refuses, and at the end if some did not finish; Interrupted after a signal, which no job hears of.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        plans = [self.plan(list(overrides), number) for number, overrides in enumerate(job_overrides, initial_job_idx)]
        check_threads([plan.config for plan in plans], self.options["cpus_per_task"], "hydra.launcher.cpus_per_task")
        sweep = self.sweep()
        batch = SlurmBatch(sweep, plans, Queue(sweep.folder), self.submit, self.report)
        if self.dry_run:
            print(batch.preview())
            return []
        batch.submit()
        if not self.wait:
            return []
        batch.watch(self.poll_s)
        return [self.returned(plan, batch.runs[plan.folder]) for plan in plans]

    def submit(self, plans: Sequence[Plan]) -> list[str]:
        """Submit some jobs as one array; return their numbers. Raises RunError if Slurm does not take them."""
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
        general = set(OmegaConf.structured(BaseQueueConf))
        executor = AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=retries)
        executor.update_parameters(
            **{key if key in general else f"slurm_{key}": value for key, value in options.items() if value is not None}
        )
        try:
            return [job.job_id for job in executor.submit_array([self.job(plan) for plan in plans])]
        except (FailedJobError, FailedSubmissionError) as error:
            raise RunError(f"Slurm takes no jobs: {str(error).strip().splitlines()[-1]}") from error

    def job(self, plan: Plan) -> SlurmJob:
        """Return what submitit is to pickle for a job."""
        context, config, folder, task = plan.call[1]
        return SlurmJob(context, placed(config, folder), Path(folder).absolute(), importable_task(*task))
