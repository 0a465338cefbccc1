"""The promises of quickdraw/data/doodles.py."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from quickdraw.data.doodles import DOODLES, draw, draw_class
from quickdraw.data.strokes import rasterise
from quickdraw.errors import DataError

DEFAULT = ["cat", "dolphin", "moon", "alarm clock", "banana", "airplane", "circle", "door", "donut", "eye"]


def test_the_ten_default_classes_are_drawn_in_order():
    assert list(DOODLES) == DEFAULT


@pytest.mark.parametrize("name", DEFAULT)
def test_doodles_are_official_simplified_drawings(name):
    for row in range(60):
        drawing = draw(name, np.random.default_rng([1, row]))
        assert drawing
        for x, y in drawing:
            assert len(x) == len(y) >= 2
            assert all(isinstance(value, int) for value in x + y)
        x, y = (np.concatenate(axis) for axis in zip(*drawing, strict=True))
        assert x.min() == y.min() == 0
        assert max(x.max(), y.max()) == 255


@pytest.mark.parametrize("name", DEFAULT)
def test_no_two_doodles_are_the_same(name):
    rows = draw_class(name, 100, seed=0)
    assert rows.dtype == np.uint8
    assert rows.shape == (100, 784)
    assert len(np.unique(rows, axis=0)) == 100


@pytest.mark.parametrize("name", DEFAULT)
def test_doodles_have_about_as_much_ink_as_real_drawings(name):
    """Real ones: from 8 % of the paper (moon) to 19 % (alarm clock), averaged over a class."""
    assert 0.05 < draw_class(name, 100, seed=0).mean() / 255 < 0.25


def test_a_row_depends_on_seed_class_and_row_alone():
    rows = draw_class("cat", 40, seed=3)
    np.testing.assert_array_equal(draw_class("cat", 7, seed=3), rows[:7])
    assert not np.array_equal(draw_class("cat", 40, seed=4), rows)
    assert not np.array_equal(draw_class("dolphin", 40, seed=3), rows)


def test_another_process_draws_the_same():
    code = (
        "import sys; from quickdraw.data.doodles import draw_class; sys.stdout.buffer.write(draw_class('eye', 20, 5))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert hashlib.sha256(printed).digest() == hashlib.sha256(draw_class("eye", 20, 5).tobytes()).digest()


def test_draw_class_renders_what_draw_draws():
    drawing = draw("door", np.random.default_rng(0))
    assert rasterise(drawing).any()
    assert draw_class("door", 0, seed=0).shape == (0, 784)


def test_classes_differ_more_than_chance():
    """Nearest mean image: 10 % is chance. Neither hopeless nor so easy that ten averages tell all classes apart."""
    train = np.stack([draw_class(name, 100, seed=0) for name in DEFAULT]).astype(float)
    test = np.stack([draw_class(name, 40, seed=1) for name in DEFAULT]).astype(float)
    distances = ((test[:, :, None] - train.mean(axis=1)) ** 2).sum(axis=-1)
    accuracy = (distances.argmin(axis=-1) == np.arange(10)[:, None]).mean()
    assert 0.4 < accuracy < 0.9


def test_an_unknown_class_is_refused_with_the_ten_that_are_known():
    with pytest.raises(DataError) as caught:
        draw_class("unicorn", 1, seed=0)
    assert "unicorn" in str(caught.value)
    assert all(name in str(caught.value) for name in DEFAULT)
    with pytest.raises(DataError, match="unicorn"):
        draw_class("unicorn", 0, seed=0)
