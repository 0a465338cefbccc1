"""One split of the drawings, served in batches."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from quickdraw.data.batches import Batches
from quickdraw.data.drawings import Drawings
from quickdraw.data.resident import on_device, resident
from quickdraw.errors import DataError

SIZES = (5, 1, 9, 4)


@pytest.fixture
def files() -> list[np.ndarray]:
    """Four classes of random drawings, 19 in all."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (size, 784), dtype=np.uint8) for size in SIZES]


@pytest.fixture
def batches(files: list[np.ndarray]) -> Batches:
    """All but the third and the last drawing, in batches of 4: four whole ones and one drawing more."""
    return Batches(files, np.delete(np.arange(19), [2, 18]).astype(np.uint32), batch_size=4)


def joined(served: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*served, strict=True)
    return torch.cat(images), torch.cat(labels)


def equal(some: tuple[Tensor, Tensor], others: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


def test_validation_serves_every_drawing_in_order_scaled_with_its_label(
    files: list[np.ndarray], batches: Batches
) -> None:
    images, labels = joined(batches)
    pixels = np.delete(np.concatenate(files), [2, 18], axis=0)
    assert images.dtype == torch.float32
    assert torch.equal(images, torch.from_numpy(pixels.astype(np.float32) / np.float32(255)).view(-1, 1, 28, 28))
    assert labels.dtype == torch.int64
    assert labels.tolist() == np.delete(np.repeat(range(4), SIZES), [2, 18]).tolist() == batches.labels().tolist()


def test_paper_is_0_and_full_ink_is_1() -> None:
    drawing = np.array([[0] * 392 + [255] * 392], dtype=np.uint8)
    ((images, _),) = Batches([drawing], np.array([0]), batch_size=1)
    assert images.unique().tolist() == [0.0, 1.0]


def test_the_last_batch_holds_the_rest(batches: Batches) -> None:
    assert [len(labels) for _, labels in batches] == [4, 4, 4, 4, 1]
    assert [len(images) for images, _ in batches.epoch(seed=0, epoch=0)] == [4, 4, 4, 4, 1]
    assert len(batches) == 5


def test_training_serves_every_drawing_once_an_epoch_with_its_label(batches: Batches) -> None:
    def pairs(served: Iterable[tuple[Tensor, Tensor]]) -> list[tuple[bytes, int]]:
        return sorted((image.numpy().tobytes(), int(label)) for image, label in zip(*joined(served), strict=True))

    assert pairs(batches.epoch(seed=3, epoch=1)) == pairs(batches)


def test_order_is_a_function_of_seed_and_epoch_alone(batches: Batches) -> None:
    orders = {
        (seed, epoch): joined(batches.epoch(seed, epoch))[0].numpy().tobytes() for seed in (0, 1) for epoch in (0, 1)
    }
    assert len({*orders.values(), joined(batches)[0].numpy().tobytes()}) == 5
    torch.manual_seed(7)
    np.random.seed(7)
    assert joined(batches.epoch(1, 0))[0].numpy().tobytes() == orders[1, 0]


@pytest.mark.parametrize("start", range(6))
def test_starting_in_the_middle_of_an_epoch_serves_the_rest_of_the_same_order(batches: Batches, start: int) -> None:
    whole = list(batches.epoch(seed=2, epoch=3))
    rest = list(batches.epoch(seed=2, epoch=3, start=start))
    assert len(rest) == 5 - start
    assert all(equal(one, other) for one, other in zip(whole[start:], rest, strict=True))


def test_take_returns_the_drawings_at_some_positions_of_the_split(batches: Batches) -> None:
    images, labels = joined(batches)
    assert equal(batches.take(np.array([16, 0, 3])), (images[[16, 0, 3]], labels[[16, 0, 3]]))


@pytest.mark.parametrize("shape", [(784,), (28, 28), (1, 28, 28)])
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_arrays_in_memory_are_served_in_their_order_as_mapped_files_are(
    shape: tuple[int, ...], convert: Callable[[np.ndarray], Any], files: list[np.ndarray]
) -> None:
    order = np.random.default_rng(1).permutation(19)
    pixels, labels = np.concatenate(files)[order], np.repeat([0, 1, 2, 4], SIZES)[order]  # no drawing of class 3
    batches = Batches.from_arrays(convert(pixels.reshape(-1, *shape)), convert(labels), batch_size=4)
    images, served = joined(batches)
    assert served.tolist() == batches.labels().tolist() == labels.tolist()
    assert torch.equal(images, torch.from_numpy(pixels.astype(np.float32) / np.float32(255)).view(-1, 1, 28, 28))
    assert equal(batches.take(np.array([3])), (images[[3]], served[[3]]))
    shuffled = joined(batches.epoch(seed=0, epoch=0))
    assert sorted(shuffled[1].tolist()) == sorted(labels.tolist())
    assert shuffled[1].tolist() != labels.tolist()


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (np.zeros((2, 784), np.float32), [0, 1], r"expected images uint8 .* got float32 \[2, 784\]"),
        (np.zeros((2, 783), np.uint8), [0, 1], r"got uint8 \[2, 783\]"),
        (np.zeros((0, 784), np.uint8), [], r"got uint8 \[0, 784\]"),
        (np.zeros((2, 784), np.uint8), [0], r"expected 2 labels, .* got int64 \[1\]"),
        (np.zeros((2, 784), np.uint8), [0, -1], r"from 0 on, .* one of them -1"),
        (np.zeros((2, 784), np.uint8), [0.0, 1.0], r"got float64 \[2\]"),
    ],
)
def test_other_arrays_are_refused_in_a_line(images: np.ndarray, labels: list[float], expected: str) -> None:
    with pytest.raises(DataError, match=expected) as error:
        Batches.from_arrays(images, labels, batch_size=4)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("balance", [False, True])
def test_a_device_that_holds_the_drawings_serves_the_same_batches(batches: Batches, balance: bool) -> None:
    batches.balance = balance
    there = on_device(batches, "cpu")
    for served, expected in ((there, batches), (there.epoch(3, 1, start=1), batches.epoch(3, 1, start=1))):
        pairs = list(zip(served, expected, strict=True))
        assert pairs
        for ours, theirs in pairs:
            assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("chunk", [1, 4, 5, 16, 17, 18])
def test_every_drawing_is_on_the_device_in_chunks_of_any_size(
    batches: Batches, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("quickdraw.data.resident.CHUNK", chunk)
    monkeypatch.setattr("torch.empty", lambda *size, **how: torch.full(*size, 7, **how))
    assert equal(joined(on_device(batches, "cpu")), joined(batches))


def test_drawings_taken_from_a_device_are_those_of_the_files(batches: Batches) -> None:
    positions = np.array([16, 0, 3, 3])
    assert equal(on_device(batches, "cpu").take(positions), batches.take(positions))


def test_a_device_leaves_the_batches_that_it_serves_as_they_were(batches: Batches) -> None:
    files = batches.files
    on_device(batches, "cpu")
    assert batches.files is files
    assert type(batches.drawings) is Drawings


def test_drawings_are_the_files_seen_as_one_array(files: list[np.ndarray]) -> None:
    drawings, whole = Drawings(files), np.concatenate(files)
    indices = np.random.default_rng(2).integers(0, 19, 60).astype(np.uint32)
    assert len(drawings) == 19
    np.testing.assert_array_equal(drawings[indices], whole[indices])
    np.testing.assert_array_equal(drawings.labels(indices), np.repeat(range(4), SIZES)[indices])
    assert drawings[indices[:0]].shape == (0, 784)


def test_a_device_that_holds_drawings_from_arrays_serves_them_in_their_order() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8)
    batches = Batches.from_arrays(images, [2, 0, 1, 2, 2, 0, 1, 0, 2], batch_size=4)
    for ours, theirs in zip(on_device(batches, "cpu"), batches, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_cpu_maps_the_files(batches: Batches) -> None:
    assert resident(batches, "cpu") is batches
