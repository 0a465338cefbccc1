"""Lanes on a GPU: a lane learns what a training alone does, and its bits depend on the width only."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from quickdraw import engine
from quickdraw.data.batches import Batches
from quickdraw.data.resident import on_device
from tests.gpu import GPU
from tests.support.training import network, same, saved, weights, without_times

pytest.importorskip("quickdraw.lanes", reason="lanes are not in this checkout")
from quickdraw.lanes import train
from quickdraw.lanes.dropout import Streams
from tests.support.packs import BY_LANE, RATES, SETTINGS, Job, trained

pytestmark = GPU
WIDTH = 8


@pytest.fixture
def batches(files: list[np.ndarray], val_batches: Batches) -> tuple[Batches, Batches]:
    """90 training drawings in two batches of 32 and one of 26, moved, and 80 others, in the GPU's memory."""
    train_batches = Batches(files, np.arange(0, 180, 2), batch_size=32, balance=True, augment=0.5)
    return on_device(train_batches, "cuda"), on_device(val_batches, "cuda")


@pytest.fixture
def full_float32() -> Iterator[None]:
    """Convolutions in float32, as on the CPU, without TF32's 10 bits; matrix products are so by default."""
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


def job(lane: int, optimizer: str = "adamw", **settings: Any) -> Job:
    """A training on the GPU whose settings are those of a lane in the tables of `tests.support.packs`."""
    net = network(lane, RATES[lane]).cuda()
    return Job(lane, BY_LANE[optimizer][lane], net, **(SETTINGS[lane] | settings))


@pytest.mark.usefixtures("full_float32")
@pytest.mark.parametrize("optimizer", BY_LANE)
def test_each_lane_learns_what_a_training_alone_does_to_rounding(
    batches: tuple[Batches, Batches], optimizer: str
) -> None:
    lanes = trained(4, batches, [job(lane, optimizer, epochs=1) for lane in range(4)])
    for lane, own in enumerate(lanes):
        net = network(lane, RATES[lane]).cuda()
        before = weights(net)
        settings = SETTINGS[lane] | {"epochs": 1, "seed": lane, "progress": False, "on_epoch": lambda record: None}
        engine.train(net, BY_LANE[optimizer][lane](net.parameters()), *batches, **settings)
        for name, tensor in weights(net).items():  # Adam makes much of the rounding of a gradient that is nearly 0
            learnt = (tensor - before[name]).norm()
            assert (own.net.state_dict()[name] - tensor).norm() < 0.02 * learnt, (lane, name)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_bits_depend_neither_on_the_lane_nor_on_neighbours_nor_on_refilling(
    batches: tuple[Batches, Batches], precision: str
) -> None:
    fixed = {"precision": precision}
    (alone,) = trained(WIDTH, batches, [job(1, **fixed)])
    others = [job(lane, epochs=epochs, **fixed) for lane, epochs in ((0, 1), (2, 3), (3, 2), (0, 1), (2, 1))]
    others += [job(3, epochs=1, **fixed) for _ in range(WIDTH)]
    for place in (0, 3, WIDTH, len(others)):  # from the ninth on in lanes that others have left
        neighbours = [job(each.training.seed, **each.training.trainer) for each in others]
        beside = trained(WIDTH, batches, [*neighbours[:place], job(1, **fixed), *neighbours[place:]])[place]
        assert same(weights(beside.net), weights(alone.net)), place
        assert without_times(beside.training.history) == without_times(alone.training.history)


@pytest.mark.parametrize("optimizer", BY_LANE)
def test_one_of_a_pack_is_continued_by_itself_with_the_same_bits(
    batches: tuple[Batches, Batches], optimizer: str
) -> None:
    settings = {"checkpoint_every_s": 0, "epochs": 3}
    jobs = trained(4, batches, [job(lane, optimizer, **settings) for lane in range(4)])
    whole = jobs[1]
    for step, data in whole.saves.items():
        rest = network(2, RATES[1]).cuda()
        train(
            *(rest, BY_LANE[optimizer][1](rest.parameters()), *batches),
            **(SETTINGS[1] | settings | {"lanes": 4, "seed": 1, "progress": False, "on_epoch": lambda record: None}),
            resume_from=saved(data),
        )
        assert same(weights(rest), weights(whole.net)), step


def test_lanes_that_wait_for_their_step_do_not_let_the_host_wait(
    batches: tuple[Batches, Batches], monkeypatch: pytest.MonkeyPatch
) -> None:
    (half,) = trained(2, batches, [job(0, epochs=1, checkpoint_every_s=0)])
    begin_step = Streams.begin_step

    def begun(self: Streams, step: int) -> None:
        begin_step(self, step)
        torch.cuda.set_sync_debug_mode("error" if step < 2 else "default")  # the last of three is done by both lanes

    with monkeypatch.context() as patch:
        patch.setattr(Streams, "begin_step", begun)
        rest = Job(
            0, BY_LANE["adamw"][0], network(1, RATES[0]).cuda(), saved(half.saves[2]), **(SETTINGS[0] | {"epochs": 1})
        )
        try:
            trained(2, batches, [rest, job(1, epochs=1)])
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert same(weights(rest.net), weights(half.net))
