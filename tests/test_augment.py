"""Small movements of the training drawings: `data.augment`."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from quickdraw import engine
from quickdraw.data.augment import ROTATION_DEGREES, SCALE, SHIFT_PIXELS, moves
from quickdraw.data.augment import moved as move
from quickdraw.data.batches import Batches
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.strokes import Strokes
from quickdraw.data.synthetic import Synthetic


def pictures(count: int = 8) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def dots(x: int, y: int, count: int = 2000) -> Tensor:
    """Return equal images of one soft dot, its centre x and y pixels off the images' centre."""
    axis = torch.arange(28) - 13.5
    ink = torch.exp(-((axis - x) ** 2) / 4) * torch.exp(-((axis - y) ** 2) / 4)[:, None]
    return ink.expand(count, 1, 28, 28)


def centres(images: Tensor) -> np.ndarray:
    """Return where the ink is on average, in pixels from the centre, x and y: [B, 2]."""
    axis = torch.arange(28) - 13.5
    ink = images[:, 0] / images.sum(dim=(1, 2, 3))[:, None, None]
    return torch.stack([(ink * axis).sum(dim=(1, 2)), (ink * axis[:, None]).sum(dim=(1, 2))], dim=1).numpy()


def augment(images: Tensor, strength: float, seed: int, epoch: int, step: int) -> Tensor:
    """What a training step does to its images."""
    matrices = moves(len(images), strength, seed, epoch, step, images.shape[-1])
    return images if matrices is None else move(images, matrices)


def test_strength_0_moves_nothing() -> None:
    assert moves(8, 0.0, 1, 2, 3) is None


def test_movements_are_a_function_of_seed_epoch_and_step() -> None:
    moved = {step: augment(pictures(), 0.5, *step) for step in ((1, 2, 3), (0, 2, 3), (1, 0, 3), (1, 2, 0), (2, 1, 3))}
    assert len({tensor.numpy().tobytes() for tensor in moved.values()}) == len(moved)
    torch.manual_seed(7)
    np.random.seed(7)
    assert torch.equal(augment(pictures(), 0.5, 1, 2, 3), moved[1, 2, 3])


def test_every_image_of_a_batch_moves_in_its_own_way() -> None:
    moved = augment(pictures(1).expand(50, -1, -1, -1), 0.5, 0, 0, 0)
    assert len({image.numpy().tobytes() for image in moved}) == 50


@settings(max_examples=50, deadline=None)
@given(strength=st.floats(0, 1), step=st.integers(0, 1000), count=st.integers(1, 5))
def test_pixels_stay_in_0_to_1_and_images_in_their_form(strength: float, step: int, count: int) -> None:
    for images in (pictures(count), torch.ones(count, 1, 28, 28), torch.zeros(count, 1, 28, 28)):
        before = images.clone()
        moved = augment(images, strength, 0, 0, step)
        assert (moved.shape, moved.dtype) == (images.shape, torch.float32)
        assert moved.min() >= 0
        assert moved.max() <= 1
        assert torch.equal(images, before)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_shift_rotation_and_scale_reach_their_limits_and_no_further(strength: float) -> None:
    middle, right = (centres(augment(dots(x, 0), strength, 0, 0, 0)) for x in (0, 6))
    arm = right - middle  # both batches moved alike
    for movement, limit in (
        (middle[:, 0], strength * SHIFT_PIXELS),
        (middle[:, 1], strength * SHIFT_PIXELS),
        (np.degrees(np.arctan2(arm[:, 1], arm[:, 0])), strength * ROTATION_DEGREES),
        (np.log(np.hypot(arm[:, 0], arm[:, 1]) / 6), strength * math.log(SCALE)),
    ):
        assert np.abs(movement).max() <= 1.05 * limit  # pixels tell a dot's centre nearly
        assert movement.max() > 0.9 * limit
        assert movement.min() < -0.9 * limit


class Recorder(nn.Module):
    """Tells the inked class from the blank one by its ink, and remembers what it was shown in each mode."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.seen: dict[bool, list[Tensor]] = {True: [], False: []}

    def forward(self, x: Tensor) -> Tensor:
        self.seen[self.training].append(x.clone())
        ink = x.sum(dim=(1, 2, 3))
        return self.scale * torch.stack([0.5 - ink, ink - 0.5], dim=1)


def trained(strength: float, epochs: int = 2) -> tuple[Recorder, list[engine.EpochRecord], Batches]:
    random = np.random.default_rng(0)
    files = [np.zeros((10, 784), np.uint8), random.integers(0, 256, (10, 784), dtype=np.uint8)]
    batches = Batches(files, np.arange(20), batch_size=8, augment=strength)
    net = Recorder()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    history = engine.train(net, optimizer, batches, batches, epochs=epochs, on_epoch=lambda record: None, seed=3)
    return net, history, batches


def test_training_sees_drawings_moved_by_epoch_and_step_with_their_labels() -> None:
    net, history, batches = trained(0.5)
    assert [record["train_accuracy"] for record in history] == [1, 1]
    wanted = [
        augment(images, 0.5, 3, epoch, step)
        for epoch in (0, 1)
        for step, (images, _) in enumerate(batches.epoch(3, epoch))
    ]
    assert len(net.seen[True]) == len(wanted) == 6
    assert all(torch.equal(some, other) for some, other in zip(net.seen[True], wanted, strict=True))


def test_validation_and_test_see_the_drawings_themselves() -> None:
    net, _, batches = trained(1.0, epochs=1)
    engine.test(net, batches)
    own = [images for images, _ in batches]
    assert len(net.seen[False]) == 2 * len(own)
    assert all(torch.equal(some, other) for some, other in zip(net.seen[False], [*own, *own], strict=True))


def test_without_augmentation_training_sees_the_drawings_themselves() -> None:
    net, _, batches = trained(0.0, epochs=1)
    assert all(torch.equal(some, other) for some, (other, _) in zip(net.seen[True], batches.epoch(3, 0), strict=True))


@pytest.mark.parametrize("data_set", ["bitmaps", "strokes", "synthetic"])
def test_every_data_set_augments_training_alone_and_only_when_asked(
    data_set: str, drawings: Path, tmp_path: Path
) -> None:
    for name, y in (("cat", 255), ("moon", 100)):
        lines = (json.dumps({"word": name, "recognized": True, "drawing": [[[0, 9 * x], [0, y]]]}) for x in range(9))
        (tmp_path / f"{name}.ndjson").write_text("\n".join(lines))
    make: dict[str, Callable[..., Bitmaps]] = {
        "bitmaps": partial(Bitmaps, drawings),
        "strokes": partial(Strokes, tmp_path),
        "synthetic": partial(Synthetic, per_class=7),
    }
    data = make[data_set](classes=["cat", "moon"], augment=0.5, cache=tmp_path / "cache")
    assert (data.train.augment, data.val.augment, data.test.augment) == (0.5, 0, 0)
    assert make[data_set](classes=["cat", "moon"], cache=tmp_path / "cache").train.augment == 0
