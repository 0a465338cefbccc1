"""Training steps as CUDA graphs: the bits of eager steps, killed and resumed or not, and what happens where none is."""

import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from quickdraw import engine, graphs
from quickdraw.data.batches import Batches
from quickdraw.data.resident import on_device
from quickdraw.graphs import CudaRecorder
from quickdraw.learning_rate import LearningRate
from quickdraw.model.convnet import ConvNet
from quickdraw.run.checkpoint import encode
from quickdraw.schedule import constant, warmup_cosine
from quickdraw.state import Snapshot, State
from tests.gpu import GPU
from tests.support.graphs import LR, MODELS, OPTIMIZERS, assert_same, eager_lines, trained
from tests.support.program import call
from tests.support.resuming import ending
from tests.support.training import Optimizer, Watched, same, saved, weights

pytestmark = GPU

MORE_OPTIMIZERS: dict[str, Optimizer] = {
    **OPTIMIZERS,
    "adamw, not fused": lambda parameters: torch.optim.AdamW(parameters, lr=LR),
    "nadam": lambda parameters: torch.optim.NAdam(parameters, lr=LR),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=LR, momentum=0.9),
}


@pytest.fixture
def batches(train_batches: Batches, val_batches: Batches) -> tuple[Batches, Batches]:
    """100 training drawings in three batches of 32 and one of 4, and 80 others, in the GPU's memory."""
    return on_device(train_batches, "cuda"), on_device(val_batches, "cuda")


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What became of each attempt to capture a step: "replayed" once for each replay, "failed"."""
    events: list[str] = []
    real = CudaRecorder.capture

    def capture(self: CudaRecorder, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        try:
            replay = real(self, function)
        except RuntimeError:
            events.append("failed")
            raise
        return lambda: (events.append("replayed"), replay())[1]

    monkeypatch.setattr(CudaRecorder, "capture", capture)
    return events


def on_gpu(model: Callable[..., nn.Module] = ConvNet, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return model(num_classes=3).cuda()


def eagerly(monkeypatch: pytest.MonkeyPatch, train: Callable[[], Watched]) -> Watched:
    with monkeypatch.context() as patch:
        patch.setattr(graphs, "WARM_UP", 10**9)
        return train()


def assert_graphs_leave_the_bits(
    monkeypatch: pytest.MonkeyPatch, captures: list[str], train: Callable[[], Watched]
) -> None:
    eager = eagerly(monkeypatch, train)
    assert captures == []
    graphed = train()
    assert captures == ["replayed"] * 6  # of the batches of 32 from the fourth on; those of 4 are three
    assert_same(graphed, eager)
    for step, data in eager.saves.items():
        assert same(dict(saved(graphed.saves[step]).tensors), dict(saved(data).tensors)), step


@pytest.mark.parametrize("optimizer", MORE_OPTIMIZERS.values(), ids=MORE_OPTIMIZERS)
def test_graphs_leave_the_bits_of_eager_steps(
    batches: tuple[Batches, Batches], optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch, captures: list[str]
) -> None:
    assert_graphs_leave_the_bits(monkeypatch, captures, lambda: trained(batches, optimizer, on_gpu()))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_each_model_in_each_precision(
    batches: tuple[Batches, Batches],
    model: Callable[..., nn.Module],
    precision: str,
    monkeypatch: pytest.MonkeyPatch,
    captures: list[str],
) -> None:
    assert_graphs_leave_the_bits(
        monkeypatch, captures, lambda: trained(batches, net=on_gpu(model), precision=precision, save=None)
    )


@pytest.mark.parametrize("resident", [True, False])
def test_moved_and_balanced_drawings_and_every_setting(
    train_batches: Batches,
    batches: tuple[Batches, Batches],
    resident: bool,
    monkeypatch: pytest.MonkeyPatch,
    captures: list[str],
) -> None:
    train = batches[0] if resident else train_batches
    train.augment, train.balance, train.indices = 0.5, True, np.sort(train.indices)
    settings = {"grad_clip": 0.1, "label_smoothing": 0.1, "schedule": warmup_cosine}
    assert_graphs_leave_the_bits(monkeypatch, captures, lambda: trained((train, batches[1]), net=on_gpu(), **settings))


def test_the_small_last_batch_gets_a_graph_too(batches: tuple[Batches, Batches], captures: list[str]) -> None:
    trained(batches, net=on_gpu(), epochs=5)
    assert captures == ["replayed"] * (4 * 3 + 2)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_training_continued_from_any_step_ends_with_the_same_bits(
    batches: tuple[Batches, Batches], model: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: dict[int, bytes] = {}

    def save(step: int, snapshot: Snapshot) -> None:
        if step in (1, 3, 4, 7, 10, 16):  # while warming up, of an epoch's end, in graphs, at the end
            saves[step] = encode(snapshot.tensors, snapshot.values)

    def rest_of(step: int) -> Watched:
        net = on_gpu(model, seed=1)
        return trained(batches, net=net, epochs=4, save=None, resume_from=saved(saves[step]))

    whole = trained(batches, net=on_gpu(model), epochs=4, save=save)
    assert list(saves) == [1, 3, 4, 7, 10, 16]
    for step in saves:
        assert_same(rest_of(step), whole)
    assert_same(eagerly(monkeypatch, lambda: rest_of(7)), whole)


def killed_at_step(number: int) -> None:
    """End this process as `kill -9` does, after so many steps."""
    real, steps = State.count_step, count(1)

    def count_step(self: State) -> None:
        real(self)
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    State.count_step = count_step  # type: ignore[method-assign]


def test_a_command_killed_and_typed_again_ends_with_the_same_bits(tmp_path: Path) -> None:
    command = (
        *("data=synthetic", "data.per_class=60", "data.batch_size=32", "data.augment=0.3", "device=cuda"),
        *("trainer.epochs=4", "trainer.checkpoint_every_s=0", "hydra.run.dir=run", "threads=1"),
    )
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = call(tmp_path / "whole", *command)
    assert whole.code == 0, whole.err
    for step in (9, 11):  # of 14 in an epoch; the second life is at step 20 then
        outcome = call(
            tmp_path / "killed",
            *(command if step == 9 else ("resume=run",)),
            setup=partial(killed_at_step, step),
        )
        assert outcome.code == -signal.SIGKILL, outcome.err
    assert call(tmp_path / "killed", "resume=run").code == 0
    assert ending(tmp_path / "killed" / "run") == ending(tmp_path / "whole" / "run")


class Waiting(ConvNet):
    """A network that looks at a number in each step."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits if logits.sum().item() < 1e30 else 2 * logits


@pytest.mark.parametrize("noticed", [True, False], ids=["noticed before", "failed capture"])
def test_a_step_that_cannot_be_captured_runs_eagerly(
    batches: tuple[Batches, Batches],
    noticed: bool,
    captures: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    plain = eagerly(monkeypatch, lambda: trained(batches, net=on_gpu()))
    assert eager_lines(caplog) == []
    if not noticed:
        monkeypatch.setattr(CudaRecorder, "watch", lambda self, function: (self.run(function), False))
    stream = torch.cuda.current_stream()
    waiting = trained(batches, net=on_gpu(Waiting))
    assert captures == ([] if noticed else ["failed"])
    assert len(eager_lines(caplog)) == 1
    assert_same(waiting, plain)

    # Nothing is left of it: memory is given back, chance works, and the next training is captured.
    assert torch.cuda.current_stream() == stream
    torch.cuda.empty_cache()
    torch.nn.functional.dropout(torch.ones(8, device="cuda"))
    captures.clear()
    assert_same(trained(batches, net=on_gpu()), plain)
    assert captures == ["replayed"] * 6


@pytest.mark.parametrize("optimizer", [torch.optim.Adagrad, torch.optim.SGD])
def test_an_optimizer_that_cannot_be_captured_runs_eagerly(
    batches: tuple[Batches, Batches],
    optimizer: Callable[..., torch.optim.Optimizer],
    captures: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    run = trained(batches, partial(optimizer, lr=LR), on_gpu())
    assert len(run.history) == 3
    assert captures == []
    assert len(eager_lines(caplog)) == 1


def test_a_snapshot_of_a_cpu_is_continued(
    train_batches: Batches, val_batches: Batches, batches: tuple[Batches, Batches], captures: list[str]
) -> None:
    torch.manual_seed(0)
    here = trained((train_batches, val_batches), net=ConvNet(num_classes=3))
    rest = trained(batches, net=on_gpu(), resume_from=saved(here.saves[5]))
    assert captures == ["replayed"] * 2
    for name, tensor in weights(rest.net).items():
        assert tensor.isfinite().all(), name
    assert rest.history[0]["train_loss"] == here.history[0]["train_loss"]


def test_no_step_waits_for_the_device(batches: tuple[Batches, Batches], monkeypatch: pytest.MonkeyPatch) -> None:
    count_step, check_finite = State.count_step, State.check_finite

    def counted(self: State) -> None:
        count_step(self)
        if self.epoch == 3:  # each batch size has its graph by then
            torch.cuda.set_sync_debug_mode("error")

    def checked(self: State, rate: LearningRate) -> None:
        torch.cuda.set_sync_debug_mode("default")
        check_finite(self, rate)

    monkeypatch.setattr(State, "count_step", counted)
    monkeypatch.setattr(State, "check_finite", checked)
    batches[0].augment = 0.5
    try:
        run = trained(batches, net=on_gpu(), epochs=5, save=None, checkpoint_every_s=3600)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(run.history) == 5


def test_the_host_waits_for_the_device_when_it_is_far_ahead(batches: tuple[Batches, Batches]) -> None:
    recorder = CudaRecorder(torch.device("cuda", torch.cuda.current_device()))
    matrix = torch.randn(4096, 4096, device="cuda")
    done = []
    for _ in range(4 * graphs.AHEAD):
        recorder.run(lambda: matrix @ matrix)
        done.append(torch.cuda.Event())
        done[-1].record()
        recorder.keep_pace()
    unfinished = sum(not event.query() for event in done)
    assert unfinished <= 2 * graphs.AHEAD
    torch.cuda.synchronize()


def test_predictions_in_large_batches_are_those_of_small_ones(
    train_batches: Batches, val_batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = on_gpu()
    Watched(net, OPTIMIZERS["adamw"], on_device(train_batches, "cuda"), val_batches, epochs=2, schedule=constant)
    large = engine.predict(net, val_batches)
    monkeypatch.setattr(engine, "in_large_batches", lambda batches, device: batches)
    small = engine.predict(net, val_batches)
    np.testing.assert_allclose(large.loss, small.loss, rtol=1e-4, atol=1e-5)
    assert (large.predicted == small.predicted).mean() > 0.98


def test_a_capture_that_lacks_memory_ends_the_training(
    batches: tuple[Batches, Batches], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Large(ConvNet):
        def forward(self, x: Tensor) -> Tensor:
            if torch.cuda.is_current_stream_capturing():
                x = x + torch.empty(1 << 50, dtype=torch.uint8, device="cuda").view(-1)[0]
            return super().forward(x)

    caplog.set_level(logging.INFO)
    with pytest.raises(torch.OutOfMemoryError):
        trained(batches, net=on_gpu(Large))
    assert eager_lines(caplog) == []
    assert len(trained(batches, net=on_gpu()).history) == 3  # nothing is left of it


def test_a_captured_optimizer_counts_its_steps_on_the_device(batches: tuple[Batches, Batches]) -> None:
    net = on_gpu()
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR)
    engine.train(net, optimizer, *batches, epochs=1, on_epoch=lambda record: None, progress=False)
    steps = optimizer.state[next(net.parameters())]["step"]
    assert (steps.device.type, steps.item()) == ("cuda", 4)
