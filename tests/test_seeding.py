"""Whatever is random is a function of the seed, the epoch and the step."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from quickdraw.data.augment import ROTATION_DEGREES, movements
from quickdraw.model.convnet import ConvNet
from quickdraw.seeding import seed_everything, seed_step, shuffled, step_bytes
from tests.support.program import Outcome


def initial(seed: int) -> dict[str, torch.Tensor]:
    seed_everything(seed)
    return ConvNet(num_classes=3).state_dict()


def test_one_seed_gives_the_same_initial_weights_everywhere_and_two_give_different_ones() -> None:
    first = initial(0)
    torch.rand(5)
    assert all(torch.equal(tensor, first[name]) for name, tensor in initial(0).items())
    assert not any(torch.equal(tensor, first[name]) for name, tensor in initial(1).items())
    seed_everything(0)
    assert torch.rand(1).item() == pytest.approx(0.49625658988952637, abs=0)  # torch's own, on every CPU


def test_a_runs_initial_weights_are_those_of_its_seed(run: Callable[..., Outcome]) -> None:
    outcome = run("seed=1", "trainer.epochs=1", "optimizer.lr=1e-38")  # a step changes nothing
    left = torch.load(outcome.run / "weights/quickdraw_net.pth", weights_only=True)
    assert all(torch.equal(tensor, left[name]) for name, tensor in initial(1).items())


def test_each_epoch_of_each_seed_has_an_order_of_its_own_and_always_the_same() -> None:
    orders = {shuffled(np.arange(50), seed, epoch).tobytes() for seed in range(3) for epoch in range(3) for _ in "ab"}
    assert len(orders) == 9
    assert sorted(shuffled(np.arange(50), 0, 1).tolist()) == list(range(50))


def test_augmentation_and_dropout_draw_from_streams_of_their_own() -> None:
    count = 50
    for step in range(3):
        seed_step(4, 2, step)
        words = step_bytes(8 * count).view(np.uint64)
        dropouts = (words >> np.uint64(11)) * 2.0**-52 - 1  # as numpy makes numbers in [-1, 1) of a stream
        matrices = movements(count, 1.0, 28, 4, 2, step)
        turns = np.degrees(np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0])) / ROTATION_DEGREES
        assert np.abs(turns).max() == pytest.approx(1, abs=0.2)
        assert not np.isclose(turns, dropouts, atol=1e-4).any()
