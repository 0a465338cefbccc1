"""Whatever is random is a function of the seed, the epoch and the step."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from quickdraw import seeding
from quickdraw.data.augment import ROTATION_DEGREES, movements
from quickdraw.model.convnet import ConvNet
from quickdraw.seeding import (
    device_bytes,
    device_key,
    hashed_bytes,
    mix,
    seed_everything,
    seed_step,
    shuffled,
    signed,
    step_bytes,
)
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


CPU = torch.device("cpu")


def test_the_bytes_of_a_device_are_splitmix64s() -> None:
    words = hashed_bytes(torch.tensor([1234567, signed(2**64 - 1)]), 0, 40).numpy().view(np.uint64)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert words[0].tolist() == [*published, 16408922859458223821]
    assert words[1].tolist() == [mix(2**64 - 1 + place * seeding.GOLDEN) for place in range(5)]


def test_a_mix_of_an_array_is_that_of_each_number() -> None:
    steps = np.arange(100, dtype=np.uint64)
    assert mix(7, 2**63, steps).tolist() == [mix(7, 2**63, step) for step in range(100)]


def test_the_bytes_of_a_device_have_every_value_equally_often_and_nothing_beside_them_tells_them() -> None:
    def of(seed: int, epoch: int, step: int) -> list[np.ndarray]:
        seed_step(seed, epoch, step)
        return [device_bytes(51_200, CPU).numpy() for _ in ("first layer", "second layer")]

    (first, layer), (step, _), (epoch, _), (seed, _) = of(3, 1, 4), of(3, 1, 5), of(3, 2, 4), of(4, 1, 4)
    for drawn in (first, layer, step, epoch, seed):
        counts = np.bincount(drawn, minlength=256)
        assert ((counts - 200) ** 2 / 200).sum() < 350  # chi squared with 255 degrees of freedom: 1 in 15,000
    neighbours = [(first[distance:], first[:-distance]) for distance in (1, 2, 7, 8, 64, 800)]
    for one, other in [*neighbours, (first, layer), (first, step), (first, epoch), (first, seed)]:
        assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / np.sqrt(len(one))
        kept = (one < 128) == (other < 128)
        assert abs(kept.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(len(one))


def test_the_key_that_a_device_reads_is_filled_in_place() -> None:
    seed_step(1, 2, 3)
    first = [device_bytes(count, CPU).clone() for count in (30, 5)]
    key = device_key(CPU)
    seed_step(1, 2, 4)
    assert device_key(CPU) is key
    assert not torch.equal(hashed_bytes(key, 0, 30)[0], first[0])
    seed_step(1, 2, 3)
    assert torch.equal(hashed_bytes(key, 0, 30)[0], first[0])  # as a captured step reads it
    assert [torch.equal(device_bytes(len(drawn), CPU), drawn) for drawn in first] == [True, True]
