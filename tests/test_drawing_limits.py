"""A drawing's strokes are plain numbers, and not too many of them."""

import pytest

from quickdraw.data.rendering.rasterise import rasterise, rasterise_all
from quickdraw.errors import DataError


@pytest.mark.parametrize(
    "strokes",
    [[[["12"], ["7"]]], [[[True], [False]]], [[[1, 2.0], [3, "4"]]], [[[0, 9], [None, 3]]], [[["1e2", 5], [5, 5]]]],
)
def test_texts_and_truth_values_are_no_coordinates(strokes: object) -> None:
    with pytest.raises(DataError, match="expected"):
        rasterise(strokes)  # type: ignore[arg-type]


def test_a_drawing_without_end_is_refused_before_it_is_rendered() -> None:
    zigzag = [[[x % 256 for x in range(30_000)], [255 * (x % 2) for x in range(30_000)]]]
    with pytest.raises(DataError, match=r"30,000 points .* at most 200,000 are rendered"):
        rasterise_all([zigzag])


def test_the_longest_drawing_of_sketchrnn_is_rendered() -> None:
    zigzag = [[list(range(250)), [255 * (x % 2) for x in range(250)]]]
    assert rasterise(zigzag)[10:18, 10:18].min() == 255
