"""Which drawing is for training, which for validation, which for the test."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from quickdraw.data import split as module
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.dataset import FileDataset
from quickdraw.data.doodles import draw
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.data.split import TEST, TRAIN, VAL, shortened, split
from quickdraw.data.strokes import Strokes
from quickdraw.data.synthetic import Synthetic
from quickdraw.errors import DataError

SIZES = st.lists(st.integers(7, 60), min_size=2, max_size=6)


def different_drawings(sizes: list[int]) -> list[np.ndarray]:
    """Return that many drawings of each class, no two of them alike."""
    everything = np.random.default_rng(0).integers(0, 256, (sum(sizes), 784), dtype=np.uint8)
    return np.split(everything, np.cumsum(sizes)[:-1])


def names(rows: list[np.ndarray]) -> list[str]:
    return [f"class {number}" for number in range(len(rows))]


def recipe(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the indices of train, val and test as the plain loop, ../shared/bench/course_loop.py, splits them."""
    indices = np.arange(len(labels))
    train, rest, _, rest_labels = train_test_split(indices, labels, test_size=0.3, random_state=seed, stratify=labels)
    val, test, _, _ = train_test_split(rest, rest_labels, test_size=0.5, random_state=seed, stratify=rest_labels)
    return [np.sort(part) for part in (train, val, test)]


def test_real_drawings_are_split_as_in_the_plain_loop(real_drawings: Path, tmp_path: Path) -> None:
    data = Bitmaps(real_drawings / "bitmap", DEFAULT_CLASSES, cache=tmp_path)
    expected = recipe(np.repeat(range(10), [len(file) for file in data.train.files]), seed=42)
    assert data.copies == 0
    for batches, indices in zip((data.train, data.val, data.test), expected, strict=True):
        np.testing.assert_array_equal(batches.indices, indices)


@settings(max_examples=40, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1), run_seed=st.integers(0, 2**32 - 1))
def test_every_class_is_in_every_split_whatever_the_sizes_and_the_run(
    sizes: list[int], seed: int, run_seed: int
) -> None:
    rows = different_drawings(sizes)
    np.random.seed(run_seed)  # what a split with `random_state=None` would depend on
    parts, copy = split(rows, names(rows), seed)
    labels = np.repeat(range(len(sizes)), sizes)
    assert not copy.any()
    for part, expected in zip((TRAIN, VAL, TEST), recipe(labels, seed), strict=True):
        np.testing.assert_array_equal(np.flatnonzero(parts == part), expected)
        assert set(labels[parts == part]) == set(range(len(sizes)))
    assert np.isin(parts, (TRAIN, VAL, TEST)).all()


@settings(max_examples=40, deadline=None)
@given(plants=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=30))
def test_identical_drawings_sit_in_one_split_and_are_counted(plants: list[tuple[int, int]]) -> None:
    pixels = np.concatenate(different_drawings([100]))
    for place, source in plants:  # within a class and across classes, copies of copies too
        pixels[place] = pixels[source]
    parts, copy = split([pixels[:30], pixels[30:60], pixels[60:]], ["a", "b", "c"], seed=42)
    first = {drawing.tobytes(): index for index, drawing in reversed(list(enumerate(pixels)))}
    firsts = np.array([first[drawing.tobytes()] for drawing in pixels])
    np.testing.assert_array_equal(parts, parts[firsts])
    np.testing.assert_array_equal(copy, firsts != np.arange(100))


def test_a_data_set_says_how_many_drawings_are_copies(tmp_path: Path) -> None:
    cats, moons = different_drawings([40, 40])
    cats[7] = cats[3]
    moons[:5] = cats[3]
    for name, rows in (("cat", cats), ("moon", moons)):
        np.save(tmp_path / f"{name}.npy", rows)
    for _ in ("computed", "from the cache"):
        data = Bitmaps(tmp_path, ["cat", "moon"], cache=tmp_path / "cache")
        assert data.copies == data.counts()["copies"] == 6
        assert "6 identical to an earlier one" in str(data)
        homes = [part for part in (data.train, data.val, data.test) if 3 in part.indices]
        assert len(homes) == 1
        assert set(homes[0].indices) >= {3, 7, 40, 41, 42, 43, 44}


@pytest.mark.parametrize("same_drawing", [False, True], ids=["few drawings", "few different drawings"])
def test_a_class_with_too_few_drawings_is_named(same_drawing: bool) -> None:
    rows = different_drawings([20, 6, 20, 3, 7])
    if same_drawing:
        rows[1] = np.concatenate([rows[1], np.repeat(rows[1][:1], 50, axis=0)])
    with pytest.raises(DataError, match=r"'class 1' has 6, 'class 3' has 3; raise data\.limit_per_class") as error:
        split(rows, names(rows), seed=42)
    assert "class 4" not in str(error.value)


LIMITS = st.lists(st.integers(0, 200), min_size=2, max_size=4)


@settings(max_examples=40, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1), more=LIMITS)
def test_a_smaller_limit_takes_some_of_a_larger_one_and_of_each_class_its_share(
    sizes: list[int], seed: int, more: list[int]
) -> None:
    starts = np.cumsum([0, *sizes])
    train = np.flatnonzero(module.stratified_parts(sizes, seed) == TRAIN).astype(np.uint32)
    each = np.diff(np.searchsorted(train, starts))
    larger: set[int] = {*train.tolist()}
    for limit in sorted((min(len(sizes) + extra, len(train)) for extra in more), reverse=True):
        cut = shortened(train, starts, seed, limit, None)
        assert len(cut) == limit
        assert (np.diff(cut.astype(int)) > 0).all()
        assert {*cut.tolist()} <= larger
        taken = np.diff(np.searchsorted(cut, starts))
        assert (taken >= 1).all()
        assert (np.abs(taken - each * limit / len(train)) <= len(sizes)).all()
        larger = {*cut.tolist()}


def opener(kind: str, tmp_path: Path, drawings: Path) -> Callable[..., FileDataset]:
    """What opens a data set of two classes."""
    root = tmp_path / "data"
    root.mkdir()
    for number, name in enumerate(("cat", "moon")):
        (root / f"{name}.npy").write_bytes((drawings / f"{name}.npy").read_bytes())
        lines = [json.dumps({"drawing": draw(name, np.random.default_rng([number, row]))}) for row in range(60)]
        (root / f"{name}.ndjson").write_text("\n".join(lines))

    def opened(**changes: Any) -> FileDataset:
        known: dict[str, Any] = {"classes": ["cat", "moon"], "cache": tmp_path / "cache", **changes}
        if kind == "synthetic":
            return Synthetic(per_class=60, **known)
        return (Bitmaps if kind == "bitmaps" else Strokes)(root, **known)

    return opened


@pytest.mark.parametrize("kind", ["bitmaps", "strokes", "synthetic"])
def test_train_limit_and_fraction_leave_val_and_test_as_they_are(kind: str, tmp_path: Path, drawings: Path) -> None:
    opened = opener(kind, tmp_path, drawings)
    whole = opened()
    assert len(whole.train.indices) == 84
    sizes = {
        (("train_limit", 10),): 10,
        (("train_limit", 500),): 84,
        (("train_fraction", 0.25),): 21,
        (("train_fraction", 1.0),): 84,
        (("train_limit", 30), ("train_fraction", 0.25)): 21,
    }
    for changes, size in sizes.items():
        data, again = opened(**dict(changes)), opened(**dict(changes))
        assert data.counts()["train"] == size
        assert np.isin(data.train.indices, whole.train.indices).all()
        np.testing.assert_array_equal(data.train.indices, again.train.indices)
        np.testing.assert_array_equal(data.val.indices, whole.val.indices)
        np.testing.assert_array_equal(data.test.indices, whole.test.indices)
    other = opened(train_limit=10, split_seed=7).train.indices
    assert not np.isin(other, opened(train_limit=10).train.indices).all()
    with pytest.raises(DataError, match="at least 2 training drawings, one of each class, got 1; raise"):
        opened(train_limit=1)


def test_with_a_test_seed_the_split_seed_divides_only_what_nobody_tests_on() -> None:
    sizes = [40, 61, 90]
    default, apart = module.stratified_parts(sizes, 42), module.stratified_parts(sizes, 42, 42)
    np.testing.assert_array_equal(apart, default)
    others = [module.stratified_parts(sizes, seed, 42) for seed in (1, 2)]
    for parts in others:
        np.testing.assert_array_equal(parts == TEST, default == TEST)
        assert np.bincount(parts).tolist() == np.bincount(default).tolist()
        labels = np.repeat(range(3), sizes)
        of_each = np.bincount(labels[parts == VAL], minlength=3)
        assert (np.abs(of_each - np.bincount(labels[default == VAL], minlength=3)) <= 1).all()
        assert (parts != default).any()
    assert (others[0] != others[1]).any()


@pytest.mark.parametrize("kind", ["bitmaps", "strokes", "synthetic"])
def test_every_data_set_keeps_its_test_split_apart(kind: str, tmp_path: Path, drawings: Path) -> None:
    opened = opener(kind, tmp_path, drawings)
    default, cold, warm = opened(), opened(split_seed=7, test_seed=42), opened(split_seed=7, test_seed=42)
    np.testing.assert_array_equal(cold.test.indices, default.test.indices)
    assert not np.array_equal(cold.val.indices, default.val.indices)
    np.testing.assert_array_equal(cold.val.indices, warm.val.indices)
    assert not np.array_equal(opened(split_seed=7).test.indices, default.test.indices)


def test_equal_hashes_do_not_make_different_drawings_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = different_drawings([20, 20])
    rows[1][4] = rows[0][2]
    expected = split(rows, names(rows), seed=42)
    monkeypatch.setattr(module, "hash_rows", lambda rows: np.zeros(len(rows), dtype=np.uint64))
    colliding = split(rows, names(rows), seed=42)
    np.testing.assert_array_equal(colliding, expected)
    assert np.flatnonzero(colliding[1]).tolist() == [24]


@settings(max_examples=100, deadline=None)
@given(position=st.integers(0, 783), change=st.integers(1, 255))
def test_drawings_that_differ_in_one_pixel_have_different_hashes(position: int, change: int) -> None:
    drawing = np.random.default_rng(1).integers(0, 256, (1, 784), dtype=np.uint8)
    other = drawing.copy()
    other[0, position] ^= change
    assert module.hash_rows(drawing) != module.hash_rows(other)
