"""`python -m quickdraw.evaluate`: a saved network on other drawings."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from quickdraw import evaluate
from quickdraw.model.convnet import load_weights
from tests.support.program import Outcome


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_drawing_of_the_folder_counts(
    finished: Outcome, drawings: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([str(finished.run), f"data.root={drawings}", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    net, classes = load_weights(finished.run / "weights/quickdraw_net.pth")
    pixels = np.concatenate([np.load(drawings / f"{name}.npy") for name in classes])
    labels = torch.arange(3).repeat_interleave(60)
    with torch.inference_mode():
        predicted = net(torch.from_numpy(pixels).view(-1, 1, 28, 28).float() / 255).argmax(1)
    assert scores["drawings"] == 180
    assert scores["accuracy"] == (predicted == labels).double().mean().item()
    for k, name in enumerate(classes):
        assert scores["class_accuracy"][name] == (predicted[labels == k] == k).double().mean().item()
    assert scores["class_drawings"] == dict.fromkeys(classes, 60)
    assert scores["trained_on"] == []


def test_people_read_the_classes_worst_first_and_that_these_were_trained_on(
    finished: Outcome, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([str(finished.run), f"data.root={finished.folder / 'data'}", "data.limit_per_class=50"]) == 0
    printed = capsys.readouterr().out
    assert "all 150 drawings" in printed
    rows = [line.split() for line in printed.splitlines() if line.split()[:1] in (["cat"], ["moon"], ["door"])]
    assert [row[1] for row in rows] == ["50"] * 3
    accuracies = [float(row[2]) for row in rows]
    assert accuracies == sorted(accuracies)
    assert "trained on drawings of these files: cat, moon, door" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data.classes=[moon,cat,door]"], "expected the run's own in its order, ['cat', 'moon', 'door']"),
        (["data.root=nowhere"], "no such folder"),
        (["seed=1"], "seed=1: expected one of data, data.root"),
        (["data.limit_per_class=0"], "data.limit_per_class: expected a whole number from 1 up"),
        (["data=strokes"], "class files are missing"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    arguments: list[str], words: str, finished: Outcome, drawings: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([str(finished.run), f"data.root={drawings}", *arguments]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert words in said.err
    assert len(said.err.splitlines()) <= 2
    assert said.out == ""
