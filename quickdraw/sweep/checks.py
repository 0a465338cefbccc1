"""The settings of all jobs of a sweep, checked before the first starts."""

import contextlib
from collections.abc import Sequence
from multiprocessing import connection
from typing import Any

from quickdraw import settings
from quickdraw.errors import ConfigError
from quickdraw.hardware import job_threads
from quickdraw.sweep.job import Job
from quickdraw.sweep.pool import Pool
from quickdraw.sweep.process import jobs_on_gpus

Asked = tuple[dict[str, Any], str]  # a configuration, and the overrides that made it different from the others


def check_jobs(jobs: Sequence[Job], pool: Pool) -> int:
    """How many jobs the GPUs of this machine hold, once the settings of all jobs are known to be good.

    Raises ConfigError that names each mistake once, with the overrides that made it.
    """
    asked = with_own_overrides(jobs)
    on_gpus = 0
    complaints: dict[str, str] = {}
    for config, overrides in asked:
        try:
            settings.check(config)
        except ConfigError as error:
            complaints.setdefault(str(error), overrides)
    if not complaints:  # now the classes that the settings name may be imported, in a process that has torch
        on_gpus, complaints = pool.call_in_process(check_arguments, asked)
    if complaints:
        lines = []
        for complaint, overrides in complaints.items():
            lines.append(f"{complaint} (in {overrides})" if overrides else complaint)
        raise ConfigError(f"{'; '.join(lines)}\nno job was started")
    return on_gpus


def with_own_overrides(jobs: Sequence[Job]) -> list[Asked]:
    """The configuration of each job, and the overrides that not all jobs have."""
    common = set(jobs[0].overrides).intersection(*(job.overrides for job in jobs))
    asked = []
    for job in jobs:
        own = [override for override in job.overrides if override not in common]
        asked.append((job.config, " ".join(own)))
    return asked


def check_arguments(pipe: "connection.Connection", asked: Sequence[Asked]) -> None:
    """Send how many jobs the GPUs hold, and what is wrong with the arguments of the classes that are named, by text."""
    complaints: dict[str, str] = {}
    for config, overrides in asked:
        try:
            settings.check_arguments(config)
        except ConfigError as error:
            complaints.setdefault(str(error), overrides)
        except Exception as error:  # importing a class runs code that may be new
            complaints.setdefault(f"{type(error).__name__}: {error}", overrides)
    with contextlib.suppress(BrokenPipeError):  # who asked was killed
        pipe.send((jobs_on_gpus(), complaints))


def check_threads(jobs: Sequence[Job], cpus: float | None, key: str) -> None:
    """Raise ConfigError if a job computes on more threads than it asks for processors."""
    most = most_threads(jobs)
    if cpus is not None and most > cpus:
        raise ConfigError(f"threads={most} but {key}={cpus:g}: ask for as many processors, {key}={most}")


def most_threads(jobs: Sequence[Job]) -> int:
    """The largest number of threads that one of the jobs computes on."""
    return max((job_threads(job.config["threads"]) for job in jobs), default=1)
