"""The bits of a training in a pack: they depend on its settings and on the width, and on nothing beside it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from quickdraw.data.batches import Batches
from quickdraw.lanes import Pack, train
from quickdraw.run.checkpoint import decode
from quickdraw.state import EpochRecord
from tests.support.packs import BY_LANE, RATES, SETTINGS, WIDTH, Job, Split, job, trained
from tests.support.program import ROOT
from tests.support.training import OPTIMIZERS, Watched, network, same, saved, weights, without_times

SHARING = sorted(
    path.stem for path in (ROOT / "quickdraw/model").glob("*.py") if "may_share_lanes = True" in path.read_text()
)


def run_of(model: str, composed: Any, **fixed: Any) -> Callable[..., Job]:
    """Makes trainings of a model, by seed."""

    def make(seed: int, **settings: Any) -> Job:
        torch.manual_seed(seed)
        net = instantiate(composed(f"model={model}")["model"])(num_classes=3)
        return Job(seed, net=net, **(fixed | settings))

    return make


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("augment", [0.0, 0.5])
@pytest.mark.parametrize("model", SHARING)
def test_bits_depend_neither_on_the_lane_nor_on_neighbours_nor_on_refilling(
    model: str, augment: float, precision: str, files: list[np.ndarray], val_batches: Batches, composed: Any
) -> None:
    batches = Batches(files, np.arange(0, 180, 2), batch_size=32, balance=True, augment=augment), val_batches
    make = run_of(model, composed, precision=precision)
    (alone,) = trained(WIDTH, batches, [make(7)])
    for place in range(4):  # the fourth gets a lane that another has left
        others = [make(0, epochs=1), make(1, epochs=3, label_smoothing=0.2), make(2, epochs=2, grad_clip=0.1)]
        beside = trained(WIDTH, batches, [*others[:place], make(7), *others[place:]])[place]
        assert same(weights(beside.net), weights(alone.net)), place
        assert without_times(beside.training.history) == without_times(alone.training.history)


@pytest.mark.parametrize("optimizer", BY_LANE)
def test_a_training_saved_amid_an_epoch_goes_on_in_another_lane_with_the_same_bits(
    optimizer: str, split: Split
) -> None:
    settings = {"checkpoint_every_s": 0, "patience": 5, "epochs": 2}
    (whole,) = trained(WIDTH, split, [job(1, optimizer, **settings)])
    assert list(whole.saves) == list(range(1, 9))
    for step in (1, 4, 7):
        rest = job(1, optimizer, resume_from=saved(whole.saves[step]), **settings)
        trained(WIDTH, split, [job(0, optimizer, epochs=1), job(2, optimizer, epochs=2), rest])
        assert same(weights(rest.net), weights(whole.net)), step
        assert without_times(rest.training.history) == without_times(whole.training.history)
        assert list(rest.saves)[-1] == 8
        for later, data in rest.saves.items():
            assert same(decode(data)[0], decode(whole.saves[later])[0]), (step, later)
            assert without_clock(data) == without_clock(whole.saves[later])


def without_clock(data: bytes) -> dict[str, Any]:
    """The plain values of a checkpoint without its times."""
    values = decode(data)[1]
    position = values["position"]
    return values | {"position": position | {"epoch_s": 0, "history": without_times(position["history"])}}


def test_a_checkpoint_of_a_lane_is_one_of_a_training_alone_and_each_continues_the_other(split: Split) -> None:
    for optimizer in BY_LANE:
        for lane in (1, 2):
            settings = SETTINGS[lane] | {"checkpoint_every_s": 0, "epochs": 2, "patience": 9}
            (in_lane,) = trained(2, split, [job(lane, optimizer, **settings)])
            net = network(lane, RATES[lane])
            alone = Watched(net, BY_LANE[optimizer][lane], *split, seed=lane, **settings)
            for step, data in alone.saves.items():
                (wanted, values), (got, got_values) = decode(data), decode(in_lane.saves[step])
                assert form(got) == form(wanted)
                assert form(got_values) == form(values)

            # Continued after step 3, each by the other. Rounding grows: the next step is compared.
            net, half = network(9, RATES[lane]), saved(in_lane.saves[3])
            rest = Watched(net, BY_LANE[optimizer][lane], *split, seed=lane, resume_from=half, **settings)
            other = job(lane, optimizer, resume_from=saved(alone.saves[3]), **settings)
            trained(2, split, [other])
            assert list(rest.saves) == list(other.saves) == list(range(4, 9))
            for continued in (rest.saves[4], other.saves[4]):
                torch.testing.assert_close(decode(continued)[0], decode(alone.saves[4])[0], rtol=1e-3, atol=1e-5)


def form(value: Any) -> Any:
    """The keys, types and shapes of something nested."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    return [form(inner) for inner in value] if isinstance(value, list) else type(value)


def test_a_training_alone_in_a_pack_has_the_packs_bits(split: Split) -> None:
    (wanted,) = trained(WIDTH, split, [Job(5)])
    net = network(5)
    said: list[EpochRecord] = []
    optimizer = OPTIMIZERS["adamw"](net.parameters())
    history = train(net, optimizer, *split, lanes=WIDTH, seed=5, epochs=2, on_epoch=said.append)
    assert said == history
    assert same(weights(net), weights(wanted.net))


def test_a_training_that_has_left_has_tensors_of_its_own(split: Split) -> None:
    pack = Pack(2, *split)
    first, second = Job(0, epochs=1), Job(1, epochs=2)
    pack.admit(first.training)
    pack.admit(second.training)
    assert pack.free == 0
    assert pack.epoch() == [first.training]
    left = weights(first.net)
    pack.admit(Job(2, epochs=2).training)
    pack.epoch()
    assert same(weights(first.net), left)
    first.training.optimizer.step()
