"""A run's last words are written whatever signal comes meanwhile."""

import signal

from quickdraw.signals import SIGNALS, undisturbed


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
