"""What the run computes on: device, threads and precision, each resolved from `auto`, and what is recorded of them.

torch costs over a second and is imported where it is used: the parent of a sweep counts cores without it.
"""

import contextlib
import ctypes
import os
import platform
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from quickdraw import compiler
from quickdraw.errors import ConfigError

IMPORTED = time.monotonic()
PACKAGES = ("torch", "numpy", "scikit-learn", "hydra-core", "omegaconf", "tensorboard", "safetensors")


def settle(config: dict[str, Any], one_of_many: bool) -> None:
    """Replace each `auto` in the configuration by what it means here, and set torch up for it."""
    import torch

    compiler.defer()
    config["device"] = resolve_device(config["device"])
    config["threads"] = resolve_threads(config["threads"], one_of_many)
    config["trainer"]["precision"] = resolve_precision(config["trainer"]["precision"], config["device"])
    torch.set_num_threads(config["threads"])
    keep_memory()


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
    """Return what decides the bits of a result beside the configuration and the data."""
    import torch

    return {
        "device": config["device"],
        "threads": config["threads"],
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if config["device"].startswith("cuda") else None,
        "versions": versions(),
    }


def resolve_device(device: str) -> str:
    """Return `cuda`, `mps` or `cpu` for `auto`, in that order; raises ConfigError for a device that is not there."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, available in there.items() if available)
    kind, _, index = device.partition(":")
    if not there[kind] or (index and kind == "cuda" and int(index) >= torch.cuda.device_count()):
        raise ConfigError(f"device={device}: torch finds no such device here; use device=auto or device=cpu")
    return device


def resolve_threads(threads: int | str, one_of_many: bool) -> int:
    """Return the number of threads for `auto`: 1 for a job of a sweep, else all cores this process may use."""
    if isinstance(threads, int):
        return threads
    return 1 if one_of_many else usable_cores()


def usable_cores() -> int:
    """Return the number of cores this process may use, which a container or taskset makes less than all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_precision(precision: str, device: str) -> str:
    """Return `float32` or `bfloat16` for `auto`: bfloat16 where the hardware multiplies it faster."""
    import torch

    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    able = torch.cpu.get_capabilities() if device == "cpu" else {}
    return "bfloat16" if able.get("amx_bf16") or able.get("avx512_bf16") else "float32"


def versions() -> dict[str, str]:
    """Return the versions of what can change a result."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def describe() -> dict[str, Any]:
    """Return the machine, for the record."""
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": usable_cores(),
    }


def processor() -> str:
    """Return the processor's name."""
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def peak_rss_mb() -> float | None:
    """Return the largest resident memory of this process so far, in MB; None on Windows, which does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def process_age_s() -> float:
    """Return the seconds since this process began; since this module was imported where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as file:
            started = int(file.read().rsplit(b")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
        with open("/proc/uptime", "rb") as file:
            return float(file.read().split()[0]) - started
    except OSError:
        return time.monotonic() - IMPORTED
