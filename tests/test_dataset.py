"""A data set of one's own: four attributes are enough, and what is wrong with them is said before the first step."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quickdraw.data.batches import Batches
from quickdraw.data.dataset import Dataset, check_dataset
from quickdraw.errors import DataError
from tests.support.program import Outcome, call
from tests.support.user_files import use

SQUARES = '''
"""Filled squares, small and large."""

import numpy as np

from quickdraw.data.batches import Batches
from quickdraw.data.dataset import Dataset


class Squares(Dataset):
    """Squares of two sizes."""

    def __init__(self, batch_size: int = 16) -> None:
        random = np.random.default_rng(0)
        labels = np.arange(120) % 2
        images = random.integers(0, 100, (120, 28, 28), dtype=np.uint8)
        images[labels == 1, 4:24, 4:24] += 150
        self.classes = ["small", "large"]
        self.train = Batches.from_arrays(images[:80], labels[:80], batch_size)
        self.val = Batches.from_arrays(images[80:100], labels[80:100], batch_size)
        self.test = Batches.from_arrays(images[100:], labels[100:], batch_size)
'''
WITHOUT_VAL = SQUARES.replace("self.val =", "self.validation =")


def train(folder: Path, source: str) -> Outcome:
    """Train on a data set of one python file and one yaml file, in the folder `run`."""
    for name in ("quickdraw/data", "conf/data"):
        (folder / name).mkdir(parents=True)
    (folder / "quickdraw/data/squares.py").write_text(source)
    (folder / "conf/data/squares.yaml").write_text("_target_: quickdraw.data.squares.Squares\nbatch_size: 16\n")
    typed = ("--config-dir=conf", "data=squares", "model=mlp", "trainer=smoke", "threads=1", "hydra.run.dir=run")
    return call(folder, *typed, setup=partial(use, folder / "quickdraw"))


def test_a_data_set_with_four_attributes_trains_to_the_end(tmp_path: Path) -> None:
    outcome = train(tmp_path, SQUARES)
    assert outcome.code == 0, outcome.err
    assert "120 drawings of 2 classes: 80 train, 20 val, 20 test" in outcome.out
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["classes"] == ["small", "large"]
    description = json.loads((tmp_path / "run/weights/quickdraw_net.json").read_text())
    assert description["drawings"] == {"train": 80, "val": 20, "test": 20, "total": 120, "copies": 0}
    assert set(description["fingerprints"]) == {"small", "large"}


def test_one_that_lacks_something_ends_before_the_first_step_in_one_line(tmp_path: Path) -> None:
    outcome = train(tmp_path, WITHOUT_VAL)
    assert outcome.code == 1
    assert outcome.err == "error: data: Squares has no val; set classes, train, val and test in its __init__\n"
    assert not (tmp_path / "run/metrics.csv").exists()


def images(count: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 784), dtype=np.uint8)


def batches(labels: int = 3) -> Batches:
    return Batches.from_arrays(images(), np.arange(12) % labels, batch_size=4)


class Own(Dataset):
    """A data set as a newcomer writes it, with some attributes changed, or left out where they are None."""

    def __init__(self, **changes: Any) -> None:
        good = {"classes": ["a", "b", "c"], "train": batches(), "val": batches(), "test": batches()}
        for name, value in (good | changes).items():
            if value is not None:
                setattr(self, name, value)


class OtherImages(Batches):
    """Batches that serve images of their own."""

    def __iter__(self) -> Any:
        for pixels, labels in super().__iter__():
            yield self.changed(pixels), labels

    changed: Callable[[Any], Any]


def other_images(change: Callable[[Any], Any]) -> Batches:
    made = OtherImages.from_arrays(images(), np.arange(12) % 3, batch_size=4)
    made.changed = change  # type: ignore[attr-defined]
    return made


class NoDataset:
    """What has all attributes, but is no Dataset."""

    classes = ("a", "b", "c")
    train = val = test = batches()


BAD = {
    "another class": (NoDataset, r"expected a subclass of quickdraw\.data\.dataset\.Dataset, got NoDataset"),
    "no classes": (lambda: Own(classes=None), "Own has no classes; set"),
    "no splits": (lambda: Own(train=None, test=None), "Own has no train, test; set"),
    "one class": (lambda: Own(classes=["a"]), r"Own\.classes: expected a list of at least two different names"),
    "a class twice": (lambda: Own(classes=["a", "b", "a"]), r"Own\.classes: expected"),
    "a text": (lambda: Own(classes="abc"), r"Own\.classes: expected .* got 'abc'"),
    "numbers": (lambda: Own(classes=[0, 1, 2]), r"Own\.classes: expected"),
    "a list of batches": (lambda: Own(val=[]), r"Own\.val: expected Batches, got list"),
    "no drawings": (
        lambda: Own(val=Batches([images()], np.array([], np.int64), 4)),
        r"Own\.val: expected drawings, got none",
    ),
    "float files": (
        lambda: Own(test=Batches([images() / 255], np.arange(12), 4)),
        r"Own\.test: expected files uint8 \[n, 784\], got float64 \[12, 784\]",
    ),
    "square files": (
        lambda: Own(train=Batches([images().reshape(-1, 28, 28)], np.arange(12), 4)),
        r"got uint8 \[12, 28, 28\]",
    ),
    "an index too large": (
        lambda: Own(train=Batches([images()], np.arange(13), 4)),
        "expected indices of its 12 drawings, got 0 to 12",
    ),
    "a negative index": (lambda: Own(train=Batches([images()], np.arange(-1, 9), 4)), "got -1 to 8"),
    "truth values": (lambda: Own(train=Batches([images()], np.ones(12, bool), 4)), "whole numbers .* got bool"),
    "a list of indices": (lambda: Own(train=Batches([images()], [0, 1], 4)), "whole numbers .* got list"),  # type: ignore[arg-type]
    "no batch size": (lambda: Own(train=Batches([images()], np.arange(12), 0)), "batch_size of at least 1, got 0"),
    "a label too large": (lambda: Own(classes=["a", "b"]), r"Own\.train: expected labels below 2, .* got 2"),
    "a large label in the last batch": (
        lambda: Own(test=Batches.from_arrays(images(), [0] * 11 + [7], batch_size=4)),
        r"Own\.test: expected labels below 3, .* got 7",
    ),
    "flat images": (
        lambda: Own(test=other_images(lambda pixels: pixels.flatten(1))),
        r"expected images float32 \[4, 1, 28, 28\], got torch\.float32 \[4, 784\]",
    ),
    "double images": (lambda: Own(test=other_images(lambda pixels: pixels.double())), r"got torch\.float64"),
    "images up to 255": (lambda: Own(test=other_images(lambda pixels: pixels * 255)), r"expected pixels in \[0, 1\]"),
    "not a number": (lambda: Own(test=other_images(lambda pixels: pixels * np.nan)), r"expected pixels in \[0, 1\]"),
    "no fingerprint of a class": (lambda: Own(fingerprints={"a": "1"}), "expected one of each class, got none of 'b'"),
}


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named_in_one_line(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        check_dataset(make())
    assert str(error.value).startswith("data: ")
    assert "\n" not in str(error.value)


def test_what_is_right_is_returned_as_it_is() -> None:
    data = Own()
    assert check_dataset(data) is data
    assert str(data) == "36 drawings of 3 classes: 12 train, 12 val, 12 test"


def test_fingerprints_follow_the_drawings_and_their_splits() -> None:
    files = [images(), images()[::-1]]

    def fingerprints(**changes: Any) -> Any:
        splits = {"train": np.arange(20), "val": np.arange(20, 22), "test": np.arange(22, 24)} | changes
        made = {name: Batches(files, indices, 4) for name, indices in splits.items()}
        return Own(classes=["a", "b"], **made).fingerprints

    first = fingerprints()
    assert first == fingerprints()
    assert first["a"] != first["b"]
    moved = fingerprints(val=np.arange(19, 22), train=np.arange(19))
    assert moved["a"] == first["a"]
    assert moved["b"] != first["b"]
    files[0] = files[0].copy()
    files[0][3, 5] ^= 1
    assert fingerprints()["a"] != first["a"]
    assert fingerprints()["b"] == first["b"]
