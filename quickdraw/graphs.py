"""A training step as a CUDA graph: captured once, then replayed as one launch.

A step of a small network is a hundred launches of microseconds each, which the host cannot issue as fast as a GPU does
them. A graph is issued at once. It repeats what was captured on the same memory, so all that changes from step to step
lies in tensors that stay where they are: the inputs are copied to theirs, the learning rate, the sums of the epoch and
whatever `seed_step` sets are on the device. What a step does in Python happens once, while it is captured.
"""

import contextlib
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from quickdraw.errors import is_out_of_memory

WARM_UP = 3  # steps of a batch size before it is captured, as torch advises: libraries load, the optimizer sets up
AHEAD = 8  # the host waits when the device is twice so many steps behind

Step = Callable[..., Tensor]
log = logging.getLogger("quickdraw")


def prepare(net: nn.Module, optimizer: torch.optim.Optimizer) -> bool:
    """Whether training steps on the network's device are to be captured; the optimizer is then set up for it.

    One line says why steps on a GPU are not.
    """
    device = next(net.parameters()).device
    if device.type not in RECORDERS:
        return False
    reason = why_eager(net, optimizer)
    if reason:
        say_eager(reason)
        return False
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True  # counts its steps on the device
    return True


def why_eager(net: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """What keeps a step from being captured, "" for nothing that is known before it is tried.

    Optimizers of torch that can be captured have a setting `capturable`; fused SGD can without one. Others may count
    their steps on the host, which a graph would not notice.
    """
    if not getattr(net, "capturable", True):
        return f"{type(net).__name__}.capturable is False"
    for group in optimizer.param_groups:
        fused_sgd = isinstance(optimizer, torch.optim.SGD) and group["fused"]
        if "capturable" not in group and not fused_sgd:
            return f"{type(optimizer).__name__} cannot be captured; AdamW can, and SGD with optimizer.fused=true"
    return ""


def say_eager(reason: str) -> None:
    """Say in one line that steps are launched one operation at a time."""
    log.info("training steps run without a CUDA graph: %s", reason)


@dataclass
class Captured:
    """A step for one batch size: its inputs where they stay, the calls so far, and its graph once there is one."""

    step: Callable[[], Tensor]
    inputs: tuple[Tensor | None, ...]
    calls: int = 0
    replay: Callable[[], Tensor] | None = None


class GraphedStep:
    """Calls `step(*inputs)`, at first as it is, then as a graph; each batch size, the last input's length, has its own.

    The step returns a tensor, which its next call may overwrite. Whatever it changes on the device is changed once a
    call, and the host is a bounded number of steps ahead. `seed_again` seeds chance as it was before the latest call:
    what a capture counts on the host, as the numbers of a stream that are taken, it counts from there.
    """

    def __init__(self, step: Step, device: torch.device, seed_again: Callable[[], None]) -> None:
        self.step = step
        self.device = device
        self.seed_again = seed_again
        self.recorder = RECORDERS[device.type](device)
        self.sizes: dict[int, Captured] = {}
        self.eager = False

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        own = self._with(inputs)
        own.calls += 1
        if own.replay:
            result = own.replay()
        elif own.calls < WARM_UP or self.eager:
            result = self.recorder.run(own.step)
        else:
            result = self._last_warm_up(own)
        self.recorder.keep_pace()
        return result

    def _with(self, inputs: tuple[Tensor | None, ...]) -> Captured:
        """The step of this batch size, with these inputs in its own."""
        size = len(inputs[-1])  # type: ignore[arg-type]
        if size not in self.sizes:
            kept = tuple(None if each is None else torch.empty_like(each, device=self.device) for each in inputs)
            self.sizes[size] = Captured(partial(self.step, *kept), kept)
        own = self.sizes[size]
        for place, given in zip(own.inputs, inputs, strict=True):
            if place is not None and given is not None:
                place.copy_(given, non_blocking=True)
        return own

    def _last_warm_up(self, own: Captured) -> Tensor:
        """Take the step once more as it is, and capture it for the next one: that by itself computes nothing."""
        result, waits = self.recorder.watch(own.step)
        reason = "the network or the optimizer waits for the device in each step"
        if not waits:
            self.seed_again()
            try:
                own.replay = self.recorder.capture(own.step)
                return result
            except RuntimeError as error:
                if is_out_of_memory(error):  # launched one operation at a time, it would need as much
                    raise
                reason = str(error).splitlines()[0]
        say_eager(reason)
        self.eager = True
        self.sizes.clear()  # a failed capture leaves the generator of an earlier graph behind
        return result


class CudaRecorder:
    """Calls and captures functions on a stream of its own; replays go to the current one."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()  # graphs that never run at once share their memory
        self.behind = torch.cuda.Event(blocking=True)
        self.steps = 0

    def run(self, function: Callable[[], Tensor]) -> Tensor:
        """Call a function on the stream of the captures."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function()
        current.wait_stream(self.stream)
        return result

    def watch(self, function: Callable[[], Tensor]) -> tuple[Tensor, bool]:
        """Call a function; whether it waited for the device, as `.item()` does, which no graph can."""
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                result = self.run(function)
            finally:
                torch.cuda.set_sync_debug_mode(before)
        return result, any("synchronizing CUDA operation" in str(each.message) for each in caught)

    def capture(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """A function's launches as a graph, and its result where each replay leaves it.

        Raises RuntimeError for a function that cannot be captured, OutOfMemoryError where memory is short; nothing has
        been computed then, and the current stream, the generator and the allocator are as they were.
        """
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self.stream.device_index]
        before = generator.clone_state()
        try:
            with torch.cuda.stream(self.stream), torch.cuda.graph(graph, self.pool, self.stream):
                result = function()
        except RuntimeError as error:
            generator.graphsafe_set_state(before)  # its own may wait for the end of the capture for ever
            with contextlib.suppress(RuntimeError):  # torch 2.11 leaves the pool open; others have closed it
                torch._C._cuda_endAllocateToPool(self.stream.device_index, self.pool)
            if isinstance(error.__context__, torch.OutOfMemoryError):  # it spoils the capture, whose end then fails too
                raise error.__context__ from None
            raise

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay

    def keep_pace(self) -> None:
        """Wait until all steps but the latest 8 to 16 are done: a signal, a save and the clock are that close."""
        self.steps += 1
        if self.steps % AHEAD == 0:
            self.behind.synchronize()
            self.behind.record(torch.cuda.current_stream(self.device))


RECORDERS: dict[str, Any] = {"cuda": CudaRecorder}  # by kind of device
