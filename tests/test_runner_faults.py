"""Whatever goes wrong in a sweep's own process while jobs train: they are stopped, they save, and nothing hangs."""

import signal
import time
from functools import partial
from pathlib import Path

import pytest

from quickdraw.errors import Interrupted, RunError
from quickdraw.run.listing import Run
from quickdraw.signals import stop_on_signals
from quickdraw.sweep import pruning_hook
from quickdraw.sweep.job import Job
from quickdraw.sweep.local import LocalJobs
from quickdraw.sweep.runner import Runner
from quickdraw.sweep.view import LiveView
from tests.support.program import ROOT  # noqa: F401  # whose server forks our processes

PATIENCE_S = 60
FAULTS = (OSError(28, "No space left on device"), RunError("a sentence"), ZeroDivisionError(), SystemExit(3))


def train_until_stopped(folder: Path) -> None:
    """Ask after each epoch whether to go on until a signal comes; save then, as a run does."""
    end = time.monotonic() + PATIENCE_S
    with stop_on_signals() as stop, stop.politely():
        while not stop() and time.monotonic() < end:
            (folder / "trains").touch()
            pruning_hook.raise_if_pruned()
            time.sleep(0.01)
        if stop():
            (folder / "saved").touch()


class View(LiveView):
    def show(self, running: int) -> None:
        """Nothing is seen."""


class Faulty(Runner[View]):
    """Runs jobs until all train, and then meets an error at one place."""

    def __init__(self, jobs: LocalJobs, wanted: list[Job], place: str, error: BaseException) -> None:
        super().__init__(jobs)
        self.todo = list(wanted)
        self.wanted = wanted
        self.place, self.error = place, error

    def meet(self, place: str) -> None:
        training = all((job.folder / "trains").exists() for job in self.wanted if job.judged)
        if place == self.place and training:
            raise self.error

    def job_of(self, run: Run) -> Job:
        return next(job for job in self.wanted if job.folder == run.folder)

    def ended(self, run: Run, view: View) -> None:
        self.meet("ended")

    def new_job(self) -> Job | None:
        self.meet("new_job")
        return None

    def judge(self, job: Job) -> str:
        self.meet("judge")
        return ""

    def gives_up(self, fail_fast: bool) -> bool:
        self.meet("gives_up")
        return False


def wait_for_others(folder: Path, others: list[Path]) -> None:
    """End once the others train."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and not all((other / "trains").exists() for other in others):
        time.sleep(0.01)


def made(folder: Path, place: str, error: BaseException) -> Faulty:
    jobs = LocalJobs(folder, 3)
    jobs.pool.warm_up = lambda: None  # type: ignore[method-assign]
    jobs.size = 4
    config = {"seed": 1, "threads": "auto", "device": "cpu"}
    folders = [folder / "a", folder / "b"]
    long = [Job([], each, config, partial(train_until_stopped, each), judged=True) for each in folders]
    short = Job([], folder / "short", config, partial(wait_for_others, folder / "short", folders))
    return Faulty(jobs, [*long, short], place, error)


@pytest.mark.parametrize("place", ["judge", "ended", "new_job", "gives_up", "show", "submit"])
@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_error_while_jobs_train_lets_them_save_and_is_raised(
    tmp_path: Path, place: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = made(tmp_path, place, error)
    view = View({}, 3, 3, 0)
    if place == "show":
        monkeypatch.setattr(view, "show", lambda running: runner.meet("show"))
    if place == "submit":
        fourth = Job([], tmp_path / "fourth", runner.wanted[0].config, print)
        start = runner.jobs.start  # type: ignore[attr-defined]
        monkeypatch.setattr(runner.jobs, "start", lambda job: runner.meet("submit") if job is fourth else start(job))
        monkeypatch.setattr(runner, "ended", lambda run, view: runner.todo.append(fourth))
    with pytest.raises(type(error)) as raised:
        runner.run_all(view, fail_fast=False)
    assert raised.value is error
    assert not runner.jobs.running
    assert not runner.jobs.pool.running
    assert all((job.folder / "saved").exists() for job in runner.wanted if job.judged)


def test_second_signal_ends_jobs_that_do_not_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = made(tmp_path, "judge", ZeroDivisionError())
    following = runner.jobs.next
    asked = []

    def interrupted(*arguments: object) -> Run | None:
        if runner.jobs.stopping and not asked:
            asked.append("Ctrl-C")
            raise KeyboardInterrupt
        return following(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(runner.jobs, "next", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.run_all(View({}, 3, 3, 0), fail_fast=False)
    assert asked
    assert not runner.jobs.pool.running


def test_second_signal_while_jobs_train_ends_them_and_is_handed_back(tmp_path: Path) -> None:
    runner = made(tmp_path, "gives_up", Interrupted(signal.SIGTERM))
    stopped = runner.run_all(View({}, 3, 3, 0), fail_fast=False)
    assert stopped
    assert stopped.signal_number == signal.SIGTERM
    assert not runner.jobs.running
    assert not runner.jobs.pool.running
