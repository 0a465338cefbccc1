"""Trainings side by side in the lanes of a pack: each is what it would be alone, and none notices another."""

import inspect
import signal
from dataclasses import asdict
from typing import Any

import pytest
import torch

from quickdraw import engine
from quickdraw.errors import DivergedError, Interrupted, PrunedError
from quickdraw.lanes import Pack, train
from quickdraw.lanes.training import Settings
from quickdraw.run.checkpoint import decode
from quickdraw.state import EpochRecord
from tests.support.graphs import with_graphs
from tests.support.packs import BY_LANE, RATES, SETTINGS, Job, Split, job, trained
from tests.support.training import OPTIMIZERS, Watched, network, same, saved, sgd, weights, without_times


@pytest.mark.parametrize("optimizer", BY_LANE)
def test_a_lane_equals_the_same_training_alone_whatever_differs_between_lanes(optimizer: str, split: Split) -> None:
    jobs = trained(4, split, [job(lane, optimizer) for lane in range(4)])
    for lane, one in enumerate(jobs):
        alone = Watched(
            network(lane, RATES[lane]),
            BY_LANE[optimizer][lane],
            *split,
            **{"epochs": 2, "seed": lane, **SETTINGS[lane]},
        )
        history = one.training.history
        assert one.training.error is None
        assert len(history) == len(alone.history) == len(one.epochs)
        for epoch, tensors in enumerate(alone.epochs):
            torch.testing.assert_close(one.epochs[epoch], tensors, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(weights(one.net), weights(alone.net), rtol=1e-3, atol=1e-4)
        for record, wanted in zip(without_times(history), without_times(alone.history), strict=True):
            assert record == pytest.approx(wanted, rel=1e-3, abs=1e-6)


def test_a_lane_in_bfloat16_learns_as_a_training_alone_does(split: Split) -> None:
    one, _ = trained(2, split, [Job(3, precision="bfloat16"), Job(4, precision="bfloat16")])
    alone = Watched(network(3), OPTIMIZERS["adamw"], *split, seed=3, precision="bfloat16")
    for name in ("train_loss", "val_loss"):
        wanted = [record[name] for record in alone.history]
        assert [record[name] for record in one.training.history] == pytest.approx(wanted, rel=0.02)


def test_a_lane_alone_takes_the_settings_that_training_takes() -> None:
    wanted = inspect.signature(engine.train).parameters
    assert asdict(Settings()) == {name: wanted[name].default for name in asdict(Settings())}
    assert wanted.keys() - asdict(Settings()).keys() == inspect.signature(train).parameters.keys() - {
        "lanes",
        "trainer",
    }


# How a lane ends


def prune(record: EpochRecord) -> None:
    raise PrunedError("others promise more")


def fail(record: EpochRecord) -> None:
    raise OSError(28, "No space left on device")


ENDINGS: dict[str, tuple[dict[str, Any], type[BaseException] | None, int]] = {
    "diverges": ({"make_optimizer": sgd(1e9)}, DivergedError, 0),
    "diverges, saving often": ({"make_optimizer": sgd(1e9), "checkpoint_every_s": 0}, DivergedError, 0),
    "pruned": ({"at_epoch": prune}, PrunedError, 1),
    "its own error": ({"at_epoch": fail}, OSError, 1),
    "out of patience": ({"make_optimizer": sgd(0.0), "patience": 1}, None, 2),
    "done": ({"epochs": 1}, None, 1),
}


@pytest.mark.parametrize(("settings", "error", "epochs"), ENDINGS.values(), ids=ENDINGS)
def test_others_never_notice_how_a_lane_ends(
    settings: dict[str, Any], error: type[BaseException] | None, epochs: int, split: Split
) -> None:
    make_optimizer = settings.get("make_optimizer", sgd(0.05))
    (undisturbed,) = trained(2, split, [Job(3, sgd(0.05), epochs=4)])
    ending = Job(4, make_optimizer, **{"epochs": 4, **{k: v for k, v in settings.items() if k != "make_optimizer"}})
    jobs = trained(2, split, [ending, Job(3, sgd(0.05), epochs=4), Job(5, sgd(0.05), epochs=1)])
    assert type(ending.training.error) is (error or type(None))
    assert len(ending.training.history) == epochs
    assert [job.training.error for job in jobs[1:]] == [None, None]
    assert same(weights(jobs[1].net), weights(undisturbed.net))


def test_a_lane_that_diverges_names_its_own_step_and_rate_and_saves_nothing_after(split: Split) -> None:
    with pytest.raises(DivergedError) as alone:
        Watched(network(4), sgd(1e9), *split, seed=4)
    bad, _ = trained(2, split, [Job(4, sgd(1e9), checkpoint_every_s=0), Job(3, sgd(0.05))])
    assert str(bad.training.error).split(" at step ")[1] == str(alone.value).split(" at step ")[1]
    assert all(decode(data)[0]["losses"].isfinite().all() for data in bad.saves.values())


LACKING = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"),
]


@pytest.mark.parametrize("error", LACKING)
def test_a_device_without_room_ends_the_whole_pack(error: RuntimeError, split: Split) -> None:
    def out_of_memory(record: EpochRecord) -> None:
        raise error

    with pytest.raises(type(error), match="out of memory"):
        trained(2, split, [Job(0), Job(1, at_epoch=out_of_memory)])


@pytest.mark.parametrize("error", LACKING)
def test_a_capture_without_room_ends_the_whole_pack(
    error: RuntimeError, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_graphs(monkeypatch, fails_at=1, fails_with=error)
    with pytest.raises(type(error), match="out of memory"):
        trained(2, split, [Job(0), Job(1)])


def test_a_lane_that_is_interrupted_leaves_and_the_others_go_on(split: Split) -> None:
    def interrupt(record: EpochRecord) -> None:
        raise Interrupted(signal.SIGTERM)

    stopped, other = trained(2, split, [Job(0, at_epoch=interrupt), Job(1)])
    assert isinstance(stopped.training.error, Interrupted)
    assert len(stopped.training.history) == 1
    assert other.training.error is None
    assert len(other.training.history) == 2


def test_a_pruned_lane_has_saved_the_epoch_that_it_was_pruned_after(split: Split) -> None:
    pruned, _ = trained(2, split, [Job(4, at_epoch=prune), Job(3)])
    assert list(pruned.saves) == [4]


@pytest.mark.parametrize("at_step", [1, 4, 6])
def test_at_a_signal_all_lanes_finish_the_step_save_and_leave(at_step: int, split: Split) -> None:
    asked = 0

    def stop_signal() -> int | None:
        nonlocal asked
        asked += 1
        return signal.SIGTERM if asked >= at_step else None

    wanted = trained(2, split, [Job(0), Job(1)])
    pack, jobs = Pack(2, *split, stop_signal=stop_signal), [Job(0), Job(1)]
    for one in jobs:
        pack.admit(one.training)
    ended = [training for _ in range(2) for training in pack.epoch()]
    assert ended == [one.training for one in jobs]
    assert pack.free == 2
    for one in jobs:
        assert isinstance(one.training.error, Interrupted)
        assert one.training.error.signal_number == signal.SIGTERM
        assert list(one.saves) == [at_step]
    swapped = [Job(seed, resume_from=saved(jobs[seed].saves[at_step])) for seed in (1, 0)]
    trained(2, split, swapped)
    assert same(weights(swapped[0].net), weights(wanted[1].net))
    assert same(weights(swapped[1].net), weights(wanted[0].net))


def test_what_has_nothing_left_to_do_leaves_before_an_epoch_begins(split: Split) -> None:
    (whole,) = trained(2, split, [Job(0)])
    pack, again = Pack(2, *split), Job(0, resume_from=saved(whole.saves[8]))
    pack.admit(again.training)
    assert pack.epoch() == [again.training]
    assert again.epochs == []
    assert again.training.history == whole.training.history
    assert same(weights(again.net), weights(whole.net))


def test_an_error_of_a_training_alone_in_a_pack_is_raised(split: Split) -> None:
    net = network()
    with pytest.raises(DivergedError):
        train(net, sgd(1e9)(net.parameters()), *split, lanes=2, on_epoch=lambda record: None)
