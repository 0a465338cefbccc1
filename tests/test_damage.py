"""A folder with a damaged file is named with the reason, and everything else is read as if it were not there."""

import contextlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quickdraw import files
from quickdraw.analysis import __main__ as analysis
from quickdraw.analysis import page
from quickdraw.analysis.frames import failure_frame, ranking_frame, run_frame
from quickdraw.analysis.sweep import read_sweep
from quickdraw.errors import RunError, WeightsError
from quickdraw.predictions import read_predictions
from quickdraw.records import read_metrics
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import read_run, write_summary
from quickdraw.settings import decoded
from quickdraw.sweep.runner import SweepRunner
from quickdraw.weights_file import check_stored
from tests.support import damage
from tests.support.jobs_here import JobsHere
from tests.support.made_up import make_run, make_sweep

SAMPLE = 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sweep(tmp_path_factory.mktemp("whole") / "sweep", seeds=2)


@pytest.fixture
def sweep(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "sweep"))


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "leave_report", lambda folder: None)  # they take seconds


def edit(path: Path, **changes: Any) -> None:
    """Change entries of a JSON file as no program of ours would."""
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("status.json", {"state": "finished"}, "state: expected a state of a run"),
        ("status.json", {"warnings": "none"}, "warnings: expected a list of texts"),
        ("status.json", {"config": [1, 2]}, "config: expected an object"),
        ("status.json", {"config": {"seed": "three"}}, "seed: expected a whole number from 0 up"),
        ("status.json", {"config": {"trainer": {"monitor": ["val_loss"]}}}, "trainer.monitor: expected a validation"),
        ("status.json", {"overrides": {"a": 1}}, "overrides: expected a list of texts"),
        ("result.json", {"val_accuracy": "0.9"}, "val_accuracy: expected a number in"),
        ("result.json", {"test_accuracy": 7}, "test_accuracy: expected a number in"),
        ("result.json", {"val_loss": True}, "val_loss: expected a number"),
        ("result.json", {"total_s": float("nan")}, "NaN is not a finite number"),
        ("result.json", {"train_s": 10**400}, "a number of 401 digits"),
        ("result.json", {"classes": ["cat", "cat"]}, "classes: expected a list of at least two different"),
        ("result.json", {"best_epoch": [3]}, "best_epoch: expected a whole number from 1 up"),
    ],
)
def test_a_record_that_makes_no_sense_is_damage_with_the_reason(
    name: str, changes: dict[str, Any], reason: str, sweep: Path
) -> None:
    job = sweep / "lr-0.01_dropout-0.3_seed-0"
    edit(job / name, **changes)
    run = read_run(job)
    assert (run.state, run.result) == ("damaged", {})
    assert run.reason.startswith(f"{name}: ")
    assert reason in run.reason


def test_every_view_of_a_sweep_names_damaged_jobs_and_has_the_others(
    sweep: Path, without_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [sweep / f"lr-0.01_dropout-0.3_seed-{seed}" for seed in (0, 1)]
    edit(jobs[0] / "status.json", warnings="none")
    edit(jobs[1] / "result.json", val_loss=True)
    found = read_sweep(sweep)
    assert len(found.completed) == 6
    assert write_summary(sweep).read_text().count("damaged") == 2
    assert len(run_frame(found)) == 10
    assert list(failure_frame(found)["state"]).count("damaged") == 2
    assert sum(ranking_frame(found)["seeds"]) == 6
    assert "".join(page.page(found)).count("damaged") >= 2
    for command in (["sweep", str(sweep)], *(["show", str(job)] for job in jobs)):
        assert analysis.main(command) == 0
        assert "damaged" in capsys.readouterr().out
    assert analysis.main(["list", "--outputs", str(sweep.parent)]) == 1
    assert "there is no run yet" in capsys.readouterr().err  # these runs lie elsewhere


@pytest.mark.parametrize("name", ["status.json", "result.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":1e999}'])
def test_a_file_that_is_no_object_is_damage(name: str, content: bytes, sweep: Path) -> None:
    (sweep / "failed" / name).write_bytes(content)
    assert read_run(sweep / "failed").state == "damaged"


def test_a_folder_a_pipe_or_a_device_in_a_files_place_is_damage(sweep: Path) -> None:
    for path in (sweep / "failed" / "status.json", sweep / "diverged" / "result.json"):
        path.unlink(missing_ok=True)
        path.mkdir()
    (job, other) = sorted(sweep.glob("lr-0.01*"))[:2]
    damage.a_pipe(job / "result.json", damage.random.Random(0))
    (other / "result.json").unlink()
    (other / "result.json").symlink_to("/dev/zero")
    states = [run.state for run in read_sweep(sweep).runs]
    assert states.count("damaged") == 4
    assert len(states) == 10


def test_folders_nested_without_end_and_links_that_loop_hide_no_run(sweep: Path, without_pictures: None) -> None:
    (sweep / "loop").symlink_to(".")
    (sweep / "group").mkdir()
    (sweep / "failed").rename(sweep / "group" / "failed")
    deep = [sweep / "a"]
    for _ in range(1100):
        deep.append(deep[-1] / "a")
    for folder in deep:
        folder.mkdir()
    try:
        assert len(read_sweep(sweep).runs) == 10
        assert analysis.main(["sweep", str(sweep)]) == 0
    finally:  # deeper than others can remove it
        for folder in reversed(deep):
            folder.rmdir()


def test_unknown_keys_pass(sweep: Path) -> None:
    job = sweep / "lr-0.01_dropout-0.3_seed-0"
    edit(job / "status.json", of_a_later_version={"a": [None]})
    edit(job / "result.json", of_a_later_version="x")
    assert read_run(job).state == "completed"


def test_nothing_is_written_into_a_damaged_folder(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", None, "interrupted")
    (folder / "status.json").write_text('{"state": "running", "warnings": 7}')
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = RunFolder(folder)
    for refused in (run.claimed().__enter__, lambda: run.check_settings({}), run.check_damage):
        with pytest.raises(RunError, match=r"damaged: status\.json: warnings: .* move the folder away"):
            refused()
    assert {path: path.read_bytes() for path in before} == before


def test_a_continued_sweep_reports_a_damaged_job_and_runs_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configs = {tmp_path / f"job-{lr}": {"exp_name": "s", "seed": 0, "optimizer": {"lr": lr}} for lr in (1, 2, 3)}
    damaged, missing, _ = configs

    def run_again() -> SweepRunner:
        jobs = [damage.job_of(folder, config) for folder, config in configs.items()]
        runner = SweepRunner(JobsHere(tmp_path, 1), jobs, draw=False)
        runner.run(fail_fast=False)
        return runner

    run_again()
    (damaged / "result.json").write_text('{"val_accuracy": "high"}')
    shutil.rmtree(missing)
    capsys.readouterr()
    with pytest.raises(RunError, match=r"^1 of 3 jobs failed, 1 of them .*damaged: restore or move away .*job-1"):
        run_again()
    out = capsys.readouterr().out
    assert "damaged: result.json: val_accuracy: expected a number in [0, 1], got 'high'" in out
    assert (damaged / "result.json").read_text() == '{"val_accuracy": "high"}'
    assert [read_run(folder).state for folder in configs] == ["damaged", "completed", "completed"]

    # Moved away, it is trained again.
    damaged.rename(tmp_path.parent / "away")
    assert [run.state for run in run_again().runs.values()] == ["completed"] * 3


def test_a_table_of_epochs_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,val_loss,new_metric\n1,0.5,\n2,0.25,7\n")
    assert read_metrics(path) == [{"epoch": 1, "val_loss": 0.5}, {"epoch": 2, "val_loss": 0.25, "new_metric": 7}]
    for rows in ("1,nan,1", "1,0.5", "1,0.5,1,1", "2,0.5,1", "1,x,1", "1,1e999,1", "1,\0,1", '1,"0.5,1'):
        path.write_text(f"epoch,val_loss,new_metric\n{rows}\n")
        with pytest.raises(ValueError, match=r"\S"):
            read_metrics(path)


def test_show_says_which_table_is_damaged(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = sweep / "lr-0.01_dropout-0.3_seed-0"
    (job / "metrics.csv").write_text("epoch,val_loss\n1,inf\n")
    assert analysis.main(["show", str(job)]) == 0
    assert "warning: metrics.csv is damaged: inf is not a finite number" in capsys.readouterr().out


# Bounds


def test_json_is_bounded_in_depth_size_and_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 100)
    for text in ("[" * 52 + "]" * 52, "1" * 26, "-Infinity", "1e400"):
        with pytest.raises(ValueError, match=r"\S"):
            files.parse_json(text)
    path = tmp_path / "large.json"
    path.write_text(json.dumps({"a": "b" * 100}))
    with pytest.raises(ValueError, match="expected at most 100 bytes, got 109"):
        files.read_bounded(path, files.LARGEST)


def bomb(path: Path) -> None:
    """Write predictions whose columns unpack to 100 MB each."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("index", "label", "predicted", "rank", "confidence", "loss"):
            archive.writestr(f"{name}.npy", bytes(100_000_000))


def other_columns(**columns: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with np.load(path) as file:
            whole = dict(file)
        np.savez(path, **(whole | columns))

    return write


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (bomb, "bytes that unpack to 600,000,000"),
        (other_columns(label=np.full(60, 200, np.uint8)), "a label that is none of 3 classes"),
        (other_columns(predicted=np.full(60, -1)), "a predicted that is none of 3 classes"),
        (other_columns(rank=np.zeros(59, np.uint8)), "columns of different lengths"),
        (other_columns(confidence=np.full(60, np.nan, np.float32)), r"a confidence outside \[0, 1\]"),
        (other_columns(loss=np.full(60, np.nan, np.float32)), "a loss that is no number"),
        (other_columns(index=np.full((60, 1), 1)), "index.npy is no array of numbers"),
        (other_columns(index=np.array([{}] * 60)), "index.npy is no array of numbers"),
        (other_columns(label=np.array(["a"] * 60)), "label.npy is no array of numbers"),
    ],
)
def test_predictions_that_make_no_sense_are_refused(write: Callable[[Path], None], reason: str, sweep: Path) -> None:
    path = sweep / "lr-0.01_dropout-0.3_seed-0" / "predictions.npz"
    write(path)
    with pytest.raises(RunError, match=reason):
        read_predictions(path, 3)


def test_weights_that_unpack_to_more_than_they_are_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(10_000_000))
    with pytest.raises(WeightsError, match="unpacks to more"):
        check_stored(path, path.read_bytes())


# Anything at all


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return damage.make_home(tmp_path_factory.mktemp("home"))


def test_any_damage_ends_in_an_answer_or_one_line(home: Path, tmp_path: Path, without_pictures: None) -> None:
    asked = damage.known(home)
    problems: list[str] = []
    for seed in range(SAMPLE):
        problems += damage.try_case(home, tmp_path / "copy", asked, seed)
    assert problems == []


def test_the_fuzzed_commands_find_nothing_wrong_in_whole_folders(
    home: Path, tmp_path: Path, without_pictures: None
) -> None:
    shutil.copytree(home, tmp_path / "copy")
    asked = damage.known(home)
    assert len(asked.configs) == 10
    with contextlib.chdir(tmp_path / "copy"):
        for of_kind in damage.commands(asked).values():
            assert [damage.complaint(command) for command in of_kind] == [""] * len(of_kind)
        assert decoded(RunFolder(damage.RUN).status["config"])["exp_name"] == "quickdraw"
