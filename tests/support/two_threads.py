"""A program that has two threads of torch add up numbers: with two free cores, then with one, then with two again.

Printed is, for each of the three, how often the second thread fell asleep in 100 waits, and the sum. To be started with
GOMP_SPINCOUNT=infinite, with which no thread of libgomp falls asleep by itself.
"""

import time
from pathlib import Path

import torch

from quickdraw import waiting
from quickdraw.cores import Free, Load

TASKS = Path("/proc/self/task")
WAITS = 100


def tasks() -> set[str]:
    """The threads of this process, by their numbers."""
    return {path.name for path in TASKS.iterdir()}


def sleeps(thread: str) -> int:
    """How often a thread has fallen asleep."""
    status = (TASKS / thread / "status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def wait_for_crowd(wanted: bool, others: set[str]) -> None:
    """Wait until there are threads beside the others, or are none; raises TimeoutError if that takes too long."""
    end = time.monotonic() + 60
    while bool(tasks() - others) != wanted:
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def main() -> None:
    """Print three lines."""
    torch.set_num_threads(2)
    first = tasks()
    numbers = torch.linspace(0, 1, 1_000_000)
    (second,) = tasks() - first

    openmp = waiting.find_openmp()
    assert openmp
    waiting.LOOK_S = 0.01
    watch = waiting.Watch(Load(), 2, openmp)
    waiting.free_cores = lambda load: Free(2)
    watch.start()
    others = tasks()
    for free in (2, 1, 2):
        waiting.free_cores = lambda load, free=free: Free(free)
        wait_for_crowd(free < 2, others)
        before = sleeps(second)
        for _ in range(WAITS):
            total = numbers.sum().item()
            time.sleep(0.001)
        print(sleeps(second) - before, total)
    watch.ended.set()


if __name__ == "__main__":
    main()
