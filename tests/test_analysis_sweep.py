"""A sweep as it stands on the disk: read once, and one answer for everybody who asks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quickdraw.analysis.frames import failure_frame, ranking_frame, run_frame
from quickdraw.analysis.rows import failure_rows, job_rows, ranking_rows
from quickdraw.analysis.sweep import Sweep, read_sweep
from quickdraw.analysis.tables import Table, failure_table, job_table, ranking_table
from tests.support.made_up import EPOCHS, make_run, make_sweep
from tests.support.program import ROOT


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    folder = make_sweep(tmp_path_factory.mktemp("made") / "rates")
    make_run(folder / "interrupted", None, "interrupted", "SIGTERM", seed=9)
    make_run(folder / "pruned", None, "pruned", "val_accuracy 0.2 after 2 epochs", seed=8)
    return read_sweep(folder)


def test_what_was_read_stays_as_it_was_read(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "rates" / "a", 0.8)
    sweep = read_sweep(folder.parent)
    (run,) = sweep.runs
    before = sweep.epochs(run)
    (folder / "metrics.csv").unlink()
    assert len(before) == EPOCHS
    assert sweep.epochs(run) == before
    assert read_sweep(folder.parent).epochs(run) == []


def test_failed_diverged_and_interrupted_runs_are_failures_everywhere(sweep: Sweep) -> None:
    assert [row["state"] for row in failure_rows(sweep)] == ["diverged", "failed", "interrupted"]
    frame, table = failure_frame(sweep), failure_table(sweep)
    assert table
    assert frame["run"].tolist() == [row[0] for row in table.rows]
    assert frame["log"].tolist() == [row[1] for row in table.rows]


def test_tables_and_frames_hold_the_same_numbers(sweep: Sweep) -> None:
    rows, frame, table = ranking_rows(sweep), ranking_frame(sweep), ranking_table(sweep)
    assert frame["val_accuracy"].tolist() == [row["mean"] for row in rows] == [row[3] for row in table.rows]
    assert frame.index.tolist() == [1, 2, 3, 4]
    folders = {row["folder"] for row in job_rows(sweep)}
    assert folders == set(run_frame(sweep)["folder"]) == {row[-1] for row in job_table(sweep).rows}


def test_score_is_the_monitor_as_it_was_measured(tmp_path: Path) -> None:
    for seed, score in enumerate((0.6, 0.7)):
        make_run(tmp_path / str(seed), score, seed=seed, trainer__monitor="val_loss")
    sweep = read_sweep(tmp_path)
    assert sweep.lower_is_better
    assert [sweep.score(run) for run in sweep.runs] == pytest.approx([0.4, 0.3])
    (row,) = ranking_rows(sweep)
    assert row["mean"] == pytest.approx(0.35)
    assert row["scores"] == pytest.approx({"0": 0.4, "1": 0.3})
    assert row["low"] < row["mean"] < row["high"]


def test_a_folder_without_jobs_is_an_empty_sweep(tmp_path: Path) -> None:
    sweep = read_sweep(tmp_path)
    assert str(sweep) == f"0 runs in {tmp_path}"
    assert (sweep.metric, sweep.settings, sweep.effects, sweep.best_two) == ("val_accuracy", [], [], None)
    assert sweep.search is None


def test_report_at_the_end_needs_neither_pandas_nor_matplotlib(sweep: Sweep) -> None:
    code = (
        "import sys; from pathlib import Path; from quickdraw.analysis.sweep import read_sweep\n"
        "from quickdraw.analysis.tables import report; print(report(read_sweep(Path(sys.argv[1]))))\n"
        "print([name for name in ('torch', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(sweep.folder)]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert "lr=0.01 dropout_rate=0.3 leads lr=0.001 dropout_rate=0.3 by 0.1000" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_notebook_imports_three_modules_of_ours_at_most() -> None:
    cells = json.loads((ROOT / "multirun_analysis.ipynb").read_text(encoding="utf-8"))["cells"]
    lines = [line.strip() for cell in cells if cell["cell_type"] == "code" for line in cell["source"]]
    modules = set()
    for line in lines:
        if line.startswith("from quickdraw"):
            package, _, names = line.removeprefix("from ").partition(" import ")
            modules |= (
                {f"{package}.{name.strip()}" for name in names.split(",")} if package.count(".") == 1 else {package}
            )
    assert 1 <= len(modules) <= 3, modules


def test_a_table_has_its_numbers_to_the_right_and_its_texts_to_the_left() -> None:
    lines = str(Table(["job", "n"], [["a", 7], ["long", 10], ["b", None]])).splitlines()
    assert lines == ["job    n", "a      7", "long  10", "b      -"]


def test_the_interval_reaches_as_far_above_the_mean_as_below_it(tmp_path: Path) -> None:
    for seed, score in enumerate((0.6, 0.7, 0.72)):
        make_run(tmp_path / str(seed), score, seed=seed)
    (row,) = ranking_rows(read_sweep(tmp_path))
    assert row["half_width"] > row["deviation"]
    assert (row["low"], row["high"]) == pytest.approx(
        (row["mean"] - row["half_width"], row["mean"] + row["half_width"])
    )
