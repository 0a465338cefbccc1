"""The training loop, called as a notebook would."""

import math
import re
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickdraw import engine
from quickdraw.data.batches import Batches
from quickdraw.errors import DivergedError, Interrupted
from quickdraw.run.checkpoint import decode, encode
from quickdraw.schedule import one_cycle
from quickdraw.seeding import seed_step
from quickdraw.state import EpochRecord, Snapshot
from tests.support.training import (
    OPTIMIZERS,
    Optimizer,
    Watched,
    Weights,
    network,
    same,
    saved,
    sgd,
    weights,
    without_times,
)


def test_training_learns(train_batches: Batches, val_batches: Batches) -> None:
    net = network()
    history = engine.train(net, OPTIMIZERS["adamw"](net.parameters()), train_batches, val_batches, progress=False)
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert engine.test(net, val_batches)["accuracy"] > 0.8


def test_a_notebook_sees_one_line_an_epoch(
    train_batches: Batches, val_batches: Batches, capsys: pytest.CaptureFixture[str]
) -> None:
    net = network()
    engine.train(net, OPTIMIZERS["adamw"](net.parameters()), train_batches, val_batches, epochs=2)
    printed = capsys.readouterr()
    assert [line.split()[:2] for line in printed.out.splitlines()] == [["epoch", "1"], ["epoch", "2"]]
    assert printed.err == ""


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_loss"])
def test_the_best_epochs_weights_are_left(train_batches: Batches, val_batches: Batches, monitor: str) -> None:
    def ends_badly(done: float) -> float:
        return 1.0 if done < 0.7 else 100.0

    run = Watched(
        network(), OPTIMIZERS["adamw"], train_batches, val_batches, epochs=8, monitor=monitor, schedule=ends_badly
    )
    scores = [record[monitor] for record in run.history]
    best = scores.index(min(scores) if monitor == "val_loss" else max(scores))
    assert best < 7
    assert same(weights(run.net), run.epochs[best])
    assert not same(weights(run.net), run.epochs[-1])
    tested = engine.test(run.net, val_batches)
    assert tested[monitor.removeprefix("val_")] == scores[best]


def test_of_equally_good_epochs_the_first_is_left(train_batches: Batches, val_batches: Batches) -> None:
    run = Watched(network(), sgd(1e-6), train_batches, val_batches, epochs=3)
    assert len({record["val_accuracy"] for record in run.history}) == 1
    assert same(weights(run.net), run.epochs[0])
    assert not same(run.epochs[0], run.epochs[1])


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (3, 4), (math.inf, 6)])
def test_training_ends_after_patience_epochs_without_a_better_one(
    train_batches: Batches, val_batches: Batches, patience: float, epochs: int
) -> None:
    run = Watched(network(), sgd(1e-6), train_batches, val_batches, epochs=6, patience=patience)
    assert len(run.history) == epochs


def test_the_networks_mode_is_restored_after_validation(train_batches: Batches, val_batches: Batches) -> None:
    run = Watched(network(), sgd(0.01), train_batches, val_batches)
    assert run.modes == [True, True]
    for mode in (True, False):
        engine.test(run.net.train(mode), val_batches)
        assert run.net.training is mode


def test_training_begins_in_train_mode_whatever_mode_the_network_comes_in(
    train_batches: Batches, val_batches: Batches
) -> None:
    net = network()
    net.eval()
    modes: list[bool] = []
    net.register_forward_hook(lambda *_: modes.append(net.training))
    evaluated = Watched(net, OPTIMIZERS["adamw"], train_batches, val_batches, epochs=1)
    assert modes == [True] * 4 + [False] * 3
    usual = Watched(network(), OPTIMIZERS["adamw"], train_batches, val_batches, epochs=1)
    assert same(evaluated.epochs[0], usual.epochs[0])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_products_of_a_training_step_have_the_precision_asked_for(
    train_batches: Batches, val_batches: Batches, precision: str
) -> None:
    net = network()
    used: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for layer in (net.conv1, net.conv2, net.fc1, net.fc2):
        layer.register_forward_hook(lambda *io: used[net.training].add(io[2].dtype))
    Watched(net, OPTIMIZERS["adamw"], train_batches, val_batches, epochs=1, precision=precision)
    assert used == {True: {getattr(torch, precision)}, False: {torch.float32}}


def test_validating_and_logging_change_no_weight(train_batches: Batches, val_batches: Batches) -> None:
    class Restless(Watched):
        def on_epoch(self, record: EpochRecord) -> None:
            super().on_epoch(record)
            torch.rand(3)

    quiet = Watched(network(), OPTIMIZERS["adamw"], train_batches, val_batches, save=None)
    other = Restless(
        network(), OPTIMIZERS["adamw"], train_batches, Batches(val_batches.files, np.arange(7), 2), checkpoint_every_s=0
    )
    assert all(same(one, another) for one, another in zip(quiet.epochs, other.epochs, strict=True))


def textbook_step(net: nn.Module, images: Tensor, labels: Tensor, label_smoothing: float) -> tuple[float, Weights]:
    """Return the loss and the gradients of one batch of an epoch that begins."""
    net.train()
    seed_step(0, 0, 0)
    loss = F.cross_entropy(net(images), labels, label_smoothing=label_smoothing)
    loss.backward()
    return loss.item(), {
        name: parameter.grad for name, parameter in net.named_parameters() if parameter.grad is not None
    }


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
@pytest.mark.parametrize("grad_clip", [math.inf, 1e-2, 1e6])
def test_a_step_is_the_textbooks(
    files: list[np.ndarray], val_batches: Batches, label_smoothing: float, grad_clip: float
) -> None:
    one_batch = Batches(files, np.arange(0, 180, 3), batch_size=60)
    before = weights(network())
    loss, gradients = textbook_step(network(), *next(one_batch.epoch(0, 0)), label_smoothing)
    norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm().item()
    assert norm > 1e-2
    scale = min(1.0, grad_clip / norm)
    run = Watched(
        network(),
        sgd(0.5),
        one_batch,
        val_batches,
        epochs=1,
        label_smoothing=label_smoothing,
        grad_clip=grad_clip,
    )
    assert run.history[0]["train_loss"] == pytest.approx(loss, rel=1e-6)
    for name, tensor in run.epochs[0].items():
        expected = before[name] - 0.5 * scale * gradients[name]
        torch.testing.assert_close(tensor, expected, rtol=0 if scale == 1 else 1e-5, atol=0 if scale == 1 else 1e-7)


def test_the_rate_of_each_step_follows_the_schedule(train_batches: Batches, val_batches: Batches) -> None:
    asked: list[float] = []
    used: list[float] = []

    class Noted(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            used.append(self.param_groups[0]["lr"])
            return super().step(closure)

    def schedule(done: float) -> float:
        asked.append(done)
        return 1 - done

    run = Watched(network(), lambda p: Noted(p, lr=0.1), train_batches, val_batches, schedule=schedule)
    assert list(dict.fromkeys(asked)) == [step / 8 for step in range(8)]
    assert used == pytest.approx([0.1 * (1 - step / 8) for step in range(8)])
    assert [record["lr"] for record in run.history] == pytest.approx([used[3], used[7]])


def test_averages_are_over_drawings_not_batches(train_batches: Batches, val_batches: Batches) -> None:
    net = network(dropout_rate=0)
    torch.nn.init.normal_(net.fc2.weight)  # losses far apart
    (record,) = Watched(net, sgd(0.0), train_batches, val_batches, epochs=1).history
    for name, batches in (("train", train_batches), ("val", val_batches)):
        images, labels = batches.take(np.arange(len(batches.indices)))
        with torch.inference_mode():
            logits = net(images)
        assert record[f"{name}_loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
        assert record[f"{name}_accuracy"] == (logits.argmax(1) == labels).double().mean().item()


@pytest.mark.parametrize(
    "settings", [{}, {"checkpoint_every_s": 0.0}, {"precision": "bfloat16"}], ids=["", "saving often", "bfloat16"]
)
def test_a_training_loss_that_is_not_finite_names_the_step_and_the_rate(
    train_batches: Batches, val_batches: Batches, settings: dict[str, Any]
) -> None:
    net, finite = network(), []
    net.register_forward_hook(lambda *io: finite.append(bool(io[2].isfinite().all())))
    with pytest.raises(DivergedError) as error:
        Watched(net, sgd(1e9), train_batches, val_batches, **settings)
    step = finite.index(False) + 1
    assert 1 < step <= 4
    assert re.search(rf"loss became (nan|inf) at step {step} with a learning rate of 1e\+09; lower", str(error.value))


@pytest.mark.parametrize("settings", [{}, {"checkpoint_every_s": 0.0}], ids=["", "saving often"])
def test_no_state_is_saved_after_a_training_loss_that_is_not_finite(
    train_batches: Batches, val_batches: Batches, settings: dict[str, Any]
) -> None:
    saves: dict[int, Snapshot] = {}
    net = network()
    with pytest.raises(DivergedError) as error:
        engine.train(
            net,
            sgd(1e9)(net.parameters()),
            train_batches,
            val_batches,
            progress=False,
            save=lambda step, snapshot: saves.update({step: saved(encode(snapshot.tensors, snapshot.values))}),
            **settings,
        )
    bad_step = int(re.findall(r"at step (\d+)", str(error.value))[0])
    assert list(saves) == (list(range(1, bad_step)) if settings else [])
    assert all(snapshot.tensors["losses"].isfinite().all() for snapshot in saves.values())


def test_a_validation_loss_that_is_not_finite_names_the_step_and_the_rate(
    files: list[np.ndarray], val_batches: Batches
) -> None:
    one_batch = Batches(files, np.arange(180), batch_size=180)  # its loss is finite: the weights are not, after it
    with pytest.raises(DivergedError, match=r"loss became (nan|inf) .*step 1 .*rate of 1e\+30"):
        Watched(network(), sgd(1e30), one_batch, val_batches, epochs=1)


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_continued_from_any_step_ends_with_the_same_bits(
    train_batches: Batches, val_batches: Batches, make_optimizer: Optimizer
) -> None:
    settings = {"epochs": 3, "schedule": one_cycle, "checkpoint_every_s": 0, "seed": 5, "patience": 2}
    whole = Watched(network(), make_optimizer, train_batches, val_batches, **settings)
    assert list(whole.saves) == list(range(1, 13))
    for step, data in whole.saves.items():
        rest = Watched(network(seed=1), make_optimizer, train_batches, val_batches, resume_from=saved(data), **settings)
        assert same(weights(rest.net), weights(whole.net)), step
        assert without_times(rest.history) == without_times(whole.history), step
        assert len(rest.epochs) == 3 - min(2, (step - 1) // 4) - (step == 12), step


def test_a_state_is_the_same_bits_whether_training_was_continued_or_not(
    train_batches: Batches, val_batches: Batches
) -> None:
    settings = {"checkpoint_every_s": 0}
    whole = Watched(network(), OPTIMIZERS["adamw"], train_batches, val_batches, **settings)
    rest = Watched(
        network(1), OPTIMIZERS["adamw"], train_batches, val_batches, resume_from=saved(whole.saves[3]), **settings
    )
    tensors, _ = decode(whole.saves[6])
    again, _ = decode(rest.saves[6])
    assert same(tensors, again)


def test_a_state_saved_by_an_earlier_version_is_continued(train_batches: Batches, val_batches: Batches) -> None:
    settings = {"checkpoint_every_s": 0}
    whole = Watched(network(), OPTIMIZERS["adamw"], train_batches, val_batches, **settings)
    snapshot = saved(whole.saves[6])
    snapshot.values["position"]["best_score"] = snapshot.history[0]["val_accuracy"]  # today the history alone says it
    rest = Watched(network(1), OPTIMIZERS["adamw"], train_batches, val_batches, resume_from=snapshot, **settings)
    assert same(weights(rest.net), weights(whole.net))


@pytest.mark.parametrize("at_step", [1, 4, 6])
def test_a_stop_signal_finishes_the_step_saves_and_raises(
    train_batches: Batches, val_batches: Batches, at_step: int
) -> None:
    class Signalled(Batches):
        """Serves batches; the signal comes while the batch of `at_step` is being learnt."""

        served = 0

        def epoch(self, seed: int, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
            for batch in super().epoch(seed, epoch, start):
                self.served += 1
                yield batch

    batches = Signalled(train_batches.files, train_batches.indices, train_batches.batch_size)
    whole = Watched(network(), OPTIMIZERS["adamw"], train_batches, val_batches)
    saves: dict[int, bytes] = {}
    net = network()
    with pytest.raises(Interrupted) as stopped:
        engine.train(
            net,
            OPTIMIZERS["adamw"](net.parameters()),
            batches,
            val_batches,
            epochs=2,
            progress=False,
            on_epoch=lambda record: None,
            save=lambda step, snapshot: saves.update({step: encode(snapshot.tensors, snapshot.values)}),
            stop_signal=lambda: signal.SIGTERM if batches.served >= at_step else None,
        )
    assert stopped.value.signal_number == signal.SIGTERM
    assert list(saves) == [at_step]
    rest = Watched(network(1), OPTIMIZERS["adamw"], train_batches, val_batches, resume_from=saved(saves[at_step]))
    assert same(weights(rest.net), weights(whole.net))


def test_what_a_step_draws_is_a_function_of_seed_epoch_and_step(train_batches: Batches, val_batches: Batches) -> None:
    def drawn(seed: int) -> list[float]:
        net, draws = network(), []
        net.register_forward_hook(lambda *_: draws.append(torch.rand(1).item()) if net.training else None)
        Watched(net, sgd(0.01), train_batches, val_batches, seed=seed)
        return draws

    first = drawn(0)
    assert len({*first, *drawn(1)}) == 2 * 2 * 4
    torch.rand(1)
    assert drawn(0) == first
