"""How torch's threads wait for each other: awake while their cores are theirs alone, asleep while others compute there.

Waiting awake is faster, but a thread that waits awake for a partner whose core another program has stops both. libgomp,
torch's OpenMP on Linux, lets its threads wait awake for 300,000 turns, but only for 100 while there are more of them
than cores (`gomp_throttled_spin_count_var`). So while others compute it is given more: a crowd, which only sleeps.
torch itself computes with as many threads as before, and no bits change.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from quickdraw.cores import SINCE_START, Load, free_cores, pinned_cores

LOOK_S = 0.5  # from one look at the load to the next
PAUSE_SOFT = 1  # omp_pause_soft: the threads end, and may be made again
USERS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # what a user sets counts


def wait_awake_briefly() -> None:
    """Let the threads of another OpenMP than libgomp wait awake for a millisecond only; before torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("KMP_BLOCKTIME", "1")


@contextlib.contextmanager
def asleep_beside_others() -> Iterator[None]:
    """A block in which torch's threads wait asleep while others compute on their cores.

    It changes nothing where the user has set how they wait, or where torch has no libgomp.
    """
    import torch

    threads, openmp = torch.get_num_threads(), find_openmp()
    if threads == 1 or not openmp or any(name in os.environ for name in USERS):
        yield
        return
    watch = Watch(SINCE_START, threads, openmp)
    watch.start()
    try:
        yield
    finally:
        watch.ended.set()
        watch.join()


def find_openmp() -> ctypes.CDLL | None:
    """The libgomp that torch uses, among the libraries that it needs; None where it has another OpenMP."""
    import torch

    with contextlib.suppress(OSError):
        found = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return found if hasattr(found, "GOMP_parallel") and hasattr(found, "omp_pause_resource_all") else None
    return None


class Watch(threading.Thread):
    """A thread that looks at the load, and lets torch's sleep while fewer cores are free than there are of them."""

    def __init__(self, load: Load, threads: int, openmp: ctypes.CDLL) -> None:
        super().__init__()
        self.load, self.threads, self.openmp = load, threads, openmp
        self.ended = threading.Event()

    def run(self) -> None:
        """Look until `ended` is set. The crowd is this thread's own, and ends with it."""
        self.look()
        while not self.ended.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Gather a crowd or let it go, as the load is now."""
        if free_cores(self.load).cores < self.threads:
            enough = len(pinned_cores()) - self.threads + 2  # with torch's threads and this one: more than the cores
            self.openmp.GOMP_parallel(ctypes.CDLL(None).free, None, max(2, enough), 0)  # each calls free(NULL)
        else:
            self.openmp.omp_pause_resource_all(PAUSE_SOFT)
