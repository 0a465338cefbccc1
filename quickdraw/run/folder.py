"""One run's folder: who may write to it, what state the run is in, and what it left.

`status.json` is written first and kept true; it also holds the run's configuration, so that a run can be continued
whatever became of Hydra's own files. `result.json` is written last: where it is, the run is completed.
"""

import contextlib
import logging
import math
import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from quickdraw.building import error_in_optimizer
from quickdraw.errors import (
    DivergedError,
    Interrupted,
    PrunedError,
    QuickdrawError,
    RunError,
    as_user_error,
    first_line,
)
from quickdraw.files import read_json, remove_leftovers, sync_folder, user_path, write_json
from quickdraw.locks import is_held
from quickdraw.records import Complain, read_record, result_complaint, status_complaint
from quickdraw.settings import ENVIRONMENT_KEYS, OUTPUT_KEYS, PATH_KEYS, decoded, differences, encoded, unresolved
from quickdraw.user_files import error_in_user_file

log = logging.getLogger(__name__)

PROBE_S = 0.5  # `held` takes the lock for a moment, which must not refuse the one who wants to keep it
TESTED = "trained and tested, and not written out yet"  # the reason why such a run was interrupted
NOTED = ("data.root=", "lanes=")  # overrides that may be others when a run is continued
NEW_FOLDERS = 4  # how many folders above a run's may be as new as itself


class RunFolder:
    """The folder of one training. Attributes: `path`; `status`, the content of `status.json`; `damage`.

    `damage` says why that file makes no sense; its content is not used then, and nothing is written into the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = user_path(path)
        with contextlib.suppress(ValueError):
            self.path = self.path.relative_to(Path.cwd())  # as the user would type it
        self.status, self.damage = self._read("status.json", status_complaint)
        self.continued = self.begun  # whether another process began this run
        self.ours = False  # whether this process may say how it ended

    @property
    def begun(self) -> bool:
        """Whether the run began. A launcher also notes the settings of a job that died before it did."""
        return "started" in self.status

    @property
    def tested(self) -> bool:
        """Whether a pack has trained and tested the run, so that its network is needed on no device any more."""
        return self.status.get("reason") == TESTED

    def result(self) -> dict[str, Any] | None:
        """The final result, or None while the run is not completed."""
        result, _ = self.read_result()
        return result or None

    def read_result(self) -> tuple[dict[str, Any], str]:
        """The final result, empty while the run is not completed, and why `result.json` makes no sense."""
        return self._read("result.json", result_complaint)

    def nothing_to_do(self, result: Mapping[str, Any]) -> str:
        """What is said of a run that has this result."""
        return f"{self.path} is completed: test accuracy {result.get('test_accuracy', math.nan):.4f}; nothing to do"

    def check_damage(self) -> None:
        """Raise RunError, which says how to go on, if `status.json` or `result.json` makes no sense."""
        damage = self.damage or self.read_result()[1]
        if damage:
            raise RunError(f"{self.path}: damaged: {damage}; restore that file, or move the folder away")

    def _read(self, name: str, complain: Complain) -> tuple[dict[str, Any], str]:
        """The content of one of the run's files and an empty text, or nothing and why it makes no sense."""
        try:
            return read_record(self.path / name, complain) or {}, ""
        except ValueError as error:
            return {}, f"{name}: {error}"

    def held(self) -> bool:
        """Whether a process is training in this folder right now."""
        return is_held(self.path / ".lock")

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Be the only process that writes to this folder; raises RunError if another one is.

        The kernel gives the lock back however this process ends.
        """
        lock = FileLock(self.path / ".lock", timeout=PROBE_S)
        try:
            lock.acquire(poll_interval=PROBE_S / 10)
        except Timeout:
            other = (read_json(self.path / "status.json") or {}).get("pid", "unknown")
            raise RunError(f"{self.path}: process {other} is training in this folder; wait for it or stop it") from None
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written to ({error.strerror}); choose another exp_name") from error
        try:
            self.status, self.damage = self._read("status.json", status_complaint)
            self.check_damage()
            self.continued, self.ours = self.begun, not self.begun
            if not self.result():  # a completed run's folder is left as it is
                remove_leftovers(self.path)
                self._sync_new_folders()
                self.update(pid=os.getpid())  # for the process that is refused
            yield
        finally:
            lock.release()

    def _sync_new_folders(self) -> None:
        """Let the folders that Hydra has just made survive a power cut."""
        for folder in list(self.path.absolute().parents)[:NEW_FOLDERS]:
            with contextlib.suppress(OSError):  # not ours to look into
                sync_folder(folder)

    def begin(self, config: Mapping[str, Any], overrides: Sequence[str], **facts: Any) -> None:
        """Record that the run is running; raises RunError if the folder holds a run with other settings.

        A run that is continued keeps what its earlier lives noted: when it started, where it was, its warnings.
        """
        self.check_settings(config)
        self.ours = True
        first = {"epoch": 0, "step": 0, "warnings": [], "started": now(), "overrides": list(overrides)}
        kept = {key: self.status.get(key, value) for key, value in first.items()}
        self.status = {"state": "running", "reason": "", "pid": os.getpid()} | kept | facts
        self.update(config=encoded(config))

    def note_changes(self, overrides: Sequence[str]) -> None:
        """Record where the drawings lie now and how many lanes there are, by overrides: next time it is the same."""
        for key in NOTED:
            typed = [text for text in overrides if text.startswith(key)][-1:]
            saved = [text for text in self.status["overrides"] if text.startswith(key)][-1:]
            if typed and typed != saved:
                others = [text for text in self.status["overrides"] if not text.startswith(key)]
                self.update(overrides=[*others, *typed])

    @property
    def lanes(self) -> int:
        """How many lanes there were when the run was saved; 1 for one that never began, or of an earlier version."""
        return int(self.status.get("config", {}).get("lanes", 1))

    def check_settings(self, config: Mapping[str, Any]) -> None:
        """Raise RunError, naming each, if the folder holds a run whose settings differ from these, or a damaged one.

        Its drawings may have been moved before it is completed: their fingerprints are compared by `Checkpoints`.
        """
        self.check_damage()
        if not self.begun:
            return
        saved = decoded(self.status.get("config", {}))
        left_open = unresolved(saved) | unresolved(config)
        if not self.result():
            left_open |= PATH_KEYS
        changed = differences(saved, config, ignored=OUTPUT_KEYS | ENVIRONMENT_KEYS | left_open)
        if not changed:
            return
        done = "completed" if self.result() else "continued"
        raise RunError(
            f"{self.path}: these settings cannot change when a run is {done}: {'; '.join(changed)}; "
            "choose another folder for a new run"
        )

    def complete(self, result: Mapping[str, Any]) -> None:
        """Record that the run is completed. `result.json` is the last file of a run."""
        self.update(state="completed")
        write_json(self.path / "result.json", result)

    def update(self, **changes: Any) -> None:
        """Change entries of `status.json`."""
        self.status = self.status | changes | {"updated": now()}
        write_json(self.path / "status.json", self.status)

    def warn(self, message: str) -> None:
        """Print a warning and keep it in `status.json`."""
        log.warning("warning: %s", message)
        self.update(warnings=[*self.status["warnings"], message])

    @contextlib.contextmanager
    def outcome(self) -> Iterator[None]:
        """Record how the block ends, with its traceback in `run.log`, and raise what the command prints.

        That is a QuickdrawError for whatever went wrong, and Interrupted for a signal, both with what to do next.
        """
        try:
            yield
        except Interrupted as stop:
            self._record("interrupted", signal.Signals(stop.signal_number).name)
            raise
        except DivergedError as error:
            self._record("diverged", str(error))
            raise
        except PrunedError as error:
            self._record("pruned", str(error))
            raise
        except Exception as error:
            known = explained(error) or bug(error)
            self._record("failed", str(known))
            raise known from error

    def _record(self, state: str, reason: str) -> None:
        logging.getLogger("quickdraw.traceback").info("%s\n%s", state, traceback.format_exc())
        if self.ours and not self.result():  # a run that was refused, or has just completed, stays as it was
            with contextlib.suppress(OSError):  # a full disk must not hide the reason
                self.update(state=state, reason=reason)


def explained(error: Exception) -> QuickdrawError | None:
    """What the user can do about an error in a run; None for a bug of the project."""
    return as_user_error(error) or error_in_user_file(error) or error_in_optimizer(error)


def bug(error: Exception) -> QuickdrawError:
    """An error that nobody expected, with where to read more."""
    return QuickdrawError(f"{type(error).__name__}: {first_line(error)}; this is a bug, its traceback is in run.log")


def now() -> str:
    """The time, to the second, with its zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def moment(text: str) -> float | None:
    """The seconds since 1970 at a time that `now` wrote, in whichever zone; None for another text."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
