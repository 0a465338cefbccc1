"""Each row of CONTRIBUTING's table, followed word for word in a copy of the project: what it names is enough."""

import csv
import json
from pathlib import Path

import pytest

from tests.support.copied import Copy
from tests.support.program import NET, Outcome

QUICK = ("data=synthetic", "data.per_class=20", "data.classes=[cat,moon,door]", "trainer.epochs=1", "threads=1")
SMALL = (*QUICK, *NET)

# A row's command, by the name of the folder that it is called in.
COMMANDS = {
    "a model": ("model=linear", *QUICK),
    "a data set": ("data=bars", "model=mlp", "trainer.epochs=1", "threads=1"),
    "an optimizer of torch": ("optimizer=nadam", *SMALL),
    "an optimizer of one's own": ("optimizer=signs", *SMALL),
    "a schedule": ("schedule=halves", "optimizer.lr=0.004", *SMALL, "data.batch_size=16"),
    "a preset": ("experiment=flat", *QUICK),
    "a fixed sweep": ("-m", "experiment=rates", "hydra.launcher.report=false", *SMALL),
    "a key": (*SMALL, "model.slope=0.2"),
    "a key out of range": (*SMALL, "model.slope=2"),
    "a metric": ("trainer.monitor=val_sure_accuracy", *SMALL),
}


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


def add_optimizer_of_torch(project: Copy) -> None:
    project.write("conf/optimizer/nadam.yaml", "_target_: torch.optim.NAdam\n_partial_: true\nlr: 0.002\n")


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


def add_schedule(project: Copy) -> None:
    function = "\n\ndef halves(done: float, every: float = 0.5) -> float:\n    return 0.5 ** (done // every)\n"
    project.append("quickdraw/schedule.py", function)
    project.write("conf/schedule/halves.yaml", "_target_: quickdraw.schedule.halves\n_partial_: true\nevery: 0.5\n")


def add_preset(project: Copy) -> None:
    project.write(
        "conf/experiment/flat.yaml",
        "# @package _global_\n# python run.py experiment=flat\n"
        "defaults:\n  - override /model: mlp\ndropout_rate: 0.25\ndata:\n  batch_size: 16\n",
    )


def add_fixed_sweep(project: Copy) -> None:
    project.write(
        "conf/experiment/rates.yaml",
        "# @package _global_\n# python run.py -m experiment=rates\n"
        'hydra:\n  sweeper:\n    params:\n      optimizer.lr: "0.001,0.01"\n',
    )


def add_key(project: Copy) -> None:
    project.insert("quickdraw/model/mlp.py", "hidden: int = 256, ", "slope: float = 0.0, ")
    project.insert("quickdraw/model/mlp.py", "nn.Linear(28 * 28, hidden), ", "nn.LeakyReLU(slope), ")
    project.insert("conf/model/mlp.yaml", "hidden: 256\n", "slope: 0.1\n")
    project.insert("quickdraw/rules.py", "RULES: dict[str, Rule] = {\n", '    "model.slope": PORTION,\n')


def add_metric(project: Copy) -> None:
    function = '''

@metric("Accuracy/{split}_sure")
def sure_accuracy(predictions: "Predictions") -> float:
    """Share of drawings that are recognised with a confidence above 0.2."""
    return (predictions.correct & (predictions.confidence > 0.2)).mean()
'''
    project.append("quickdraw/metrics.py", function)


ROWS = (
    add_model,
    add_data_set,
    add_optimizer_of_torch,
    add_optimizer_of_ones_own,
    add_schedule,
    add_preset,
    add_fixed_sweep,
    add_key,
    add_metric,
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the project in which every row was followed; none needs what another one added."""
    project = Copy(tmp_path_factory.mktemp("contributing"))
    for add in ROWS:
        add(project)
    return project


@pytest.fixture(scope="module")
def outcomes(project: Copy) -> dict[str, Outcome]:
    """What became of each row's command."""
    return project.call_each(COMMANDS)


def completed(outcome: Outcome) -> Path:
    """The folder of a run that is completed."""
    assert outcome.code == 0, outcome.err
    assert (outcome.run / "result.json").is_file()
    return outcome.run


def test_a_model(outcomes: dict[str, Outcome]) -> None:
    run = completed(outcomes["a model"])
    assert json.loads((run / "result.json").read_bytes())["parameters"] == 785 * 3


def test_a_data_set(outcomes: dict[str, Outcome]) -> None:
    run = completed(outcomes["a data set"])
    assert json.loads((run / "result.json").read_bytes())["classes"] == ["upright", "lying"]


def test_an_optimizer_of_torch(outcomes: dict[str, Outcome]) -> None:
    run = completed(outcomes["an optimizer of torch"])
    assert settings(run)["optimizer"] == {"_target_": "torch.optim.NAdam", "_partial_": True, "lr": 0.002}


def test_an_optimizer_of_ones_own(outcomes: dict[str, Outcome]) -> None:
    run = completed(outcomes["an optimizer of one's own"])
    assert settings(run)["optimizer"]["_target_"] == "quickdraw.optimizer.signs.Signs"


def test_a_schedule(outcomes: dict[str, Outcome]) -> None:
    with (completed(outcomes["a schedule"]) / "metrics.csv").open(newline="") as file:
        assert [float(row["lr"]) for row in csv.DictReader(file)] == [0.002]  # of an epoch's last step


def test_a_preset(outcomes: dict[str, Outcome]) -> None:
    run = completed(outcomes["a preset"])
    assert settings(run)["model"]["_target_"] == "quickdraw.model.mlp.MLP"
    assert settings(run)["model"]["dropout_rate"] == 0.25
    assert settings(run)["data"]["batch_size"] == 16


def test_a_fixed_sweep(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["a fixed sweep"]
    assert outcome.code == 0, outcome.err
    results = outcome.folder.glob("outputs/multirun/*/*/result.json")
    assert {settings(path.parent)["optimizer"]["lr"] for path in results} == {0.001, 0.01}


def test_a_key(outcomes: dict[str, Outcome]) -> None:
    refused = outcomes["a key out of range"]
    assert refused.code == 1
    assert refused.err == "error: model.slope: expected a number in [0, 1], got 2\n"
    assert settings(completed(outcomes["a key"]))["model"]["slope"] == 0.2


def test_a_metric(outcomes: dict[str, Outcome]) -> None:
    run = completed(outcomes["a metric"])
    with (run / "metrics.csv").open(newline="") as file:
        (epoch,) = csv.DictReader(file)
    result = json.loads((run / "result.json").read_bytes())
    assert float(epoch["val_sure_accuracy"]) == pytest.approx(result["val_sure_accuracy"])
    assert 0 <= result["test_sure_accuracy"] <= result["test_accuracy"]
    events = b"".join(path.read_bytes() for path in run.glob("tensorboard/**/events*"))
    for tag in (b"Accuracy/val_sure", b"Accuracy/best_val_sure", b"Accuracy/test_sure"):
        assert tag in events  # the curve, and the two that HParams shows


def test_the_projects_own_tests_find_nothing_amiss_in_what_the_rows_add(project: Copy) -> None:
    lines = "".join(f"    {name}  new here\n" for name in ("model/linear.py", "data/bars.py", "optimizer/signs.py"))
    project.insert("quickdraw/__init__.py", "Where everything is", f" now:\n\n{lines}\nAnd ")
    named = "linear or bars or nadam or signs or halves or flat or rates or map"
    tests = ("tests/test_config.py", "tests/test_models.py", "tests/test_layout.py")
    done = project.python("-m", "pytest", "-n", "0", *tests, "-k", named)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
