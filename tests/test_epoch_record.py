"""Each number of an epoch's record, a row of metrics.csv, against a computation by hand: also across a resume."""

import json
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickdraw import metrics
from quickdraw.data.batches import Batches
from quickdraw.errors import ConfigError
from quickdraw.schedule import one_cycle
from quickdraw.seeding import seed_step
from quickdraw.state import EpochRecord
from tests.support.training import Watched, network, saved, sgd

EPOCHS = 2
LR = 0.05


def norm_of_gradients(net: nn.Module) -> float:
    return math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in net.parameters() if p.grad is not None))


def by_hand(train_batches: Batches, val_batches: Batches) -> list[EpochRecord]:
    """Return the records of a training as a textbook would write it, with sums in double precision."""
    net, records = network(), []
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    for epoch in range(EPOCHS):
        losses, right, norms = 0.0, 0, []
        net.train()
        for step, (images, labels) in enumerate(train_batches.epoch(0, epoch)):
            optimizer.param_groups[0]["lr"] = LR * one_cycle((4 * epoch + step) / (4 * EPOCHS))
            seed_step(0, epoch, step)
            logits = net(images)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(labels)
            right += int((logits.argmax(dim=1) == labels).sum())
            norms.append(norm_of_gradients(net))
        images, labels = val_batches.take(np.arange(len(val_batches.indices)))
        with torch.inference_mode():
            logits = net.eval()(images).double()
        rights = logits.argmax(dim=1) == labels
        records.append(
            {
                "epoch": epoch + 1,
                "step": 4 * (epoch + 1),
                "train_loss": losses / 100,
                "train_accuracy": right / 100,
                "val_loss": F.cross_entropy(logits, labels).item(),
                "val_accuracy": rights.double().mean().item(),
                "val_balanced_accuracy": np.mean([rights[labels == k].double().mean().item() for k in range(3)]),
                "val_top3_accuracy": 1.0,
                "val_top5_accuracy": 1.0,
                "lr": optimizer.param_groups[0]["lr"],
                "grad_norm": np.mean(norms),
            }
        )
    return records


@pytest.mark.parametrize("resumed_after", [None, 1, 3, 4, 6])
def test_every_number_is_the_textbooks(train_batches: Batches, val_batches: Batches, resumed_after: int | None) -> None:
    settings: dict[str, Any] = {"epochs": EPOCHS, "schedule": one_cycle, "checkpoint_every_s": 0}
    run = Watched(network(), sgd(LR), train_batches, val_batches, **settings)
    if resumed_after:
        snapshot = saved(run.saves[resumed_after])
        run = Watched(network(1), sgd(LR), train_batches, val_batches, resume_from=snapshot, **settings)
    for record, expected in zip(run.history, by_hand(train_batches, val_batches), strict=True):
        assert list(record) == [*expected, "train_s", "samples_per_s"]
        for name, value in expected.items():
            assert record[name] == pytest.approx(value, rel=1e-5), name


class Slow(Batches):
    """Batches that take a second each, of a clock that only they move."""

    now = 0.0

    def _serve(self, indices: np.ndarray, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in super()._serve(indices, start):
            Slow.now += 1
            yield batch


@pytest.mark.parametrize("resumed_after", [None, 3])
def test_the_time_of_an_epoch_is_that_of_its_steps_in_all_lives_without_validation(
    train_batches: Batches, val_batches: Batches, resumed_after: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = [Slow(each.files, each.indices, each.batch_size) for each in (train_batches, val_batches)]
    monkeypatch.setattr(time, "perf_counter", lambda: Slow.now)
    run = Watched(network(), sgd(LR), *slow, checkpoint_every_s=0)
    if resumed_after:
        Slow.now += 1000  # nobody trained meanwhile
        run = Watched(network(), sgd(LR), *slow, resume_from=saved(run.saves[resumed_after]))
    assert [record["train_s"] for record in run.history] == [4, 4]
    assert [record["samples_per_s"] for record in run.history] == [25, 25]


def test_an_infinite_norm_of_a_gradient_is_a_number_in_json(train_batches: Batches, val_batches: Batches) -> None:
    class Careful(torch.optim.SGD):
        """Passes over gradients that are not finite."""

        def step(self, closure: Any = None) -> Any:
            for parameter in self.param_groups[0]["params"]:
                parameter.grad.nan_to_num_(0, 0, 0)
            return super().step(closure)

    net = network()
    net.fc2.bias.register_hook(lambda gradient: torch.full_like(gradient, math.inf))
    (record,) = Watched(net, lambda p: Careful(p, lr=LR), train_batches, val_batches, epochs=1).history
    assert record["grad_norm"] > 1e38
    assert json.loads(json.dumps(record, allow_nan=False)) == record


@pytest.mark.parametrize(
    ("monitor", "values", "place"),
    [
        ("val_accuracy", [0.5, 0.9, 0.7], 1),
        ("val_accuracy", [0.5, 0.9, 0.9], 1),
        ("val_loss", [0.5, 0.2, 0.7], 1),
        ("val_loss", [0.2, 0.2, 0.7], 0),
    ],
)
def test_the_best_epoch_is_the_first_of_the_best(monitor: str, values: list[float], place: int) -> None:
    history = [{"epoch": number, monitor: value} for number, value in enumerate(values, 1)]
    assert metrics.best(history, monitor) is history[place]


def test_a_metric_that_is_no_number_is_named_after_the_first_epoch(
    train_batches: Batches, val_batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undefined(predictions: Any) -> float:
        return math.nan

    monkeypatch.setattr(metrics, "METRICS", dict(metrics.METRICS))
    metrics.metric("Undefined/{split}")(undefined)
    with pytest.raises(ConfigError, match="metric undefined: expected a finite number, got nan"):
        Watched(network(), sgd(LR), train_batches, val_batches)
