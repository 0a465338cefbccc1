"""A real sweep ends with its report, however it ends; and the notebook runs on it."""

import json
import os
import signal
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.program import NET, ROOT, Outcome
from tests.support.sweeps import start, sweep, two_jobs

NOTEBOOK = ROOT / "multirun_analysis.ipynb"
REPORT = "hydra.launcher.report=true"


@pytest.fixture(scope="module")
def finished_sweep(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Outcome:
    """A sweep of four jobs of which two fail."""
    folder = tmp_path_factory.mktemp("multirun")
    return sweep(folder, f"{drawings},{folder}", *NET, REPORT, "optimizer.lr=0.008,0.0001", "exp_name=small")


def test_sweep_leaves_its_report_though_jobs_failed(finished_sweep: Outcome) -> None:
    assert finished_sweep.code == 1
    assert finished_sweep.out.rstrip().endswith("look at it: outputs/multirun/small/report.html")
    assert "warning" not in finished_sweep.err
    text = (finished_sweep.folder / "outputs" / "multirun" / "small" / "report.html").read_text()
    assert "2 completed, 2 failed" in text
    assert "3 of 3 class files are missing" in text
    assert "drawings that only one of the two gets right" in text, "the drawings themselves are found"


def test_interrupted_sweep_leaves_its_report(tmp_path: Path, drawings: Path) -> None:
    program = start(
        tmp_path,
        drawings,
        *NET,
        REPORT,
        "exp_name=stopped",
        "trainer.epochs=500",
        "trainer.checkpoint_every_s=0.02",
        "seed=0,1,2",
    )
    two_jobs(tmp_path, program)
    program.send(signal.SIGINT)
    outcome = program.wait()
    assert outcome.code == 130
    assert "look at it: outputs/multirun/stopped/report.html" in outcome.out
    assert "interrupted" in (tmp_path / "outputs" / "multirun" / "stopped" / "report.html").read_text()


def test_notebook_runs_on_the_newest_sweep(finished_sweep: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(finished_sweep.folder)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    assert "4 runs in outputs/multirun/small" in text
    assert "McNemar's test" in text or "right on the same ones" in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 7
    tables = " ".join(str(output.get("data", {}).get("text/html", "")) for output in outputs)
    assert "class files are missing" in tables


def test_notebook_is_stored_small_and_tells_nothing_of_the_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 600_000
    assert not any(place in text for place in ("/home/", "/root", "/work/", "/tmp/", "/usr/"))
    cells = json.loads(text)["cells"]
    assert "".join(cells[0]["source"]).startswith("SWEEP = None")
    assert not any(output.get("output_type") == "error" for cell in cells for output in cell.get("outputs", []))
