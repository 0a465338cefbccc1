"""What the process of one job does: output to its own file, an end when the sweep's parent is gone, Hydra's run_job."""

import faulthandler
import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any

from hydra.core.utils import JobRuntime, run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig

from hydra_plugins.quickdraw_cli import resolvers
from quickdraw import settings
from quickdraw.errors import ConfigError

GRACE_S = 60  # for a job whose parent is gone to finish its step and save


def run_job_here(context: HydraContext, config: DictConfig, folder: Path, task: tuple[str, str], slot: int) -> None:
    """Run one job; the exit code of this process tells how it ended. `task` is the module and name of its function."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C on the terminal is for the parent, which asks each job once
    open_log(folder)
    threading.Thread(target=end_with_parent, daemon=True).start()
    choose_gpu(slot, config.device)
    run_task(context, config, task)


def open_log(folder: Path) -> None:
    """Let all that this process says, and the traceback of a crash, go to the job's `run.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    redirect_output(folder / "run.log")
    faulthandler.enable()


def run_task(context: HydraContext, config: DictConfig, task: tuple[str, str]) -> None:
    """Let Hydra run the task's function in this process, which it did not start."""
    setup_globals()
    resolvers.register()
    JobRuntime.instance().set("name", config.hydra.job.name)
    returned = run_job(task_function(task), config, "hydra.sweep.dir", "hydra.sweep.subdir", context)
    _ = returned.return_value  # raises what the job raised


def task_function(task: tuple[str, str]) -> Callable[[DictConfig], Any]:
    """Return the task's function, without Hydra's command line around it."""
    module, name = task
    function: Callable[[DictConfig], Any] = getattr(importlib.import_module(module), name).__wrapped__
    return function


def redirect_output(path: Path) -> None:
    """Let standard output and error of this process go to the end of a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def end_with_parent() -> None:
    """Stop this process as SIGTERM does when the sweep's own process is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def choose_gpu(slot: int, device: str) -> None:
    """Let this process see one GPU only, in turn, of those that the sweep may use, unless `device` names one itself."""
    gpus = visible_gpus() if device in ("auto", "cuda") else []
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]


def visible_gpus() -> list[str]:
    """Return the names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()  # asks the driver and leaves CUDA uninitialised
    return visible.split(",")[:count] if visible else [str(index) for index in range(count)]


def inspect(pipe: "connection.Connection", jobs: Sequence[tuple[dict[str, Any], str]]) -> None:
    """Send the number of GPUs, and what is wrong with the arguments of the classes that the jobs name, by job."""
    complaints: dict[str, str] = {}
    for config, overrides in jobs:
        try:
            settings.check_arguments(config)
        except ConfigError as error:
            complaints.setdefault(str(error), overrides)
        except Exception as error:  # importing a class runs code that may be new
            complaints.setdefault(f"{type(error).__name__}: {error}", overrides)
    pipe.send((len(visible_gpus()), complaints))
