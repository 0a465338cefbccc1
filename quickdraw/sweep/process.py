"""What the process of one job does: output to its own file, one GPU, an end when the sweep's own process is gone."""

import faulthandler
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection
from pathlib import Path

from quickdraw.errors import as_user_error
from quickdraw.sweep import pruning_hook
from quickdraw.sweep.job import Job

GPU_JOB_MB = 2000  # of a GPU's memory that a job needs: CUDA itself, the drawings, a step
GRACE_S = 60  # for a job whose parent is gone to finish its step and save


def run_here(job: Job, slot: int) -> None:
    """Run a job in this process, which the sweep's own one started; the exit code says how it ended."""
    leave_terminal()
    try:
        open_log(job.folder)
    except OSError as error:  # no room for it, or no right: the job's row says so
        pruning_hook.leave_last_words(str(as_user_error(error)))
        raise SystemExit(1) from None
    threading.Thread(target=end_with_parent, daemon=True).start()
    choose_gpu(slot, job.config["device"])
    if job.judged:
        os.environ[pruning_hook.PRUNABLE] = "1"
    job.task()


def run_pack(sweep: Path, number: int, device: str, slot: int) -> None:
    """Train in lanes the jobs that the sweep's own process sends to this one; the exit code is a signal's, or 0."""
    leave_terminal()
    redirect_output(sweep / f".pack-{number}.log")
    faulthandler.enable()
    threading.Thread(target=end_with_parent, daemon=True).start()
    choose_gpu(number, device)
    from quickdraw.sweep.pack import work  # torch

    work(sweep)


def leave_terminal() -> None:
    """Let Ctrl-C on the terminal be for the sweep's own process alone, which asks each job once."""
    if hasattr(os, "setsid"):
        os.setsid()


def open_log(folder: Path) -> None:
    """Let all that this process says, and the traceback of a crash, go to the job's `run.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    redirect_output(folder / "run.log")
    faulthandler.enable()


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
    if device not in ("auto", "cuda"):
        return
    gpus = visible_gpus()
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]


def jobs_on_gpus() -> int:
    """How many jobs the GPUs that this process may use have memory for, at least one each; asking starts CUDA."""
    import torch

    count = 0
    for gpu in range(len(visible_gpus())):
        free, _ = torch.cuda.mem_get_info(gpu)
        count += max(1, int(free / 1e6 / GPU_JOB_MB))
    return count


def visible_gpus() -> list[str]:
    """The names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()  # asks the driver and leaves CUDA uninitialised
    if visible:
        return visible.split(",")[:count]
    return [str(index) for index in range(count)]
