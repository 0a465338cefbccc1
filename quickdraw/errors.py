"""What the user can mend: one family of errors, each told in one line.

A message says what was expected, what came and what to do. `run.py` prints it as `error: ...` without a traceback and
leaves the traceback in `run.log`; anything outside this family is a bug of ours.
"""


class QuickdrawError(Exception):
    """Something the user can mend; the message is one line."""


class ConfigError(QuickdrawError):
    """A setting has the wrong type, range or name."""


class DataError(QuickdrawError):
    """A data file is missing, damaged or holds something else than drawings."""


class DownloadError(DataError):
    """A data file cannot be fetched."""


class RunError(QuickdrawError):
    """A run's folder cannot be used: it is locked, incomplete, or belongs to other settings."""


class WeightsError(QuickdrawError):
    """A weights or checkpoint file is damaged, or was made for something else."""


class DivergedError(QuickdrawError):
    """The training loss is no longer finite."""


class PrunedError(QuickdrawError):
    """A search ended the training early, for others with more promise. No failure: the run ends as pruned."""


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop: Ctrl-C (SIGINT) or SIGTERM. Not an error, and caught by no `except Exception`."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
