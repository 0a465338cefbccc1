"""Each row of CONTRIBUTING's table, followed word for word in a copy of the project: what it names is enough."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import ROOT

QUICK = ("data=synthetic", "data.per_class=20", "data.classes=[cat,moon,door]", "trainer.epochs=1", "threads=1")


class Copy:
    """A copy of the project that a test may change, and a folder to run it in."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        for name in ("conf", "quickdraw", "hydra_plugins", "tests"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("run.py", "pyproject.toml"):
            shutil.copy(ROOT / name, self.root)

    def write(self, name: str, text: str) -> None:
        """Write a new file."""
        path = self.root / name
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def insert(self, name: str, after: str, text: str) -> None:
        """Insert a text behind another one, which the file must hold once."""
        path = self.root / name
        before, found, rest = path.read_text().partition(after)
        assert found
        assert after not in rest
        path.write_text(before + after + text + rest)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=300, check=False)

    def train(self, *arguments: str) -> Path:
        """Train; return the run's folder. In the end the run must be completed."""
        done = self.python("run.py", *arguments)
        assert done.returncode == 0, done.stderr
        (result,) = self.root.glob("outputs/*/*/*/result.json")
        return result.parent


@pytest.fixture
def project(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def settings(run: Path) -> dict[str, dict[str, object]]:
    """The settings that a run was trained with."""
    config: dict[str, dict[str, object]] = json.loads((run / "status.json").read_bytes())["config"]
    return config


def add_model(project: Copy) -> None:
    project.write(
        "quickdraw/model/linear.py",
        '''"""One linear layer."""

from torch import Tensor, nn


class Linear(nn.Module):
    """Maps images float [B, 1, 28, 28] in [0, 1] to logits [B, num_classes]."""

    def __init__(self, dropout_rate: float = 0.5, num_classes: int = 10) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout_rate)
        self.output = nn.Linear(784, num_classes)

    def get_features(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.dropout(self.get_features(x)))
''',
    )
    project.write(
        "conf/model/linear.yaml",
        "# One linear layer: 7,850 parameters for ten classes.\n"
        "_target_: quickdraw.model.linear.Linear\n_partial_: true\ndropout_rate: ${dropout_rate}\n",
    )


def test_a_model(project: Copy) -> None:
    add_model(project)
    run = project.train("model=linear", *QUICK)
    assert json.loads((run / "result.json").read_bytes())["parameters"] == 785 * 3


def add_data_set(project: Copy) -> None:
    project.write(
        "quickdraw/data/bars.py",
        '''"""Bars, upright or lying: a data set made of arrays."""

import numpy as np

from quickdraw.data.batches import Batches
from quickdraw.data.dataset import Dataset


class Bars(Dataset):
    """`count` drawings in each split."""

    def __init__(self, count: int = 40, batch_size: int = 16) -> None:
        self.classes = ["upright", "lying"]
        self.train, self.val, self.test = (split(count, batch_size, seed) for seed in (0, 1, 2))


def split(count: int, batch_size: int, seed: int) -> Batches:
    random = np.random.default_rng(seed)
    labels = random.integers(2, size=count)
    images = np.zeros((count, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels):
        place = random.integers(4, 24)
        (image if label else image.T)[place : place + 3] = 255
    return Batches.from_arrays(images, labels, batch_size)
''',
    )
    project.write("conf/data/bars.yaml", "_target_: quickdraw.data.bars.Bars\ncount: 60\nbatch_size: 16\n")


def test_a_data_set(project: Copy) -> None:
    add_data_set(project)
    run = project.train("data=bars", "trainer.epochs=1", "threads=1")
    assert json.loads((run / "result.json").read_bytes())["classes"] == ["upright", "lying"]


def add_optimizer_of_torch(project: Copy) -> None:
    project.write("conf/optimizer/nadam.yaml", "_target_: torch.optim.NAdam\n_partial_: true\nlr: 0.002\n")


def test_an_optimizer_of_torch(project: Copy) -> None:
    add_optimizer_of_torch(project)
    run = project.train("optimizer=nadam", *QUICK)
    assert settings(run)["optimizer"] == {"_target_": "torch.optim.NAdam", "_partial_": True, "lr": 0.002}


def add_optimizer_of_ones_own(project: Copy) -> None:
    project.write(
        "quickdraw/optimizer/signs.py",
        '''"""Steps by the sign of the gradient."""

from collections.abc import Iterable

import torch
from torch import nn


class Signs(torch.optim.Optimizer):
    """Every weight moves by `lr`."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float = 0.001) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * parameter.grad.sign()
''',
    )
    project.write(
        "conf/optimizer/signs.yaml", "_target_: quickdraw.optimizer.signs.Signs\n_partial_: true\nlr: 0.001\n"
    )


def test_an_optimizer_of_ones_own(project: Copy) -> None:
    add_optimizer_of_ones_own(project)
    project.train("optimizer=signs", *QUICK)


def add_schedule(project: Copy) -> None:
    schedule = project.root / "quickdraw" / "schedule.py"
    function = "\n\ndef halves(done: float, every: float = 0.5) -> float:\n    return 0.5 ** (done // every)\n"
    schedule.write_text(schedule.read_text() + function)
    project.write("conf/schedule/halves.yaml", "_target_: quickdraw.schedule.halves\n_partial_: true\nevery: 0.5\n")


def test_a_schedule(project: Copy) -> None:
    add_schedule(project)
    run = project.train("schedule=halves", "optimizer.lr=0.004", *QUICK, "data.batch_size=16")
    with (run / "metrics.csv").open(newline="") as file:
        assert [float(row["lr"]) for row in csv.DictReader(file)] == [0.002]  # of an epoch's last step


def add_preset(project: Copy) -> None:
    project.write(
        "conf/experiment/flat.yaml",
        "# @package _global_\n# python run.py experiment=flat\n"
        "defaults:\n  - override /model: mlp\ndropout_rate: 0.25\ndata:\n  batch_size: 16\n",
    )


def test_a_preset(project: Copy) -> None:
    add_preset(project)
    run = project.train("experiment=flat", *QUICK)
    assert settings(run)["model"]["_target_"] == "quickdraw.model.mlp.MLP"
    assert settings(run)["model"]["dropout_rate"] == 0.25
    assert settings(run)["data"]["batch_size"] == 16


def test_a_fixed_sweep(project: Copy) -> None:
    project.write(
        "conf/experiment/rates.yaml",
        "# @package _global_\n# python run.py -m experiment=rates\n"
        'hydra:\n  sweeper:\n    params:\n      optimizer.lr: "0.001,0.01"\n',
    )
    done = project.python("run.py", "-m", "experiment=rates", "hydra.launcher.report=false", *QUICK)
    assert done.returncode == 0, done.stderr
    rates = {settings(path.parent)["optimizer"]["lr"] for path in project.root.glob("outputs/multirun/*/*/result.json")}
    assert rates == {0.001, 0.01}


def test_a_key(project: Copy) -> None:
    project.insert("quickdraw/model/mlp.py", "hidden: int = 256, ", "slope: float = 0.0, ")
    project.insert("quickdraw/model/mlp.py", "nn.Linear(28 * 28, hidden), ", "nn.LeakyReLU(slope), ")
    project.insert("conf/model/mlp.yaml", "hidden: 256\n", "slope: 0.1\n")
    project.insert("quickdraw/rules.py", "RULES: dict[str, Rule] = {\n", '    "model.slope": PORTION,\n')
    refused = project.python("run.py", "model=mlp", "model.slope=2", *QUICK)
    assert refused.returncode == 1
    assert refused.stderr == "error: model.slope: expected a number in [0, 1], got 2\n"
    assert settings(project.train("model=mlp", "model.slope=0.2", *QUICK))["model"]["slope"] == 0.2


def test_a_metric(project: Copy) -> None:
    metrics = project.root / "quickdraw" / "metrics.py"
    function = '''

@metric("Accuracy/{split}_sure")
def sure_accuracy(predictions: "Predictions") -> float:
    """Share of drawings that are recognised with a confidence above 0.2."""
    return (predictions.correct & (predictions.confidence > 0.2)).mean()
'''
    metrics.write_text(metrics.read_text() + function)
    run = project.train("trainer.monitor=val_sure_accuracy", *QUICK)
    with (run / "metrics.csv").open(newline="") as file:
        (epoch,) = csv.DictReader(file)
    result = json.loads((run / "result.json").read_bytes())
    assert float(epoch["val_sure_accuracy"]) == pytest.approx(result["val_sure_accuracy"])
    assert 0 <= result["test_sure_accuracy"] <= result["test_accuracy"]
    events = b"".join(path.read_bytes() for path in run.glob("tensorboard/**/events*"))
    for tag in (b"Accuracy/val_sure", b"Accuracy/best_val_sure", b"Accuracy/test_sure"):
        assert tag in events  # the curve, and the two that HParams shows


def test_the_projects_own_tests_find_nothing_amiss_in_what_the_rows_add(project: Copy) -> None:
    for add in (add_model, add_data_set, add_optimizer_of_torch, add_optimizer_of_ones_own, add_schedule, add_preset):
        add(project)
    lines = "".join(f"    {name}  new here\n" for name in ("model/linear.py", "data/bars.py", "optimizer/signs.py"))
    project.insert("quickdraw/__init__.py", "Where everything is", f" now:\n\n{lines}\nAnd ")
    named = "linear or bars or nadam or signs or halves or flat or map"
    tests = ("tests/test_config.py", "tests/test_models.py", "tests/test_layout.py")
    done = project.python("-m", "pytest", "-n", "0", *tests, "-k", named)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
