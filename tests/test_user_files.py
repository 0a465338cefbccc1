"""A user's own model, data set, optimizer or schedule that raises something is named by file and line, as no bug."""

import sys
from functools import partial
from pathlib import Path

import pytest

from quickdraw import building, user_files
from quickdraw.errors import ConfigError
from tests.support.program import Outcome, call
from tests.support.user_files import use

SMALL = ("data=synthetic", "data.per_class=30", "trainer=smoke", "threads=1", "hydra.run.dir=run")

MODEL = """
import torch
from torch import nn


class Mine(nn.Module):
    def __init__(self, dropout_rate=0.5, num_classes=10, hidden=None):
        super().__init__()
        {init}
        self.fc = nn.Linear(784, num_classes)

    def forward(self, x):
        {forward}

    def get_features(self, x):
        return x.flatten(1)
"""

DATA = """
from quickdraw.data.synthetic import Synthetic


class Mine(Synthetic):
    def __init__(self, seed=0, per_class=30, classes=("cat", "moon"), batch_size=32, limit_per_class=None,
                 split_seed=42, balance=False, augment=0.0, cache="cache"):
        {}
"""

OPTIMIZER = """
import torch


class Mine(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        {init}
        super().__init__(params, {{"lr": lr}})

    def step(self, closure=None):
        {step}
"""

OTHER_KEYS_GONE = ("~optimizer.weight_decay", "~optimizer.betas", "~optimizer.fused")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder for users' files, beside which a run is called."""
    for group in ("model", "data", "optimizer"):
        (tmp_path / "quickdraw" / group).mkdir(parents=True)
    return tmp_path / "quickdraw"


def outcome_of(package: Path, group: str, text: str, *arguments: str) -> Outcome:
    """Call run.py with a user's own file for a group."""
    (package / group / "mine.py").write_text(text)
    target = f"{group}._target_=quickdraw.{group}.mine.Mine"
    return call(package.parent, *SMALL, target, *arguments, setup=partial(use, package))


def names_line(outcome: Outcome, group: str, text: str, line: str, words: str) -> None:
    """Assert that an error is one line that names the line of the user's file, and nothing else is blamed."""
    number = text.splitlines().index(next(each for each in text.splitlines() if line in each)) + 1
    assert outcome.code == 1, outcome
    assert outcome.err.startswith(f"error: quickdraw/{group}/mine.py:{number}: {words}"), outcome.err
    assert outcome.err.count("\n") == 1
    assert "bug" not in outcome.err
    assert "Traceback" in (outcome.folder / "run" / "run.log").read_text()


@pytest.mark.parametrize(
    ("init", "forward", "line", "words"),
    [
        ("self.width = hidden + 1", "return x", "hidden + 1", "TypeError: unsupported operand"),
        ("self.width = {}['a']", "return x", "['a']", "KeyError: 'a'"),
        ("pass", "return self.fc(x)", "self.fc(x)", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
        ("pass", "return self.fd(x)", "self.fd(x)", "AttributeError: 'Mine' object has no attribute 'fd'"),
        ("pass", "raise ValueError('odd\\nsecond line')", "raise", "ValueError: odd"),
    ],
)
def test_what_a_model_raises_names_its_line(package: Path, init: str, forward: str, line: str, words: str) -> None:
    text = MODEL.format(init=init, forward=forward)
    names_line(outcome_of(package, "model", text, "~model.dropout_rate"), "model", text, line, words)


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        ("return x.flatten(1)[:, :7]", "expected logits float [2, 10], got float32 [2, 7]"),
        ("return self.fc(x.flatten(1)).detach()", "nothing of what it computes can be learnt"),
        ("return None", "expected logits float [2, 10], got NoneType"),
        ("return self.fc(x.flatten(1)).argmax(1)", "expected logits float [2, 10], got int64 [2]"),
    ],
)
def test_a_model_that_gives_no_logits_is_refused_before_the_training(package: Path, forward: str, words: str) -> None:
    text = MODEL.format(init="pass", forward=forward)
    names_line(outcome_of(package, "model", text, "~model.dropout_rate"), "model", text, "class Mine", words)


def test_a_file_that_cannot_be_imported_names_its_line(package: Path) -> None:
    for text, words in (("import torch\nx = (\n", "SyntaxError: "), ("\nnothing.here\n", "NameError: ")):
        outcome = outcome_of(package, "model", text)
        assert outcome.code == 1
        assert outcome.err.startswith(f"error: quickdraw/model/mine.py:2: {words}"), outcome.err
        assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("super().__init__(seed, per_class, classes, split_sed=3)", "split_sed", "TypeError: "),
        ("self.train = undefined", "undefined", "NameError: name 'undefined'"),
    ],
)
def test_what_a_data_set_raises_names_its_line(package: Path, body: str, line: str, words: str) -> None:
    text = DATA.format(body)
    names_line(outcome_of(package, "data", text), "data", text, line, words)


@pytest.mark.parametrize(
    ("init", "step", "line", "words"),
    [
        ("lr = lr / 0", "pass", "lr / 0", "ZeroDivisionError: "),
        ("pass", "self.param_groups[1]", "[1]", "IndexError: list index out of range"),
        ("pass", "torch.zeros(2) + torch.zeros(3)", "zeros(3)", "RuntimeError: The size of tensor"),
    ],
)
def test_what_an_optimizer_raises_names_its_line(package: Path, init: str, step: str, line: str, words: str) -> None:
    text = OPTIMIZER.format(init=init, step=step)
    names_line(outcome_of(package, "optimizer", text, *OTHER_KEYS_GONE), "optimizer", text, line, words)


def raised(path: Path, text: str) -> Exception:
    """Return what a file raises when it is executed."""
    with pytest.raises(Exception, match="odd") as error:
        exec(compile(text, str(path), "exec"), {})
    return error.value


def test_what_one_of_our_own_files_raises_stays_a_bug() -> None:
    for place in ("model/convnet.py", "data/bitmaps.py", "engine.py", "data/rendering/render.py"):
        assert user_files.error_in_user_file(raised(user_files.PACKAGE / place, "raise KeyError('odd')")) is None
    for place in ("model/mine.py", "data/mine.py", "optimizer/mine.py", "schedule.py"):
        known = user_files.error_in_user_file(raised(user_files.PACKAGE / place, "\nraise KeyError('odd')"))
        assert str(known).endswith(f"quickdraw/{place}:2: KeyError: 'odd'")


def test_our_own_files_are_all_there() -> None:
    for group in ("model", "data"):
        there = {path.stem for path in (user_files.PACKAGE / group).glob("*.py")}
        assert user_files.OURS[group] <= there


def test_a_class_may_change_its_list_but_not_the_configuration(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import quickdraw.data

    monkeypatch.setattr(quickdraw.data, "__path__", [str(package / "data"), *quickdraw.data.__path__])
    monkeypatch.delitem(sys.modules, "quickdraw.data.changes", raising=False)
    (package / "data" / "changes.py").write_text(
        "from quickdraw.data.dataset import Dataset\n\n\nclass Changes(Dataset):\n"
        "    def __init__(self, classes: list):\n        classes.append('more')\n        self.classes = classes\n"
    )
    config = {"data": {"_target_": "quickdraw.data.changes.Changes", "classes": ["cat", "moon"]}}
    assert building.build(config, "data").classes == ["cat", "moon", "more"]
    assert config["data"]["classes"] == ["cat", "moon"]
    with pytest.raises(ConfigError, match=r"quickdraw\.data\.changes\.Nothing"):
        building.build({"data": {"_target_": "quickdraw.data.changes.Nothing"}}, "data")
