"""A pack: trainings side by side, in step within an epoch, whose lanes are refilled at its end."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from quickdraw import metrics
from quickdraw.data.augment import moved, movements, uploaded
from quickdraw.data.batches import Batches
from quickdraw.data.resident import ungathered
from quickdraw.errors import ConfigError, Interrupted, is_out_of_memory
from quickdraw.graphs import RECORDERS, GraphedStep, Step
from quickdraw.lanes.stack import Stack
from quickdraw.lanes.training import Settings, Training, architecture, may_share
from quickdraw.learning_rate import LearningRate
from quickdraw.progress import Progress, describe
from quickdraw.saver import Saver
from quickdraw.state import EpochRecord, Snapshot, State


@dataclass
class Lane:
    """A training in its lane: a row of the stack, and what `engine.train` keeps of a training."""

    row: int
    training: Training
    settings: Settings
    state: State
    rate: LearningRate
    saver: Saver

    @property
    def finished(self) -> bool:
        """Whether all its epochs are done, or its patience."""
        return self.state.epoch >= self.settings.epochs or self.state.epochs_without_better >= self.settings.patience

    def numbers(self, stack: Stack, steps: int) -> np.ndarray:
        """What the steps of this epoch are computed with, float64 [numbers, steps]; see `Stack.learn`."""
        first = self.state.epoch * steps
        rates = np.array([self.rate.at(step) for step in range(first, first + steps)])
        (group,) = self.training.optimizer.param_groups
        own = [self.settings.label_smoothing, self.settings.grad_clip, *stack.rule.numbers(group, rates, first)]
        return np.stack([np.broadcast_to(number, steps) for number in own])


class Pack:
    """So many trainings of equal shape on the same drawings, side by side: as many as it is wide.

    A training's bits depend on the width, as they do on the number of threads, and neither on its lane nor on what is
    beside it. When `stop_signal()` names a signal, the step is finished, all is saved, and all leave with Interrupted.
    """

    def __init__(
        self,
        width: int,
        train: Batches,
        val: Batches,
        *,
        stop_signal: Callable[[], int | None] = lambda: None,
        progress: Progress | None = None,
    ) -> None:
        self.width = width
        self.train = self.batches = train
        self.val = val
        self.stop_signal = stop_signal
        self.signal: int | None = None  # the latest answer: asked once a step, so all lanes hear the same
        self.progress = progress or Progress(0, len(train), shown=False)
        self.lanes: dict[int, Lane] = {}
        self.ended: list[Training] = []  # since `epoch` was last called
        self.stack: Stack | None = None  # made for the first training
        self.step: Step
        self.common: dict[str, str] = {}

    @property
    def free(self) -> int:
        """The number of lanes without a training."""
        return self.width - len(self.lanes)

    def admit(self, training: Training) -> None:
        """Give a training a lane, from the next epoch on. Raises ConfigError if its shapes are not the pack's."""
        settings = training.settings()
        self._check(training)
        state = State(training.net, training.optimizer, len(self.train), drawings=len(self.train.indices))
        training.net.train()
        if training.resume_from:
            state.restore(training.resume_from)
        rate = LearningRate(training.optimizer, settings.schedule, settings.epochs * len(self.train))
        saver = Saver(state, rate, settings.checkpoint_every_s, training.save, lambda: self.signal)
        row = min(set(range(self.width)) - self.lanes.keys())
        if self.stack is None:
            self.stack = Stack(self.width, state, settings.precision)
            self.batches, self.step = step_of(self.stack, self.train, getattr(training.net, "capturable", True))
            self.common = architecture(training)
        self.stack.take(row, state)
        self.lanes[row] = Lane(row, training, settings, state, rate, saver)

    def _check(self, training: Training) -> None:
        """Raise ConfigError for a training that may have no lane here."""
        reason = may_share(training.net, training.optimizer)
        if reason:
            raise ConfigError(f"lanes: {training.name}: {reason}; train it alone: lanes=1")
        if not self.free:
            raise ConfigError(f"lanes: {training.name}: expected a free lane, got none of {self.width}")
        own = architecture(training)
        common = self.common or own
        for name in sorted(common.keys() | own.keys()):
            expected, got = common.get(name, "nothing"), own.get(name, "nothing")
            if got != expected:
                raise ConfigError(
                    f"lanes: {training.name}: {name}: expected {expected} as in the pack, got {got}; "
                    "trainings of another shape need a pack of their own"
                )

    def epoch(self) -> list[Training]:
        """Take all lanes one epoch on; return the trainings that ended, which have left their lanes."""
        for lane in self._each():  # of a training that is continued nothing may be left to do
            if lane.finished:
                self._finish(lane)
        if self.stack and self.lanes:
            self._train(self.stack)
        if self.stack and self.lanes:
            self._validate(self.stack)
        ended, self.ended = self.ended, []
        return ended

    def _train(self, stack: Stack) -> None:
        """Take all lanes to the end of their epoch, step by step."""
        # What differs by lane, for the whole epoch: orders, seeds, the numbers of each step.
        steps = len(self.train)
        any_order = next(iter(self.lanes.values()))
        orders = [self._order(self.lanes.get(row, any_order)) for row in range(self.width)]
        seeds = {row: (lane.training.seed, lane.state.epoch) for row, lane in self.lanes.items()}
        numbers = self._numbers(stack, steps)
        stack.begin_epoch(seeds, steps)
        for lane in self._each():
            lane.state.start_clock()

        # The steps. A training that is continued amid its epoch waits for its step.
        with self.progress.epoch(any_order.state.epoch, 0):
            for step, batch in enumerate(self.batches.side_by_side(orders)):
                stack.networks.streams.begin_step(step)
                matrices = self._movements(stack, seeds, len(batch[-1]) // self.width, step)
                with self._waiting(stack, step):
                    losses = self.step(matrices, numbers[step], *batch)
                self.progress.show(losses[any_order.row])
                self._after_step(step)
                if not self.lanes:
                    break
            for lane in self._each():
                with self._ending(lane):
                    lane.state.check_finite(lane.rate)
                    lane.state.stop_clock()

    def _order(self, lane: Lane) -> np.ndarray:
        return self.train.order(lane.training.seed, lane.state.epoch)

    def _numbers(self, stack: Stack, steps: int) -> Tensor:
        """The numbers of all steps of this epoch, on the device, float [steps, numbers, W]."""
        by_row = {row: lane.numbers(stack, steps) for row, lane in self.lanes.items()}
        some = next(iter(by_row.values()))
        table = np.stack([by_row.get(row, np.zeros_like(some)) for row in range(self.width)], axis=2)
        return torch.from_numpy(table.swapaxes(0, 1)).to(stack.device, stack.numbers.dtype)

    def _movements(self, stack: Stack, seeds: Mapping[int, tuple[int, int]], count: int, step: int) -> Tensor | None:
        """How the images of all lanes move, `count` each, float32 [W * count, 2, 3]: each lane's as it would alone."""
        strength = self.train.augment
        if not strength:
            return None
        matrices = np.zeros((self.width, count, 2, 3), dtype=np.float32)
        for row, (seed, epoch) in seeds.items():
            matrices[row] = movements(count, strength, 28, seed, epoch, step)
        return uploaded(matrices.reshape(-1, 2, 3), stack.device)

    @contextlib.contextmanager
    def _waiting(self, stack: Stack, step: int) -> Iterator[None]:
        """Leave the lanes that have done this step before as they are."""
        waiting = [lane.row for lane in self._each() if lane.state.step > step]
        if not waiting:
            yield
            return
        rows = uploaded(np.array(waiting), stack.device)
        before = [tensor[rows] for tensor in stack.rows(step)]
        yield
        for tensor, kept in zip(stack.rows(step), before, strict=True):
            tensor[rows] = kept

    def _after_step(self, step: int) -> None:
        """Count the step in each lane, and save where that is due."""
        self.signal = self.stop_signal()
        for lane in self._each():
            waits = lane.state.step > step
            if waits:
                lane.state.start_clock()
            else:
                lane.state.count_step()
            if self.signal or not waits:
                with self._ending(lane):
                    lane.saver.after_step()

    def _validate(self, stack: Stack) -> None:
        """End the epoch of all lanes: validate them, report it, and let those leave that have finished."""
        predictions = stack.predict(self.val)
        for lane in self._each():
            with self._ending(lane):
                record = lane.state.end_epoch(metrics.scores(predictions[lane.row]), lane.rate)
                lane.state.keep_best(record, lane.settings.monitor)
                with lane.saver.before_pruning():
                    lane.training.on_epoch(record)
            if lane.training.error is None and lane.finished:
                self._finish(lane)

    def _each(self) -> list[Lane]:
        """The lanes in use; while one looks at them, they may end."""
        return list(self.lanes.values())

    @contextlib.contextmanager
    def _ending(self, lane: Lane) -> Iterator[None]:
        """Let an error of a training end that training only; a pack too wide for the device ends as a whole."""
        try:
            yield
        except (Exception, Interrupted) as error:
            if is_out_of_memory(error):
                raise
            self._leave(lane, error)

    def _finish(self, lane: Lane) -> None:
        """Save a training that has finished, and leave the weights of its best epoch in its network."""
        with self._ending(lane):
            lane.saver.now()
            self._leave(lane, None)

    def _leave(self, lane: Lane, error: BaseException | None) -> None:
        training = lane.training
        training.error, training.history = error, lane.state.history
        if self.stack:
            self.stack.release(training.net, training.optimizer)
        if error is None:
            training.net.load_state_dict(lane.state.best)
        del self.lanes[lane.row]
        self.ended.append(training)


def step_of(stack: Stack, train: Batches, capturable: bool) -> tuple[Batches, Step]:
    """The step of all lanes and the batches that it takes: on a GPU as a graph, which then gathers its batch too."""
    device = stack.device

    def learn(matrices: Tensor | None, numbers: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        images, labels = images.to(device), labels.to(device)
        if matrices is not None:
            images = moved(images, matrices)
        return stack.learn(images, labels, numbers)

    if device.type not in RECORDERS or not capturable:
        return train, learn
    batches, gather = ungathered(train)
    streams = stack.networks.streams
    graphed = GraphedStep(
        lambda matrices, numbers, *batch: learn(matrices, numbers, *gather(*batch)),
        device,
        seed_again=lambda: streams.begin_step(streams.step),
    )
    return batches, graphed


def train(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    train_batches: Batches,
    val_batches: Batches,
    *,
    lanes: int,
    seed: int = 0,
    on_epoch: Callable[[EpochRecord], None] = lambda record: print(describe(record)),
    save: Callable[[int, Snapshot], None] | None = None,
    resume_from: Snapshot | None = None,
    stop_signal: Callable[[], int | None] = lambda: None,
    **trainer: Any,
) -> list[EpochRecord]:
    """Train as `engine.train` does, in a pack of so many lanes whose others are idle: with the bits of such a pack."""
    training = Training("training", net, optimizer, seed, trainer, on_epoch, save, resume_from)
    settings = training.settings()
    progress = Progress(settings.epochs, len(train_batches), settings.progress)
    pack = Pack(lanes, train_batches, val_batches, stop_signal=stop_signal, progress=progress)
    pack.admit(training)
    while not pack.epoch():
        pass
    if training.error:
        raise training.error
    return training.history
