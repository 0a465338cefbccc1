"""The live line of a sweep."""

import time

import pytest

from quickdraw.sweep.view import SweepView


def test_the_live_line_says_how_many_trainings_end_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    view = SweepView({}, [], 4)
    now = view.begin + 30
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert view.pace() == ["30 s"]
    view.trainings = 16
    assert view.pace() == ["30 s", "32 trainings a minute"]
