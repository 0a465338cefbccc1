"""The cores that sweeps of this machine have taken for their jobs, so that two sweeps do not take twice the cores."""

import contextlib
import platform
from pathlib import Path

from quickdraw.locks import Timeout, take_lock

Claim = contextlib.ExitStack  # holds the lock files of some cores


class Claims:
    """One lock file a core, in a folder that the sweeps share. The kernel gives it back when its sweep is gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, count: int, cores: int) -> Claim | None:
        """Take `count` of so many cores, None if others have them. Where no lock can be had, nothing is counted."""
        claim = Claim()
        left = count
        for number in range(cores):
            if left == 0:
                break
            try:
                claim.enter_context(take_lock(self.folder / f"{platform.node()}-{number}.lock", timeout_s=0))
                left -= 1
            except Timeout:  # another sweep has it
                continue
            except (OSError, NotImplementedError):  # a folder that cannot be written to, or has no locks
                return claim
        if left == 0:
            return claim
        claim.close()
        return None
