"""What a step of a pack asks of a device: no more for more lanes, and no answer before the epoch ends."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from quickdraw import seeding
from quickdraw.data.batches import Batches
from quickdraw.data.resident import on_device
from quickdraw.lanes import Pack, stack
from quickdraw.lanes.dropout import Streams
from tests.support.graphs import with_graphs
from tests.support.packs import WIDTH, Job, Split, trained
from tests.support.training import same, saved, sgd, weights, without_times

WAITS = {"aten._local_scalar_dense.default", "aten.nonzero.default", "aten.equal.default", "aten.is_nonzero.default"}


class Recorded(TorchDispatchMode):
    """Writes down the operations of each step of a pack."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[list[str]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.steps:
            self.steps[-1].append(str(func))
        return func(*args, **(kwargs or {}))


def operations(width: int, split: Split, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The operations of each whole step but the last, of a pack whose lanes are all in use."""
    begin, recorded = Streams.begin_step, Recorded()

    def begin_step(streams: Streams, step: int) -> None:
        recorded.steps.append([])
        begin(streams, step)

    pack = Pack(width, *split)
    for seed in range(width):
        pack.admit(Job(seed, sgd(0.01), epochs=2).training)
    with monkeypatch.context() as patched, recorded:
        patched.setattr(Streams, "begin_step", begin_step)
        pack.epoch()
    return recorded.steps[:-1]


@pytest.mark.parametrize("augment", [0.0, 0.5])
def test_a_step_launches_as_much_for_five_lanes_as_for_two_and_waits_for_nothing(
    augment: float, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "ON_HOST", frozenset())  # as a GPU makes its masks
    train, val = split
    batches = Batches(train.files, train.indices, 25, augment=augment)
    there = on_device(batches, "cpu"), on_device(val, "cpu")
    two, five = (operations(width, there, monkeypatch) for width in (2, 5))
    assert len(two) == len(five) == 3
    assert two == five
    assert min(map(len, five)) > 50
    assert WAITS & {name for step in five for name in step} == set()


@pytest.mark.parametrize("on_host", [{"cpu"}, {}], ids=["masks of the host", "masks of the device"])
@pytest.mark.parametrize("resident", [False, True])
def test_a_step_that_is_captured_leaves_the_bits_of_one_that_is_not(
    resident: bool, on_host: set[str], split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "ON_HOST", on_host)
    train, val = split
    batches = Batches(train.files, train.indices, 32, augment=0.5)
    if resident:
        batches = on_device(batches, "cpu")

    def jobs() -> list[Job]:
        half = saved(eager[0].saves[6]) if eager else None
        return [Job(0, checkpoint_every_s=0, epochs=3, resume_from=half), Job(1, epochs=1), Job(2, epochs=4)]

    eager: list[Job] = []
    eager = trained(2, (batches, val), jobs())
    recorder = with_graphs(monkeypatch)
    graphed = trained(2, (batches, val), jobs())
    (made,) = recorder.made
    assert made.calls["capture"] == 2  # of the last, smaller batch too
    assert made.calls["replay"] > made.calls["run"]
    for one, other in zip(graphed, eager, strict=True):
        assert same(weights(one.net), weights(other.net))
        assert without_times(one.training.history) == without_times(other.training.history)


@pytest.mark.parametrize("balance", [False, True])
def test_lanes_learn_the_same_from_drawings_on_the_device(balance: bool, split: Split) -> None:
    train, val = split
    batches = Batches(train.files, train.indices, 32, balance=balance)
    there = on_device(batches, "cpu"), on_device(val, "cpu")
    for one, other in zip(*(trained(WIDTH, each, [Job(0), Job(1)]) for each in ((batches, val), there)), strict=True):
        assert same(weights(one.net), weights(other.net))
        assert without_times(one.training.history) == without_times(other.training.history)


def test_lanes_are_validated_in_large_batches_that_fit_for_all_of_them(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = trained(WIDTH, split, [Job(0), Job(1)])
    asked = []

    def all_at_once(batches: Batches, device: torch.device, networks: int) -> Batches:
        asked.append(networks)
        return Batches(batches.drawings, batches.indices, len(batches.indices))

    monkeypatch.setattr(stack, "in_large_batches", all_at_once)
    for one, other in zip(trained(WIDTH, split, [Job(0), Job(1)]), small, strict=True):
        assert same(weights(one.net), weights(other.net))
        for record, wanted in zip(one.training.history, other.training.history, strict=True):
            assert record["val_loss"] == pytest.approx(wanted["val_loss"], rel=1e-5)
    assert asked == [WIDTH, WIDTH]
