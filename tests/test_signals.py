"""A signal is heard whatever goes on, and breaks no import and no last words."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from quickdraw import console
from quickdraw.errors import Interrupted
from quickdraw.signals import SIGHUP, SIGNALS, SIGUSR2, StopSignal, hand_on, handled_by, stop_on_signals, undisturbed
from tests.support.program import ROOT


def test_signals_are_ignored_inside_the_block_and_handled_as_before_after_it() -> None:
    heard: list[int] = []
    before = [signal.signal(number, lambda number, frame: heard.append(number)) for number in SIGNALS]
    try:
        with undisturbed():
            for number in SIGNALS:
                signal.raise_signal(number)
        assert heard == []
        for number in SIGNALS:
            signal.raise_signal(number)
        assert heard == list(SIGNALS)
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def test_tests_that_inherit_an_ignored_sigint_hand_on_one_that_interrupts() -> None:
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from tests.conftest import pytest_configure;"
        "pytest_configure(); assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


IMPORTED = """
import signal
signal.raise_signal({number})
for place in range(1000):
    done = place
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("inside", ["a run", "a command"])
def test_an_import_ends_before_a_signal_is_raised(
    inside: str, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"imported_by_{inside.replace(' ', '_')}_{number.name.lower()}"
    (tmp_path / f"{name}.py").write_text(IMPORTED.format(number=int(number)))
    handled = handled_by(console.raise_interrupted) if inside == "a command" else stop_on_signals()

    def import_and_wait() -> None:
        with handled:
            __import__(name)
            threading.Event().wait(30)  # until the signal is raised

    with pytest.raises(Interrupted) as stopped:
        import_and_wait()
    assert stopped.value.signal_number == number
    assert sys.modules.pop(name).done == 999


def test_a_program_that_is_itself_imported_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = "import signal\nfrom quickdraw.signals import stop_on_signals\n"
    text += "with stop_on_signals():\n    signal.raise_signal(15)\n    raise AssertionError('not stopped')\n"
    (tmp_path / "imported_program.py").write_text(text)
    with pytest.raises(Interrupted):
        __import__("imported_program")


def test_a_run_that_nohup_started_ignores_a_closed_terminal() -> None:
    assert SIGHUP
    heard: list[int] = []
    before = signal.signal(SIGHUP, signal.SIG_IGN)
    try:
        with handled_by(lambda number, frame: heard.append(number)):
            signal.raise_signal(SIGHUP)
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(SIGHUP, before)
    assert heard == [signal.SIGTERM]


@pytest.mark.parametrize("module", ["hydra", "omegaconf"])
def test_ctrl_c_while_hydra_is_imported_is_one_line(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    command = [sys.executable, str(ROOT / "run.py"), "data=synthetic"]
    first = os.environ | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, check=False, env=first, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "stopped before it began\n")


def test_only_ctrl_c_counts_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm sends SIGTERM twice in a few milliseconds, to a job that is saving by then."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for first, second, wait_s, is_raised in (
        (signal.SIGTERM, signal.SIGTERM, 0.01, False),
        (signal.SIGTERM, signal.SIGTERM, 3.0, True),
        (signal.SIGTERM, signal.SIGINT, 0.01, True),
        (signal.SIGINT, signal.SIGINT, 0.01, True),
    ):
        stop = StopSignal()
        stop.polite = True
        stop.receive(first, None)
        assert stop() == first
        now += wait_s
        raised = False
        try:
            stop.receive(second, None)
        except Interrupted:
            raised = True
        assert raised is is_raised


def test_a_signal_that_nobody_heeded_is_raised_at_the_end() -> None:
    stop = StopSignal()
    with pytest.raises(Interrupted), stop.politely():
        stop.receive(signal.SIGTERM, None)
    assert stop() == signal.SIGTERM


def test_a_launcher_has_its_turn_for_sigusr2_alone() -> None:
    assert SIGUSR2
    heard: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: heard.append(number)) for number in SIGNALS}
    try:
        for number in SIGNALS:
            hand_on(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == [SIGUSR2]
