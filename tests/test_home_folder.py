"""`~` is the home folder in the names that `quickdraw.analysis` is given, in quotes too, where no shell has seen it."""

import json
from pathlib import Path

import pytest

from quickdraw.analysis.folders import find_run, find_sweep


def test_a_run_and_a_sweep_below_the_home_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    job = tmp_path / "own" / "job"
    job.mkdir(parents=True)
    (job / "status.json").write_text(json.dumps({"state": "failed", "started": "2024-05-01T23:00:00+0900"}))
    assert find_run("~/own/job").state == "failed"
    assert len(find_sweep("~/own").runs) == 1
