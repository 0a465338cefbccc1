"""Training and testing: the loop, from top to bottom.

`train` leaves the weights of the best epoch in the network; `test` measures them. Both are plain functions: a notebook
calls them with a few objects, `run.py` with everything the configuration holds.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickdraw import per_example
from quickdraw.data.augment import augment
from quickdraw.data.batches import Batches
from quickdraw.errors import DivergedError, Interrupted, PrunedError
from quickdraw.metrics import lower_is_better
from quickdraw.predictions import Predictions
from quickdraw.progress import Progress, describe
from quickdraw.schedule import constant
from quickdraw.seeding import seed_step
from quickdraw.state import Record, Saved, State


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
    on_epoch: Callable[[Record], None] = lambda record: print(describe(record)),
    save: Callable[[int, Saved], None] | None = None,
    saved: Saved | None = None,
    stop_signal: Callable[[], int | None] = lambda: None,
) -> list[Record]:
    """Train the network where it lies and leave the weights of the best epoch in it. Return one record an epoch.

    The learning rate of a step is the optimizer's, times `schedule(fraction of training done)`. The best epoch is the
    one with the highest `monitor` (lowest, for a loss), the first of equals; after `patience` epochs without a better
    one training ends. `progress` shows a bar (None: on a terminal).

    Every `checkpoint_every_s` seconds and at the end, `save(steps done, state)` is called; what it was last given,
    passed as `saved`, continues there and ends with the same bits. When `stop_signal()` names a signal, the step is
    finished and saved, and Interrupted is raised; a PrunedError of `on_epoch` is passed on when all is saved. Raises
    DivergedError when the loss is no longer finite.
    """
    device = next(net.parameters()).device
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = len(train_batches)
    rates = [group["lr"] for group in optimizer.param_groups]
    state = State(net, optimizer, steps)
    if saved:
        state.restore(saved)
    at = state.at

    def factor(step: int) -> float:
        return schedule((at.epoch * steps + step) / (epochs * steps))

    def check_and_save() -> None:
        check_finite(state.losses[: at.step], at.epoch * steps, lambda step: rates[0] * factor(step))
        if save:
            save(at.epoch * steps + at.step, state.collect())

    last_save = time.monotonic()
    while at.epoch < epochs and at.epoch - at.best_epoch <= patience:
        net.train()
        begin = time.perf_counter() - at.epoch_s
        with Progress(f"epoch {at.epoch + 1}/{epochs}", steps, at.step, progress) as bar:
            for images, labels in train_batches.epoch(seed, at.epoch, start=at.step):
                images, labels = images.to(device), labels.to(device)
                seed_step(seed, at.epoch, at.step)
                images = augment(images, train_batches.augment, seed, at.epoch, at.step)
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * factor(at.step)
                logits, loss, norm = training_step(
                    net, optimizer, images, labels, precision, label_smoothing, grad_clip
                )
                state.losses[at.step], state.grad_norms[at.step] = loss * len(labels), norm
                state.correct[at.step] = per_example.accuracy(logits, labels).sum()
                at.step += 1
                at.epoch_s = time.perf_counter() - begin
                bar.show(loss)
                signal_number = stop_signal()  # asked once: what is raised below has been saved
                if signal_number or time.monotonic() - last_save >= checkpoint_every_s:
                    check_and_save()
                    last_save = time.monotonic()
                if signal_number:
                    raise Interrupted(signal_number)
        check_finite(state.losses, at.epoch * steps, lambda step: rates[0] * factor(step))
        at.epoch_s = time.perf_counter() - begin
        drawings = len(train_batches.indices)
        validation = test(net, val_batches)
        lr = rates[0] * factor(steps - 1)  # the last step's; the optimizer forgot it if the run was continued here
        if not math.isfinite(validation["loss"]):
            raise DivergedError(diverged("validation", validation["loss"], (at.epoch + 1) * steps, lr))
        record = {
            "epoch": at.epoch + 1,
            "step": (at.epoch + 1) * steps,
            "train_loss": state.losses.double().sum().item() / drawings,
            "train_accuracy": state.correct.sum().item() / drawings,
            **{f"val_{name}": value for name, value in validation.items()},
            "lr": lr,
            "grad_norm": state.grad_norms.nan_to_num().double().mean().item(),  # JSON has no infinity
            "train_s": at.epoch_s,
            "samples_per_s": drawings / at.epoch_s,
        }
        at.history.append(record)
        state.keep_best(-record[monitor] if lower_is_better(monitor) else record[monitor])
        at.epoch, at.step, at.epoch_s = at.epoch + 1, 0, 0.0
        with saved_if_pruned(check_and_save):
            on_epoch(record)
    check_and_save()
    net.load_state_dict(state.best)
    return at.history


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
    """Return the scores of the network on a split; see `Predictions.scores`."""
    return predict(net, batches).scores()


def predict(net: nn.Module, batches: Batches) -> Predictions:
    """Return what the network, in eval mode, says of every drawing of a split; its mode is restored."""
    device = next(net.parameters()).device
    columns: list[tuple[Tensor, ...]] = []
    was_training = net.training
    net.eval()
    with torch.inference_mode():
        for images, labels in batches:
            labels = labels.to(device)
            logits = net(images.to(device))
            rank, loss = per_example.rank(logits, labels), per_example.cross_entropy(logits, labels)
            columns.append((labels, logits.argmax(dim=1), rank, per_example.confidence(logits), loss))
    net.train(was_training)
    return Predictions(batches.indices, *(torch.cat(column).cpu().numpy() for column in zip(*columns, strict=True)))


@contextlib.contextmanager
def saved_if_pruned(save: Callable[[], None]) -> Iterator[None]:
    """Call `save` before a PrunedError leaves the block: what was learnt is kept, and could go on."""
    try:
        yield
    except PrunedError:
        save()
        raise


def check_finite(losses: Tensor, steps_before: int, rate: Callable[[int], float]) -> None:
    """Raise DivergedError that names the first step whose loss is not finite, and its learning rate."""
    bad = (~torch.isfinite(losses)).nonzero()
    if len(bad):
        step = int(bad[0])
        raise DivergedError(diverged("training", float(losses[step]), steps_before + step + 1, rate(step)))


def diverged(what: str, loss: float, step: int, lr: float) -> str:
    """Return what to say of a loss that is no longer finite."""
    return (
        f"the {what} loss became {loss} at step {step} with a learning rate of {lr:.3g}; "
        "lower optimizer.lr, or set trainer.grad_clip=1"
    )
