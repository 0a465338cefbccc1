"""What is told of drawings by looking at them."""

from pathlib import Path

import numpy as np
import pytest

from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.doodles import draw_class
from quickdraw.explore import drawings, gallery
from quickdraw.explore.drawings import find_drawings


def drawing(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return black boxes (top, bottom, left, right) on paper, uint8 [784]."""
    canvas = np.zeros((28, 28), np.uint8)
    for top, bottom, left, right in boxes:
        canvas[top:bottom, left:right] = 255
    return canvas.reshape(784)


@pytest.fixture
def files() -> list[np.ndarray]:
    """Three classes of 40 drawings by chance."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (40, 784), dtype=np.uint8) for _ in range(3)]


def test_ink_counts_pixels_and_brightness_weighs_them() -> None:
    half_grey = drawing()
    half_grey[:392] = 51
    rows = np.stack([drawing(), drawing((0, 28, 0, 28)), half_grey])
    assert drawings.ink(rows).tolist() == [0, 1, 0.5]
    assert drawings.brightness(rows) == pytest.approx([0, 1, 0.1])


def test_what_is_counted_in_pieces_is_what_is_counted_at_once(
    files: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "PIECE", 7)
    assert drawings.ink(files[0]).tolist() == (files[0] > 0).mean(axis=1).tolist()
    assert drawings.brightness(files[0]) == pytest.approx(files[0].mean(axis=1) / 255)
    assert drawings.mean_image(files[0]) == pytest.approx(files[0].mean(axis=0) / 255)


def test_drawings_are_picked_by_their_place_in_all_files(files: list[np.ndarray]) -> None:
    assert drawings.pick(files, [119, 0, 40]).tolist() == [
        files[2][39].tolist(),
        files[0][0].tolist(),
        files[1][0].tolist(),
    ]
    assert drawings.pick(files, []).shape == (0, 784)


def test_some_of_each_are_different_drawings_of_the_class(files: list[np.ndarray]) -> None:
    some = drawings.some_of_each([files[0], files[1][:3]], 12)
    assert [len(rows) for rows in some] == [12, 3]
    assert len({row.tobytes() for row in some[0]}) == 12
    assert {row.tobytes() for row in some[0]} < {row.tobytes() for row in files[0]}


def test_the_first_folder_with_drawings_of_two_classes_is_found(tmp_path: Path, drawings: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    np.save(tmp_path / "one" / "cat.npy", draw_class("cat", 8, seed=0))
    folders = (tmp_path / "absent", tmp_path / "empty", tmp_path / "one")
    assert find_drawings(*folders, drawings) == (drawings, ["cat", "moon", "door"])
    assert find_drawings(*folders) is None


def test_the_table_of_files_says_what_they_hold_largest_first(tmp_path: Path) -> None:
    for name, count in (("cat", 10), ("moon", 30)):
        np.save(tmp_path / f"{name}.npy", draw_class(name, count, seed=0))
    data = Bitmaps(tmp_path, ["cat", "moon"], limit_per_class=8, cache=tmp_path)
    table = drawings.file_table(data.paths)
    assert table.index.tolist() == ["moon", "cat"]
    assert table.loc["cat"].to_dict() == {
        "drawings": 10,
        "share": 0.25,
        "shape": "[10, 784]",
        "dtype": "uint8",
        "MB": (10 * 784 + 128) / 1e6,
        "MB as float32": 10 * 784 * 4 / 1e6,
    }


def test_the_nearest_of_each_is_that_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "BLOCK", 7)
    files = [draw_class(name, 15, seed=0) for name in ("circle", "moon")]
    nearest = drawings.nearest(files)
    black = np.concatenate(files).reshape(30, 14, 2, 14, 2).max(axis=(2, 4)) > 127
    for place in range(30):
        likeness = [(black[place] & other).sum() / (black[place] | other).sum() for other in black]
        likeness[place] = -1
        assert nearest.index[place] == place
        assert nearest.likeness[place] == pytest.approx(max(likeness))
        assert likeness[nearest.other[place]] == pytest.approx(max(likeness))
    assert nearest.label.tolist() == [0] * 15 + [1] * 15
    assert nearest.other_label.tolist() == (nearest.other >= 15).astype(int).tolist()


def test_a_line_one_pixel_off_is_still_nearly_identical() -> None:
    line, moved, other = drawing((10, 11, 4, 24)), drawing((11, 12, 4, 24)), drawing((4, 24, 10, 11))
    nearest = drawings.nearest([np.stack([line, moved, other])])
    assert nearest.likeness[:2].tolist() == [1, 1]
    assert nearest.likeness[2] < 0.1


def test_pairs_come_once_the_most_alike_first_and_by_class() -> None:
    box = drawing((4, 24, 4, 24))
    nearly = drawing((4, 24, 4, 22))
    far, empty = drawing((0, 4, 0, 28)), drawing()
    nearest = drawings.nearest([np.stack([box, far]), np.stack([nearly, empty]), np.stack([far, empty])])
    assert nearest.pairs(0.85, across=True).tolist() == [[1, 4], [0, 2]]
    assert nearest.pairs(0.95, across=True).tolist() == [[1, 4]]
    assert nearest.pairs(0.0, across=False).tolist() == []
    table = nearest.table(["a", "b", "c"], 0.85)
    assert table["like one of another class"].to_dict() == {"a": 2, "b": 1, "c": 1}
    assert table["share"].to_dict() == {"a": 1.0, "b": 0.5, "c": 0.5}


def test_of_many_drawings_a_sample_is_compared(files: list[np.ndarray]) -> None:
    nearest = drawings.nearest(files, most=50)
    assert len(set(nearest.index.tolist())) == 50
    assert set(nearest.other.tolist()) <= set(nearest.index.tolist())
    assert nearest.table(["a", "b", "c"], 0.9)["looked at"].sum() == 50


def test_a_mosaic_shows_each_drawing_in_its_classes_row(files: list[np.ndarray]) -> None:
    figure = gallery.mosaic({"a": files[0][:3], "b": files[1][:1] / np.float32(255)})
    (image,) = figure.axes[0].images
    pixels = np.asarray(image.get_array())
    assert pixels.shape == (2 * 29 + 1, 3 * 29 + 1)
    assert pixels[1:29, 59:87].ravel().tolist() == files[0][2].tolist()
    assert pixels[30:58, 1:29].ravel() == pytest.approx(files[1][0])
    assert not pixels[30:58, 30:].any()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]


def test_pictures_show_the_numbers_they_are_given(files: list[np.ndarray]) -> None:
    figure = gallery.counts({"cat": 12_345, "moon": 5})
    assert {"12,345", "5"} <= {text.get_text() for text in figure.axes[0].texts}
    figure = gallery.distributions({"Ink": [drawings.ink(file) for file in files]}, ["a", "b", "c"])
    medians = figure.axes[0].lines[0].get_xdata()
    assert list(medians) == [np.median(drawings.ink(file)) for file in files]
    figure = gallery.pairs(files, np.array([[0, 119], [41, 2]]), ["a", "b", "c"])
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", "a"]


def test_a_notebook_shows_a_picture_by_itself(files: list[np.ndarray]) -> None:
    shown = gallery.mosaic({"a": files[0][:2]})._repr_png_()  # type: ignore[attr-defined]
    assert shown.startswith(b"\x89PNG")
