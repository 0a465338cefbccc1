"""The device, the threads and the precision of a run, each resolved from `auto`, and what is recorded of them.

torch costs over a second and is imported where it is used: the parent of a sweep counts cores without it.
"""

import contextlib
import ctypes
import functools
import importlib.util
import os
import platform
import sys
import threading
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from quickdraw import compiler
from quickdraw.cores import SINCE_START, free_cores, usable_cores
from quickdraw.errors import ConfigError
from quickdraw.settings import differences

IMPORTED = time.monotonic()
PACKAGES = ("torch", "torchvision", "numpy", "hydra-core", "omegaconf")  # those that can change a result


def start_cuda(device: str) -> None:
    """Let the driver of a GPU start in the background, which takes it 0.4 s, while torch is imported.

    Nothing happens where there is none, or it is not to be used; what the driver answers is for torch to find out.
    """
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cuda") or not built_for_cuda():
        return
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return

    def start() -> None:
        gpu, context = ctypes.c_int(), ctypes.c_void_p()
        driver.cuInit(0)
        driver.cuDeviceGet(ctypes.byref(gpu), int(index or 0))
        driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), gpu)  # the one that torch uses

    threading.Thread(target=start).start()


def built_for_cuda() -> bool:
    """Whether the torch that is installed can use CUDA: without importing it, and False where that cannot be seen."""
    spec = importlib.util.find_spec("torch")
    return bool(spec and spec.origin and (Path(spec.origin).parent / "lib" / "libtorch_cuda.so").exists())


def resolve_auto(config: dict[str, Any], one_of_many: bool) -> str:
    """Replace each `auto` in the configuration by what it means here, and set torch up for it.

    Returns why there are fewer threads than cores, or what more of them do; "" if there are as many.
    """
    import torch

    compiler.defer()
    config["device"] = resolve_device(config["device"])
    reason = ""
    if one_of_many:
        config["threads"] = job_threads(config["threads"])
    elif config["threads"] == "auto":
        free = free_cores(SINCE_START)
        config["threads"], reason = free.cores, free.reason
    if config["threads"] > usable_cores():
        reason = f"more than the cores here, {usable_cores()}: slower than threads={usable_cores()}"
    config["trainer"]["precision"] = resolve_precision(config["trainer"]["precision"], config["device"])
    torch.set_num_threads(config["threads"])
    keep_memory()
    return reason


def keep_memory() -> None:
    """Let glibc keep freed memory for the next step rather than give it back to the system.

    Fresh pages for the activations of every step cost 7 % of it in bfloat16, 15 % in float32 (batch 128).
    """
    trim_threshold, mmap_threshold = -1, -3  # of mallopt(3)
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)


def environment(config: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides the bits of a result beside the configuration and the data."""
    import torch

    gpu = None
    if config["device"].startswith("cuda"):
        gpu = torch.cuda.get_device_name(config["device"])
    return {
        "device": config["device"],
        "threads": config["threads"],
        "lanes": config.get("lanes", 1),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "gpu": gpu,
        "versions": versions(),
    }


def environment_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The differences between two environments, each as a text.

    A package that only one of them recorded is no difference: which ones are recorded changes with this program. Runs
    of earlier versions had one lane.
    """
    packages = before.get("versions", {}).keys() ^ after.get("versions", {}).keys()
    before, after = {"lanes": 1, **before}, {"lanes": 1, **after}
    return differences(before, after, ignored={f"versions.{package}" for package in packages})


def resolve_device(device: str) -> str:
    """`cuda`, `mps` or `cpu` for `auto`, in that order; raises ConfigError for a device that is not there."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, available in there.items() if available)
    kind, _, index = device.partition(":")
    if not there[kind] or (index and kind == "cuda" and int(index) >= torch.cuda.device_count()):
        raise ConfigError(f"device={device}: torch finds no such device here; use device=auto or device=cpu")
    return device


def job_threads(threads: int | str) -> int:
    """The number of threads of a sweep's job: 1 for `auto`, because as many jobs run at once as there are cores."""
    return threads if isinstance(threads, int) else 1


def resolve_precision(precision: str, device: str) -> str:
    """`float32` or `bfloat16` for `auto`: bfloat16 where the hardware multiplies it faster."""
    import torch

    if precision != "auto":
        return precision
    faster = False
    if device.startswith("cuda"):
        faster = torch.cuda.is_bf16_supported()
    elif device == "cpu":
        able = torch.cpu.get_capabilities()
        faster = bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    return "bfloat16" if faster else "float32"


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Python and of the packages that can change a result; read in 5 ms, and once for a whole pack."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):  # most models do without torchvision
            found[package] = version(package)
    return found


def describe() -> dict[str, Any]:
    """The machine, for the record."""
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": usable_cores(),
    }


def processor() -> str:
    """The processor's name."""
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def peak_rss_mb() -> float | None:
    """The largest resident memory of this process so far, in MB; None on Windows, which does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def process_age_s() -> float:
    """The seconds since this process began, or where the system does not say, since this module was imported."""
    try:
        with open("/proc/self/stat", "rb") as file:
            started = int(file.read().rsplit(b")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
        with open("/proc/uptime", "rb") as file:
            return float(file.read().split()[0]) - started
    except OSError:
        return time.monotonic() - IMPORTED
