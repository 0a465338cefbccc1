"""Files of finished runs, sweeps, searches and caches, damaged in thousands of ways: an answer, or one line."""

import os
import resource
from pathlib import Path

import pytest

from quickdraw.analysis import page
from tests.support import damage

pytestmark = pytest.mark.stress

CASES = int(os.environ.get("QUICKDRAW_DAMAGES", "5000"))
PICTURES = 50  # cases whose page is drawn
GIGABYTE = 10**6  # in the unit of ru_maxrss


def test_thousands_of_damaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    home = damage.make_home(tmp_path / "home")
    asked = damage.known(home)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nobody cuts the power here
    problems: list[str] = []
    with monkeypatch.context() as without_pictures:
        without_pictures.setattr(page, "leave_report", lambda folder: None)
        for seed in range(PICTURES, CASES):
            problems += damage.try_case(home, tmp_path / "copy", asked, seed)
    for seed in range(PICTURES):
        problems += damage.try_case(home, tmp_path / "copy", asked, seed)
    assert problems == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GIGABYTE
