"""Training and testing: the loop, from top to bottom.

`train` leaves the weights of the best epoch in the network; `test` measures them. Both are plain functions: a notebook
calls them with a few objects, `run.py` with everything the configuration holds.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickdraw import graphs, metrics, per_example
from quickdraw.data.augment import moved, moves
from quickdraw.data.batches import Batches
from quickdraw.data.resident import in_large_batches, ungathered
from quickdraw.graphs import GraphedStep, Step
from quickdraw.learning_rate import LearningRate
from quickdraw.predictions import Predictions
from quickdraw.progress import Progress, describe
from quickdraw.saver import Saver
from quickdraw.schedule import constant
from quickdraw.seeding import seed_step
from quickdraw.state import EpochRecord, Snapshot, State


def train(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    train_batches: Batches,
    val_batches: Batches,
    *,
    epochs: int = 10,
    schedule: Callable[[float], float] = constant,
    precision: str = "float32",
    label_smoothing: float = 0.0,
    grad_clip: float = math.inf,
    monitor: str = "val_accuracy",
    patience: float = math.inf,
    checkpoint_every_s: float = 30.0,
    seed: int = 0,
    progress: bool | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: print(describe(record)),
    save: Callable[[int, Snapshot], None] | None = None,
    resume_from: Snapshot | None = None,
    stop_signal: Callable[[], int | None] = lambda: None,
) -> list[EpochRecord]:
    """Train the network where it lies and leave the weights of the best epoch in it. Return one record an epoch.

    The learning rate of a step is the optimizer's, times `schedule(fraction of training done)`. The best epoch is the
    one with the best `monitor`, the first of equals; after `patience` epochs without a better one training ends.
    `progress` shows a bar (None: on a terminal).

    Every `checkpoint_every_s` seconds and at the end, `save(steps done, snapshot)` is called; the latest snapshot,
    passed as `resume_from`, continues there and ends with the same bits. When `stop_signal()` names a signal, the step
    is finished and saved, and Interrupted is raised; a PrunedError of `on_epoch` is passed on when all is saved. Raises
    DivergedError when the loss is no longer finite.
    """
    # Where training stands: at its beginning, or where a snapshot left it.
    device = next(net.parameters()).device
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.backends.cudnn.deterministic = True  # on a GPU, an algorithm that adds in any order has other bits each time
    captured = graphs.prepare(net, optimizer)
    steps = len(train_batches)
    state = State(net, optimizer, steps, drawings=len(train_batches.indices))
    if resume_from:
        state.restore(resume_from)
    rate = LearningRate(optimizer, schedule, epochs * steps, on_device=captured)
    saver = Saver(state, rate, checkpoint_every_s, save, stop_signal)
    bar = Progress(epochs, steps, progress)

    # A step: as it is written here, or on a GPU as a graph of it, which then gathers its batch too.
    def learn(matrices: Tensor | None, images: Tensor, labels: Tensor) -> Tensor:
        images, labels = images.to(device), labels.to(device)
        if matrices is not None:
            images = moved(images, matrices.to(device))
        logits, loss, grad_norm = training_step(net, optimizer, images, labels, precision, label_smoothing, grad_clip)
        state.sum_up(logits, labels, loss, grad_norm)
        return loss

    batches: Batches = train_batches
    step: Step = learn
    if captured:
        batches, gather = ungathered(train_batches)
        step = GraphedStep(
            lambda matrices, *batch: learn(matrices, *gather(*batch)),
            device,
            seed_again=lambda: seed_step(seed, state.epoch, state.step),
        )

    # The epochs.
    while state.epoch < epochs and state.epochs_without_better < patience:
        net.train()
        with state.timed(), bar.epoch(state.epoch, state.step):
            for batch in batches.epoch(seed, state.epoch, start=state.step):
                seed_step(seed, state.epoch, state.step)
                rate.set(state.steps_done)
                matrices = moves(len(batch[0]), batches.augment, seed, state.epoch, state.step)
                loss = step(matrices, *batch)
                state.count_step()
                bar.show(loss)
                saver.after_step()
            state.check_finite(rate)
        record = state.end_epoch(test(net, val_batches), rate)
        state.keep_best(record, monitor)
        with saver.before_pruning():
            on_epoch(record)
    saver.now()
    net.load_state_dict(state.best)
    return state.history


def training_step(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    precision: str,
    label_smoothing: float,
    grad_clip: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Learn from one batch. Return its logits [B, C], its mean loss, and the gradient's norm before clipping."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = net(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(net.parameters(), grad_clip)
    optimizer.step()
    return logits.detach(), loss.detach(), norm


def test(net: nn.Module, batches: Batches) -> dict[str, float]:
    """The scores of the network on a split, by name: `loss`, `accuracy` and the others of `quickdraw.metrics`."""
    return metrics.scores(predict(net, batches))


def predict(net: nn.Module, batches: Batches) -> Predictions:
    """The predictions of the network, in eval mode, for every drawing of a split; its mode is restored."""
    device = next(net.parameters()).device
    columns: list[tuple[Tensor, ...]] = []
    was_training = net.training
    net.eval()
    with torch.inference_mode():
        for images, labels in in_large_batches(batches, device):
            labels = labels.to(device)
            logits = net(images.to(device))
            rank, loss = per_example.rank(logits, labels), per_example.cross_entropy(logits, labels)
            columns.append((labels, logits.argmax(dim=1), rank, per_example.confidence(logits), loss))
    net.train(was_training)
    values = [torch.cat(column).cpu().numpy() for column in zip(*columns, strict=True)]
    return Predictions(batches.indices, *values)
