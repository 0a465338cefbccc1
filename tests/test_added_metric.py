"""A metric and a model written by somebody else, in a copy of the project: found wherever they should be."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from quickdraw.run.folder import RunFolder
from quickdraw.run.tracking import Tracker
from quickdraw.state import EpochRecord, Snapshot
from tests.support.program import ROOT

METRIC = '''

@metric("Rank/{split}_mean", lower_is_better=True)
def mean_rank(predictions: "Predictions") -> float:
    """Mean number of classes that come before the label's."""
    return predictions.rank.mean()
'''
MODEL = """
from torch import Tensor, nn


class Plain(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.layer = nn.Linear(784, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))
"""
YAML = "_target_: quickdraw.model.plain.Plain\n_partial_: true\n"
CHOICES = """
from hydra_plugins.quickdraw_optuna import sweeper
from quickdraw import metrics, settings
print(settings.RULES["trainer.monitor"].holds("val_mean_rank"), sweeper.RULES["metric"].holds("val_mean_rank"))
print(settings.RULES["trainer.monitor"].holds("val_calibration_error"), metrics.lower_is_better("val_mean_rank"))
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one function more in metrics.py, and one model more that has no get_features."""
    folder = tmp_path_factory.mktemp("scratch")
    for name in ("conf", "quickdraw", "hydra_plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run.py", folder)
    with (folder / "quickdraw/metrics.py").open("a") as file:
        file.write(METRIC)
    (folder / "quickdraw/model/plain.py").write_text(MODEL)
    (folder / "conf/model/plain.yaml").write_text(YAML)
    return folder


def python(folder: Path, *arguments: str) -> str:
    """Return what a call of Python in the copy prints."""
    command = [sys.executable, "-W", "error::SyntaxWarning", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def printed(scratch: Path, drawings: Path) -> str:
    """What a run of the copy prints."""
    return python(
        scratch,
        "run.py",
        f"data.root={drawings}",
        "data.classes=[cat,moon,door]",
        "model=plain",
        "trainer.epochs=3",
        "trainer.monitor=val_mean_rank",
        "threads=1",
        "hydra.run.dir=run",
    )


def test_it_is_a_column_and_chooses_the_best_epoch(scratch: Path, printed: str) -> None:
    with (scratch / "run/metrics.csv").open(newline="") as file:
        ranks = [float(row["val_mean_rank"]) for row in csv.DictReader(file)]
    result = json.loads((scratch / "run/result.json").read_bytes())
    assert result["val_mean_rank"] == min(ranks)
    assert result["best_epoch"] == ranks.index(min(ranks)) + 1
    assert 0 <= result["test_mean_rank"] <= 2
    description = json.loads((scratch / "run/weights/quickdraw_net.json").read_bytes())
    assert description["metrics"]["test_mean_rank"] == result["test_mean_rank"]


def test_it_is_a_curve_and_a_column_of_hparams(scratch: Path, printed: str) -> None:
    events = EventAccumulator(str(scratch / "run/tensorboard")).Reload()
    result = json.loads((scratch / "run/result.json").read_bytes())
    assert [point.step for point in events.Scalars("Rank/val_mean")] == [1, 2, 3]
    for tag, name in (("Rank/best_val_mean", "val_mean_rank"), ("Rank/test_mean", "test_mean_rank")):
        (point,) = events.Scalars(tag)
        assert (point.step, point.value) == (result["best_epoch"], pytest.approx(result[name]))


def test_it_may_choose_the_best_epoch_and_the_best_trial(scratch: Path) -> None:
    assert python(scratch, "-c", CHOICES).split() == ["True", "True", "False", "True"]


def test_the_settings_are_checked_without_torch_and_numpy(scratch: Path) -> None:
    code = "import sys; from quickdraw import metrics, settings; print({'torch', 'numpy'} & set(sys.modules))"
    assert python(scratch, "-c", code) == "set()\n"


def test_a_model_without_features_trains_without_a_projector_and_a_line_says_so(scratch: Path, printed: str) -> None:
    assert [line for line in printed.splitlines() if "projector" in line] == [
        "no projector in TensorBoard: Plain has no get_features"
    ]
    assert json.loads((scratch / "run/status.json").read_bytes())["state"] == "completed"
    assert not (scratch / "run/tensorboard/projector_config.pbtxt").exists()
    images = EventAccumulator(str(scratch / "run/tensorboard")).Reload().Tags()["images"]
    assert {"quickdraw_images", "Test/mistakes"} <= set(images)


def test_epochs_before_a_metric_was_added_have_an_empty_place_in_its_column(tmp_path: Path) -> None:
    def record(epoch: int, **more: float) -> EpochRecord:
        names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "grad_norm", "samples_per_s")
        return {"epoch": epoch, "step": epoch, **dict.fromkeys(names, 0.5), **more}

    run = RunFolder(tmp_path)
    run.begin({}, [])
    tracker = Tracker(run, Snapshot({}, {"position": {"history": [record(1)]}}))
    tracker.epoch(record(2, val_top3_accuracy=0.25))
    with (tmp_path / "metrics.csv").open(newline="") as file:
        assert [row["val_top3_accuracy"] for row in csv.DictReader(file)] == ["", "0.25"]
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [point.step for point in events.Scalars("Accuracy/val_top3")] == [2]
