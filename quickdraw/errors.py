"""Errors that the user can fix, each printed as one line.

A message says what was expected, what it got and what to do. A command prints it as `error: ...` without a traceback
(`quickdraw.console`); a run keeps the traceback in its `run.log`. Any other exception is a bug of the project, or an
error in a user's own file, and then names its line (`quickdraw.user_files`).
"""

import errno
import json
import unicodedata

ROOM = "make room and continue the run"
WRITABLE = "make it writable, or choose another place: hydra.run.dir=FOLDER"
ADVICE = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), ROOM) | dict.fromkeys(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST), WRITABLE
)
CONTROLS = ("Cc", "Cf", "Zl", "Zp")  # Unicode's categories: controls, formats (right to left, say), line separators


class QuickdrawError(Exception):
    """Something that the user can fix; the message is one line."""


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
    """A search ended the training early because others promise more. No failure: the run ends as pruned."""


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop: Ctrl-C, SIGTERM or SIGHUP. Not an error, and caught by no `except Exception`."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def as_user_error(error: BaseException) -> QuickdrawError | None:
    """The error as one that says in a line what the user can do, or None where nothing is known.

    What counts is the first of its causes that says so: Hydra and logging wrap what they meet.
    """
    if isinstance(error, QuickdrawError):
        return error
    if is_out_of_memory(error):
        return QuickdrawError("out of memory; lower data.batch_size, or set data.limit_per_class")
    if isinstance(error, OSError) and error.strerror:
        advice = ADVICE.get(error.errno or 0, "fix that and try again")
        return RunError(f"{error.filename or 'writing'}: {error.strerror}; {advice}")
    return as_user_error(error.__cause__) if error.__cause__ else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory, the machine's or a GPU's."""
    text = str(error)
    lacking = ("allocate memory", "out of memory", "STATUS_ALLOC_FAILED")  # the last of CUDA's libraries
    return isinstance(error, MemoryError) or any(words in text for words in lacking)


def printable(text: str) -> str:
    """A text in which each control character is an escape, `\\u001b`: it commands no terminal. Lines stay lines.

    Names and reasons may come from anywhere. The escapes are JSON's, so JSON stays what it was.
    """
    letters = []
    for letter in text:
        if letter != "\n" and unicodedata.category(letter) in CONTROLS:
            letters.append(json.dumps(letter).strip('"'))
        else:
            letters.append(letter)
    return "".join(letters)


def first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return (str(error) or "no message").splitlines()[0]
