"""Where the jobs of a sweep lie: one folder for the same settings, and nothing shown under settings of another run."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quickdraw.analysis.rows import job_rows
from quickdraw.analysis.sweep import read_sweep
from quickdraw.errors import ConfigError, RunError
from quickdraw.files import write_json
from quickdraw.run.listing import read_runs, write_summary
from quickdraw.settings import identity
from quickdraw.sweep.job import Job
from quickdraw.sweep.places import Places, check_folders

SETTINGS: dict[str, Any] = {"seed": 4, "threads": 1, "optimizer": {"lr": 0.01}}
OTHER: dict[str, Any] = {"seed": 5, "threads": 1, "optimizer": {"lr": 0.01}}


def put(folder: Path, config: dict[str, Any], state: str = "completed") -> None:
    """Put a run with some settings into a folder."""
    folder.mkdir(parents=True)
    write_json(folder / "status.json", {"state": state, "config": config, "started": "then"})
    if state == "completed":
        write_json(folder / "result.json", {"val_accuracy": 0.5})


def job(folder: Path, config: dict[str, Any], *overrides: str) -> Job:
    """A job that nobody runs."""
    return Job(list(overrides), folder, config, lambda: None)


def test_two_sweeps_that_name_a_job_otherwise_give_it_one_folder(tmp_path: Path) -> None:
    digest = identity(SETTINGS)
    names = [f"seed-4-{digest}", f"lr-0.01-{digest}", f"job-{digest}"]
    sweeps = [Places(tmp_path / "s", keep=True) for _ in names]
    with ThreadPoolExecutor() as pool:
        decided = list(pool.map(lambda sweep, name: sweep.folder(tmp_path / "s" / name, SETTINGS), sweeps, names))
    assert len(set(decided)) == 1
    assert decided[0].name in names


def test_a_dry_run_notes_nothing(tmp_path: Path) -> None:
    wished = tmp_path / "s" / f"seed-4-{identity(SETTINGS)}"
    assert Places(tmp_path / "s", keep=False).folder(wished, SETTINGS) == wished
    assert not (tmp_path / "s").exists()


def test_a_folder_of_eight_digits_is_taken_only_for_its_own_settings(tmp_path: Path) -> None:
    for name, saved, found in (("mine", SETTINGS, True), ("others", OTHER, False)):
        digest = identity(SETTINGS)
        old, wished = tmp_path / name / f"lr-0.01-{digest[:8]}", tmp_path / name / f"seed-4-{digest}"
        put(old, saved)
        assert Places(tmp_path / name, keep=True).folder(wished, SETTINGS) == (old if found else wished)


def test_notes_that_lead_out_of_the_sweep_or_are_torn_say_nothing(tmp_path: Path) -> None:
    digest = identity(SETTINGS)
    lines = [f"{digest} ../../x-{digest}", f"{digest} /tmp/x-{digest}", f"{digest} x-{'0' * 16}", f"{digest} torn"]
    (tmp_path / ".places").write_text("\n".join(lines))
    wished = tmp_path / f"seed-4-{digest}"
    assert Places(tmp_path, keep=True).folder(wished, SETTINGS) == wished
    assert Places(tmp_path, keep=True).folder(tmp_path / f"b-{digest}", SETTINGS) == wished


def test_of_two_folders_that_are_noted_for_the_same_settings_the_first_counts(tmp_path: Path) -> None:
    digest = identity(SETTINGS)
    (tmp_path / ".places").write_text(f"{digest} b-{digest}\n{digest} a-{digest}\n")
    assert Places(tmp_path, keep=True).folder(tmp_path / f"c-{digest}", SETTINGS) == tmp_path / f"b-{digest}"


def test_what_one_sweep_noted_stays_when_another_notes_its_own(tmp_path: Path) -> None:
    mine, others = identity(SETTINGS), identity(OTHER)
    first = Places(tmp_path, keep=True).folder(tmp_path / f"a-{mine}", SETTINGS)
    Places(tmp_path, keep=True).folder(tmp_path / f"b-{others}", OTHER)
    assert Places(tmp_path, keep=True).folder(tmp_path / f"c-{mine}", SETTINGS) == first


@pytest.mark.parametrize("outside", ["..", "../other", ".", "a/../.."])
def test_a_job_outside_its_sweeps_folder_is_refused(tmp_path: Path, outside: str) -> None:
    with pytest.raises(ConfigError, match="expected a folder below"):
        Places(tmp_path / "s", keep=True).folder(tmp_path / "s" / outside, SETTINGS)


@pytest.mark.parametrize("state", ["completed", "interrupted", "failed"])
def test_a_run_with_other_settings_is_not_taken_for_the_jobs(tmp_path: Path, state: str) -> None:
    put(tmp_path / "0", OTHER, state)
    with pytest.raises(RunError, match=r"0: .*seed=4.*seed was 5 and is 4"):
        job(tmp_path / "0", SETTINGS, "seed=4").on_disk()


def test_a_run_is_the_jobs_where_auto_became_a_value(tmp_path: Path) -> None:
    put(tmp_path / "0", {**SETTINGS, "device": "cpu"})
    assert job(tmp_path / "0", {**SETTINGS, "device": "auto", "threads": "auto"}).on_disk().state == "completed"


def test_jobs_with_other_settings_in_one_folder_are_refused_by_both_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lr=0.01 seed=4 and lr=0.01 seed=5"):
        check_folders(
            [job(tmp_path / "a", SETTINGS, "lr=0.01", "seed=4"), job(tmp_path / "a", OTHER, "lr=0.01", "seed=5")]
        )


def test_equal_jobs_are_one(tmp_path: Path) -> None:
    check_folders([job(tmp_path / "a", SETTINGS, "seed=4"), job(tmp_path / "a", dict(SETTINGS), "seed=4")])


def test_runs_are_found_at_any_depth_and_told_apart_by_their_paths(tmp_path: Path) -> None:
    put(tmp_path / "p-0.1" / "seed-4", SETTINGS)
    put(tmp_path / "p-0.2" / "seed-4", OTHER)
    put(tmp_path / "p-0.2" / "seed-4" / "inner", OTHER)
    put(tmp_path / ".hidden", OTHER)
    assert [run.settings["seed"] for run in read_runs(tmp_path)] == [4, 5]
    text = write_summary(tmp_path).read_text()
    assert "p-0.1/seed-4" in text
    assert "p-0.2/seed-4" in text
    assert json.loads((tmp_path / "p-0.1" / "seed-4" / "result.json").read_bytes()) == {"val_accuracy": 0.5}


def test_tables_name_nested_jobs_by_their_paths_in_the_sweep(tmp_path: Path) -> None:
    for seed in (4, 5):
        put(tmp_path / f"lr-0.01/seed-{seed}", SETTINGS | {"seed": seed})
    rows = job_rows(read_sweep(tmp_path))
    assert [row["folder"] for row in rows] == ["lr-0.01/seed-4", "lr-0.01/seed-5"]


def test_notes_without_bound_are_refused(tmp_path: Path) -> None:
    with (tmp_path / ".places").open("wb") as file:
        file.truncate(10**9)
    wished = tmp_path / f"seed-4-{identity(SETTINGS)}"
    with pytest.raises(ConfigError, match=r"\.places: expected notes of at most 32,000,000 bytes, got 1,000,000,000"):
        Places(tmp_path, keep=True).folder(wished, SETTINGS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name is not of this system")
@pytest.mark.parametrize("keep", [True, False])
def test_a_pipe_in_place_of_the_notes_is_refused_and_not_waited_for(keep: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".places")
    wished = tmp_path / f"seed-4-{identity(SETTINGS)}"
    with pytest.raises(ConfigError, match=r"\.places: expected a file, got a folder or a device; move it away"):
        Places(tmp_path, keep=keep).folder(wished, SETTINGS)


def test_a_run_is_the_jobs_under_another_name(tmp_path: Path) -> None:
    put(tmp_path / "0", SETTINGS | {"exp_name": "old"})
    assert job(tmp_path / "0", SETTINGS | {"exp_name": "new"}).on_disk().state == "completed"


def test_jobs_that_differ_only_in_where_output_goes_are_one(tmp_path: Path) -> None:
    paths = [SETTINGS | {"data": {"cache": place}} for place in ("here", "there")]
    check_folders([job(tmp_path / "a", config) for config in paths])


def test_a_job_that_began_keeps_what_it_recorded_when_its_end_is(tmp_path: Path) -> None:
    put(tmp_path / "0", SETTINGS | {"device": "cpu"}, "interrupted")
    asked = job(tmp_path / "0", SETTINGS | {"device": "auto"}, "seed=4")
    asked.record(replace(asked.on_disk(), state="failed", reason="no room"))
    status = json.loads((tmp_path / "0/status.json").read_bytes())
    assert (status["state"], status["reason"], status["config"]["device"]) == ("failed", "no room", "cpu")
    assert status["overrides"] == ["seed=4"]


def test_nothing_is_recorded_in_a_damaged_folder(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0/status.json").write_text("{")
    asked = job(tmp_path / "0", SETTINGS)
    asked.record(replace(asked.on_disk(), state="failed", reason="no room"))
    assert (tmp_path / "0/status.json").read_text() == "{"
