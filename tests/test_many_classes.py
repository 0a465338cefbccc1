"""All 345 classes, and classes of uneven size: `data.classes=all`, `data.balance=true`."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickdraw.data.batches import Batches
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.fetch.official import class_names
from quickdraw.data.split import unpacked
from quickdraw.data.strokes import Strokes
from quickdraw.data.synthetic import Synthetic
from quickdraw.errors import ConfigError, DataError

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=8)
seeds = st.integers(0, 2**63 - 1)


def test_all_are_the_345_official_classes(real_drawings: Path, tmp_path: Path) -> None:
    data = Bitmaps(real_drawings / "bitmap_345", "all", cache=tmp_path)
    assert data.classes == class_names()
    assert len(data.classes) == 345
    assert data.counts()["total"] == 345 * 120
    images, labels = data.test.take(np.array([0, len(data.test.indices) - 1]))
    assert labels.tolist() == [0, 344]
    assert images.shape == (2, 1, 28, 28)


@pytest.mark.parametrize(("data_set", "ending"), [(Bitmaps, ".npy"), (Strokes, ".ndjson or .npz")])
def test_of_all_classes_some_missing_ones_are_named_and_the_rest_counted(
    tmp_path: Path, data_set: type[Bitmaps | Strokes], ending: str
) -> None:
    np.save(tmp_path / "cat.npy", np.zeros((9, 784), np.uint8))
    with pytest.raises(DataError) as error:
        data_set(tmp_path, "all")
    first, remedy = str(error.value).splitlines()
    missing = 344 if data_set is Bitmaps else 345
    assert first.startswith(f"{missing} of 345 class files are missing: {tmp_path / 'aircraft carrier'}{ending}, ")
    assert first.endswith(f" and {missing - 10} more")
    assert "python -m quickdraw.data.download --all " in remedy


def test_all_synthetic_classes_are_those_it_can_draw(tmp_path: Path) -> None:
    assert len(Synthetic(per_class=7, classes="all", cache=tmp_path).classes) == 10


@pytest.mark.parametrize("data_set", [Bitmaps, Strokes])
def test_another_word_than_all_is_refused(tmp_path: Path, data_set: type[Bitmaps | Strokes]) -> None:
    with pytest.raises(ConfigError, match=r"data\.classes: expected a list of class names or all, got 'cat'"):
        data_set(tmp_path, "cat")


def test_the_index_of_a_split_takes_four_bytes_a_drawing(drawings: Path, tmp_path: Path) -> None:
    data = Bitmaps(drawings, ["cat", "moon", "door"], cache=tmp_path)
    assert sum(part.indices.nbytes for part in (data.train, data.val, data.test)) == 4 * data.counts()["total"]


def test_a_packed_split_is_unpacked_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(0).choice(np.array([0, 1, 2, 4, 5, 6], np.uint8), 1000)
    whole, copies = unpacked(codes)
    monkeypatch.setattr("quickdraw.data.split.PIECE", 7)
    pieces, again = unpacked(codes)
    assert copies == again == np.count_nonzero(codes > 3)
    for part, (one, other) in enumerate(zip(whole, pieces, strict=True)):
        assert one.dtype == np.uint32
        np.testing.assert_array_equal(one, np.flatnonzero(codes % 4 == part))
        np.testing.assert_array_equal(one, other)


def uneven(sizes: list[int], batch_size: int = 4) -> Batches:
    """Return balanced batches of blank drawings, that many of each class, of which the first is left out."""
    files = [np.zeros((size + 1, 784), np.uint8) for size in sizes]
    starts = np.cumsum([0, *(size + 1 for size in sizes)])
    return Batches(files, np.delete(np.arange(starts[-1]), starts[:-1]).astype(np.uint32), batch_size, balance=True)


def order(batches: Batches, seed: int, epoch: int) -> np.ndarray:
    """Return the indices of the drawings that an epoch serves."""
    served: list[np.ndarray] = []
    gather = batches.drawings.gather
    batches.drawings.gather = lambda places: served.append(places) or gather(places)  # type: ignore[method-assign, func-returns-value]
    list(batches.epoch(seed, epoch))
    batches.drawings.gather = gather  # type: ignore[method-assign]
    return np.concatenate(served)


@settings(max_examples=100, deadline=None)
@given(sizes=SIZES, seed=seeds, epoch=st.integers(0, 1000))
def test_a_balanced_epoch_is_as_long_and_draws_every_class_and_its_drawings_equally_often(
    sizes: list[int], seed: int, epoch: int
) -> None:
    batches = uneven(sizes)
    drawn = order(batches, seed, epoch)
    assert len(drawn) == sum(sizes)
    assert set(drawn) <= set(batches.indices)
    labels = batches.drawings.labels(drawn)
    assert np.ptp(np.bincount(labels, minlength=len(sizes))) <= 1
    for label in range(len(sizes)):
        own = batches.indices[batches.labels() == label]
        assert np.ptp([np.count_nonzero(drawn == index) for index in own]) <= 1


def test_balanced_epochs_are_a_function_of_seed_and_epoch_in_mixed_order() -> None:
    batches = uneven([50, 3, 20])
    orders = {(seed, epoch): order(batches, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)}
    assert len(set(map(tuple, orders.values()))) == 4
    assert order(uneven([50, 3, 20]), 1, 0).tolist() == orders[1, 0]
    assert len(set(orders[0, 0]) | set(orders[0, 1])) > len(set(orders[0, 0]))  # others of the large class


@pytest.mark.parametrize("start", [0, 1, 4, 18, 19])
def test_a_balanced_epoch_continues_where_it_was_left(start: int) -> None:
    whole = [labels.tolist() for _, labels in uneven([50, 3, 20]).epoch(5, 2)]
    assert [labels.tolist() for _, labels in uneven([50, 3, 20]).epoch(5, 2, start)] == whole[start:]


def test_only_training_is_balanced(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, size in (("cat", 100), ("moon", 20)):
        np.save(tmp_path / f"{name}.npy", random.integers(0, 256, (size, 784), dtype=np.uint8))
    data = Bitmaps(tmp_path, ["cat", "moon"], balance=True, cache=tmp_path / "cache")
    drawn = np.concatenate([labels for _, labels in data.train.epoch(0, 0)])
    assert np.bincount(drawn).tolist() == [42, 42]
    for part, counts in ((data.val, [15, 3]), (data.test, [15, 3])):
        assert np.bincount(np.concatenate([labels for _, labels in part])).tolist() == counts
