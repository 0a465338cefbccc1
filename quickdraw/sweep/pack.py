"""What the process of a pack does: it trains jobs side by side, and lets the folder of each say how it ended."""

import contextlib
import json
import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch

from quickdraw.building import construct
from quickdraw.console import PrintableFormatter
from quickdraw.data.dataset import Dataset
from quickdraw.data.resident import resident
from quickdraw.errors import Interrupted, PrunedError, QuickdrawError, RunError, is_out_of_memory
from quickdraw.files import allow_open_files
from quickdraw.lanes import Pack, Training
from quickdraw.run import stages
from quickdraw.run.folder import TESTED, RunFolder
from quickdraw.run.listing import update_summary
from quickdraw.settings import decoded
from quickdraw.signals import StopSignal, stop_on_signals, undisturbed
from quickdraw.state import EpochRecord, Snapshot
from quickdraw.sweep import pruning_hook

TRAINED = "trained, and not tested yet"
FILES_OF_A_LANE = 4
TESTED_HERE = frozenset({"cuda"})  # kinds of device that take a process seconds to start: its jobs are tested here, too

log = logging.getLogger("quickdraw")


def work(sweep: Path) -> None:
    """Train what the sweep's process sends, until it sends no more or a signal stops all."""
    logs = RunLog()
    logging.basicConfig(level=logging.INFO, handlers=[logs], force=True)
    try:
        with stop_on_signals() as stop, stop.politely():
            PackOfJobs(sweep, stop, logs).work()
    except Interrupted as asked:
        sys.exit(128 + asked.signal_number)


class RunLog(logging.Handler):
    """Writes what is logged about a job to its `run.log`, and anything else to standard error."""

    def __init__(self) -> None:
        super().__init__()
        self.folder: Path | None = None
        self.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))

    @contextlib.contextmanager
    def about(self, folder: Path) -> Iterator[None]:
        """Let all that is logged in this block be about the job in a folder."""
        self.folder = folder
        try:
            yield
        finally:
            self.folder = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, as far as the disk has room for it."""
        if self.folder is None:
            print(self.format(record), file=sys.stderr)
            return
        with contextlib.suppress(OSError), (self.folder / "run.log").open("a", encoding="utf-8") as file:
            print(self.format(record), file=file)


class LaneJob:
    """A job in a lane: its folder is claimed until it leaves, and then says how it ended."""

    def __init__(self, asked: Mapping[str, Any], logs: RunLog) -> None:
        self.folder = Path(asked["folder"])
        self.asked = asked
        self.logs = logs
        self.config: dict[str, Any] = decoded(asked["config"])
        self.held = contextlib.ExitStack()

    def prepare(self, data: Dataset | None) -> stages.Prepared:
        """Do all that comes before the training; raises what is wrong with the job."""
        with self.logs.about(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            run = self.run = RunFolder(self.folder)
            self.held.enter_context(run.claimed())
            self.held.enter_context(run.outcome())
            result = run.result()
            if result:
                raise RunError(run.nothing_to_do(result))
            prepared = self.prepared = stages.prepare(
                run, self.config, self.asked["overrides"], self.asked["config_from"], one_of_many=True, data=data
            )
            self.held.callback(prepared.tracker.close)
            return prepared

    def training(self, prepared: stages.Prepared) -> Training:
        """What its lane trains."""

        def on_epoch(record: EpochRecord) -> None:
            with self.logs.about(self.folder):
                prepared.tracker.epoch(record)
                if self.asked["judged"]:
                    pruning_hook.ask_about(self.asked["folder"])

        def save(step: int, snapshot: Snapshot) -> None:
            with self.logs.about(self.folder):
                prepared.checkpoints.save(step, snapshot)

        return Training(
            name=self.asked["folder"],
            net=prepared.net,
            optimizer=prepared.optimizer,
            seed=self.config["seed"],
            trainer=construct("trainer", self.config["trainer"]).keywords,
            on_epoch=on_epoch,
            save=save,
            resume_from=prepared.snapshot,
        )

    def leave(self, error: BaseException | None, reason: str = TRAINED) -> int:
        """Give the folder back, which says how the training ended; return the exit code of a process that ended so.

        Without an error the job is interrupted for a reason, and another process goes on with it: if it is trained, the
        test may have been done here.
        """
        with self.logs.about(self.folder):
            try:
                with self.held:
                    if error:
                        raise error
                    if reason == TRAINED and torch.device(self.config["device"]).type in TESTED_HERE:
                        self.prepared.test()
                        reason = TESTED
                    self.run.update(state="interrupted", reason=reason)
            except Interrupted as stop:
                return 128 + stop.signal_number
            except PrunedError:
                return 0
            except QuickdrawError as failure:
                log.error("error: %s", failure)
                return 1
            return 0


class PackOfJobs:
    """The jobs in the lanes of this process. `ended` and `trained` are those that left since the last report."""

    def __init__(self, sweep: Path, stop: StopSignal, logs: RunLog) -> None:
        self.sweep = sweep
        self.stop = stop
        self.logs = logs
        self.jobs: dict[str, LaneJob] = {}
        self.ended: dict[str, int] = {}
        self.trained: list[str] = []
        self.width = 1
        self.shape = ""
        self.data: Dataset | None = None
        self.pack: Pack | None = None

    def work(self) -> None:
        """Train epoch by epoch; between two of them jobs leave their lanes, and others come."""
        try:
            while not (self.stop() and not self.jobs):
                word = self.next_word()
                if word is None:
                    break
                self.admit_all(word)
                self.epoch()
        except BaseException as error:
            self.end_all(error)
            raise
        finally:
            self.sum_up()

    def next_word(self) -> dict[str, Any] | None:
        """Report who left, and wait for the word to go on, which brings new jobs; None when no more will come."""
        if self.ended or self.trained:
            self.sum_up()
        word = b""
        with contextlib.suppress(EOFError, OSError):  # the sweep is gone
            word = self.report().recv_bytes()
        if word:
            value: dict[str, Any] = json.loads(word)
            return value
        if not self.jobs:
            return None
        signal.raise_signal(signal.SIGTERM)  # the jobs are to save
        return {"lanes": self.width, "shape": self.shape, "jobs": []}

    def report(self, end: str = "") -> "connection.Connection":
        """Send who left, and how this pack ends if it does: with an error, or too wide for its memory."""
        assert pruning_hook.pipe
        report = {"ended": self.ended, "trained": self.trained, "end": end}
        pruning_hook.pipe.send_bytes(json.dumps(report).encode())
        self.ended, self.trained = {}, []
        return pruning_hook.pipe

    def admit_all(self, word: Mapping[str, Any]) -> None:
        """Let jobs have lanes, of a new pack if their shape is another; one that cannot begin leaves with its error."""
        if (word["lanes"], word["shape"]) != (self.width, self.shape):
            self.width, self.shape, self.pack, self.data = word["lanes"], word["shape"], None, None
            allow_open_files(self.width * FILES_OF_A_LANE)
        for asked in word["jobs"]:
            job = self.jobs[asked["folder"]] = LaneJob(asked, self.logs)
            try:
                self.admit(job)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                self.leave(asked["folder"], error)
        if word["jobs"]:
            self.sum_up()

    def admit(self, job: LaneJob) -> None:
        """Let a job have a lane."""
        prepared = job.prepare(self.data)
        self.data = prepared.data
        if self.pack is None:
            device = job.config["device"]
            train, val = resident(self.data.train, device), resident(self.data.val, device)
            self.pack = Pack(self.width, train, val, stop_signal=self.stop)
        self.pack.admit(job.training(prepared))

    def epoch(self) -> None:
        """Train all jobs one epoch on; those that have ended leave."""
        if self.jobs and self.pack:
            for training in self.pack.epoch():
                self.leave(training.name, training.error)

    def leave(self, name: str, error: BaseException | None) -> None:
        """Let a job leave its lane: trained, or with an error."""
        code = self.jobs.pop(name).leave(error)
        if error is None and code == 0:
            self.trained.append(name)
        else:
            self.ended[name] = code

    def end_all(self, error: BaseException) -> None:
        """Let all jobs leave with an error; if memory does not hold so many lanes, they are to go on in fewer."""
        too_wide = is_out_of_memory(error)
        for job in self.jobs.values():
            if too_wide:
                job.leave(None, f"out of memory in {self.width} lanes")
            else:
                job.leave(error)
        with contextlib.suppress(OSError):
            self.report(end=pruning_hook.TOO_WIDE if too_wide else "error")

    def sum_up(self) -> None:
        """Bring the sweep's `summary.csv` up to date."""
        with undisturbed(), contextlib.suppress(OSError):  # it can be made again from the job folders
            update_summary(self.sweep)
