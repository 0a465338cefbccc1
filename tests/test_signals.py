"""A run's last words are written whatever signal comes meanwhile."""

import signal
import subprocess
import sys

from quickdraw.signals import SIGNALS, undisturbed
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
