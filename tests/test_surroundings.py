"""What surrounds a run changes no path, and is said in a line: Hydra's working folder, too many threads, time zones."""

import json
import time
from pathlib import Path

import pytest

from quickdraw.analysis.commands import clock
from quickdraw.analysis.folders import all_runs
from quickdraw.cores import usable_cores
from quickdraw.run.folder import moment
from tests.support.program import call
from tests.support.resuming import SHORT


def test_paths_are_where_they_were_typed_whatever_folder_hydra_works_in(tmp_path: Path, drawings: Path) -> None:
    (tmp_path / "drawings").symlink_to(drawings)
    own = ("data.root=drawings", "data.cache=kept", "hydra.job.chdir=true", "model=mlp", "model.hidden=8")
    outcome = call(tmp_path, *SHORT, *own)
    assert (outcome.code, outcome.err) == (0, "")
    assert "weights: run/weights/" in outcome.out
    assert (tmp_path / "kept").is_dir()
    assert (tmp_path / "run" / "result.json").is_file()


def test_more_threads_than_cores_are_said_with_what_is_quicker(tmp_path: Path, drawings: Path) -> None:
    cores = usable_cores()
    outcome = call(tmp_path, *SHORT, f"data.root={drawings}", "model=mlp", "model.hidden=8", f"threads={cores + 1}")
    assert outcome.code == 0, outcome.err
    wanted = f"threads={cores + 1} (more than the cores here, {cores}: slower than threads={cores})"
    assert wanted in outcome.out.splitlines()[0]


def test_runs_are_listed_by_the_moment_they_began_whatever_the_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    starts = {"first": "2024-05-01T23:00:00+0900", "second": "2024-05-01T10:00:00-0500", "never": ""}
    for name, started in starts.items():
        folder = tmp_path / "runs" / "x" / name
        folder.mkdir(parents=True)
        (folder / "status.json").write_text(json.dumps({"state": "failed", "started": started}))
    try:
        assert [run.folder.name for run in all_runs(tmp_path)] == ["second", "first", "never"]
        assert clock(starts["second"]) == "2024-05-02 00:00"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert moment("yesterday") is None
