"""The processors and the memory that this process may use, and what other processes leave of them.

Counted are the cores that it is pinned to, the quotas of containers and what is computed there by others. Only Linux
shows all of that; elsewhere every core counts as free.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
SHORTEST_S = 0.25  # of a measurement: the system counts hundredths of a second


@dataclass(frozen=True)
class Reading:
    """The seconds that were computed on our cores until a moment: by all, and by each process of ours."""

    when: float
    all_s: float
    own_s: Mapping[int, float]


class Load:
    """How many of our cores other processes keep busy, measured from one call of `measure` to the next."""

    def __init__(self) -> None:
        self.others = 0.0
        self.last = reading(())

    def skip(self) -> None:
        """Leave out what was computed since the last measurement."""
        self.last = reading(())

    def measure(self, own: Iterable[int] = ()) -> float:
        """The cores that are busy for others than this process and those of ours that are named by their numbers."""
        before, now = self.last, reading(own)
        passed_s = now.when - before.when
        if passed_s < SHORTEST_S:
            return self.others
        self.last = now
        if before.own_s.keys() <= now.own_s.keys():  # what one that has ended computed last is not known
            own_s = sum(now.own_s.values()) - sum(before.own_s.values())
            self.others = max(0.0, (now.all_s - before.all_s - own_s) / passed_s)
        return self.others


@dataclass(frozen=True)
class Free:
    """The cores that are free for this process, at least one, and why they are not all; "" if they are."""

    cores: int
    reason: str = ""


def free_cores(load: Load) -> Free:
    """The cores that this process may use and that no other keeps busy; one where none is free.

    Of two cores that others keep busy, one thread got as much as two together, and they wait for each other besides.
    """
    pinned = len(pinned_cores())
    busy = round(load.measure())
    allowed = min(quotas(), default=float(pinned))
    if allowed < max(1, pinned - busy):
        return Free(max(1, int(allowed)), f"a quota of {allowed:g} CPUs")
    if busy >= pinned:
        return Free(1, "all cores are busy")
    if busy and pinned == 2:
        return Free(1, "the other core is busy")
    return Free(pinned - busy, f"{busy} of {pinned} cores are busy" if busy else "")


def usable_cores() -> int:
    """The number of cores that this process may use: taskset, or a container's quota, makes it less than all."""
    return max(1, int(min([len(pinned_cores()), *quotas()])))


def pinned_cores() -> set[int]:
    """The numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def quotas() -> Iterator[float]:
    """Yield each limit on this process's CPU time, in cores."""
    for folder in control_groups("cpu"):
        with contextlib.suppress(OSError, ValueError):
            allowed, period = (folder / "cpu.max").read_text().split()  # "200000 100000", or "max 100000"
            yield int(allowed) / int(period)
        with contextlib.suppress(OSError, ValueError):
            allowed, period = (folder / "cpu.cfs_quota_us").read_text(), (folder / "cpu.cfs_period_us").read_text()
            if int(allowed) > 0:  # -1: none
                yield int(allowed) / int(period)


def usable_memory_mb() -> float:
    """The memory that is free or can be freed, or a container's limit on it if that is less; infinite if not known."""
    limits = [float("inf")]
    with contextlib.suppress(OSError, ValueError):
        (line,) = [line for line in (PROC / "meminfo").read_text().splitlines() if line.startswith("MemAvailable:")]
        limits.append(int(line.split()[1]) * 1024 / 1e6)
    for folder in control_groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # "max": no limit
                limits.append(int((folder / name).read_text()) / 1e6)
    return min(limits)


def control_groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control group and of those above it, in both versions of the system.

    Inside of a container only the root may be there.
    """
    with contextlib.suppress(OSError):
        for line in (PROC / "self" / "cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                root = CGROUPS
            elif controller in controllers.split(","):
                root = CGROUPS / controller
            else:
                continue
            names = [name for name in group.split("/") if name not in ("", "..")]
            for count in range(len(names), -1, -1):
                yield root.joinpath(*names[:count])


def reading(own: Iterable[int]) -> Reading:
    """The clocks of our cores, of this process and of others of ours; nothing computed where the system has none."""
    times = os.times()
    own_s = {os.getpid(): times.user + times.system + times.children_user + times.children_system}
    for process in own:
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (PROC / str(process) / "stat").read_bytes().rsplit(b")", 1)[1].split()
            own_s[process] = (int(fields[11]) + int(fields[12])) / ticks_per_s()
    return Reading(time.monotonic(), sum(busy_s()), own_s)


def busy_s() -> Iterator[float]:
    """Yield the seconds that each of our cores has computed since the machine was started."""
    cores = {f"cpu{number}" for number in pinned_cores()}
    with contextlib.suppress(OSError, ValueError):
        for line in (PROC / "stat").read_text().splitlines():
            name, *fields = line.split()
            if name in cores:
                user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
                yield (user + nice + system + irq + softirq + steal) / ticks_per_s()


def ticks_per_s() -> int:
    """The unit of the system's clocks."""
    return os.sysconf("SC_CLK_TCK")


SINCE_START = Load()  # of this program, whose first measurement ends when torch is imported
