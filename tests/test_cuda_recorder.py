"""What the recorder of CUDA graphs asks of torch, in which order: with a made-up `torch.cuda`, for machines without."""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from quickdraw.graphs import AHEAD, CudaRecorder

POOL = (0, 7)
DEVICE = torch.device("cuda:1")


class MadeUpCuda:
    """As much of `torch.cuda` as the recorder uses; `order` is what was done, on which stream."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: bool = False, closes: bool = False) -> None:
        self.order: list[str] = []
        self.fails, self.closes = fails, closes
        self.current = "main"
        self.mode = 0
        side, main = self.made_up_stream("side"), self.made_up_stream("main")
        event = SimpleNamespace(
            synchronize=lambda: self.note("synchronize"), record=lambda stream: self.note(f"record {stream.name}")
        )
        generator = SimpleNamespace(clone_state=lambda: "copy", graphsafe_set_state=self.set_generator)
        for name, fake in {
            "Stream": lambda device: side,
            "Event": lambda blocking: event,
            "graph_pool_handle": lambda: POOL,
            "current_stream": lambda device: main,
            "stream": self.on_stream,
            "graph": self.capturing,
            "CUDAGraph": lambda: SimpleNamespace(replay=lambda: self.note("replay")),
            "default_generators": (None, generator),
            "get_sync_debug_mode": lambda: self.mode,
            "set_sync_debug_mode": self.set_mode,
        }.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", self.close_pool, raising=False)

    def note(self, what: str) -> None:
        self.order.append(what)

    def made_up_stream(self, name: str) -> Any:
        def wait_stream(other: Any) -> None:
            self.note(f"{name} waits {other.name}")

        return SimpleNamespace(name=name, device_index=1, wait_stream=wait_stream)

    def set_generator(self, state: str) -> None:
        self.note(f"generator {state}")

    def set_mode(self, mode: str | int) -> None:
        self.mode = mode  # type: ignore[assignment]

    def close_pool(self, device: int, pool: tuple[int, int]) -> None:
        self.note(f"close {pool} of {device}")
        if self.closes:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")

    @contextlib.contextmanager
    def on_stream(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream.name
        try:
            yield
        finally:
            self.current = before

    @contextlib.contextmanager
    def capturing(self, graph: Any, pool: Any, stream: Any) -> Iterator[None]:
        assert (pool, stream.name) == (POOL, "side")
        self.current = stream.name
        try:
            yield
        finally:
            if self.fails:  # torch does not go back to the stream before, if a capture was not valid
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
            self.current = "main"

    def step(self, message: str = "") -> Callable[[], Tensor]:
        def function() -> Tensor:
            self.note(f"step on {self.current}")
            if message and self.mode == "warn":
                warnings.warn(message, stacklevel=1)
            return torch.ones(())

        return function


def test_a_step_runs_between_two_waits_of_the_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = MadeUpCuda(monkeypatch)
    CudaRecorder(DEVICE).run(cuda.step())
    assert cuda.order == ["side waits main", "step on side", "main waits side"]
    assert cuda.current == "main"


@pytest.mark.parametrize(
    ("message", "waits"), [("called a synchronizing CUDA operation", True), ("something is deprecated", False)]
)
def test_a_step_that_waits_for_the_device_is_noticed(
    message: str, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = MadeUpCuda(monkeypatch)
    assert CudaRecorder(DEVICE).watch(cuda.step(message))[1] is waits
    assert cuda.mode == 0


def test_a_replay_leaves_the_result_of_the_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = MadeUpCuda(monkeypatch)
    replay = CudaRecorder(DEVICE).capture(cuda.step())
    assert cuda.order == ["step on side"]
    assert replay() is replay()
    assert cuda.order == ["step on side", "replay", "replay"]


@pytest.mark.parametrize("closes", [True, False])
def test_a_failed_capture_leaves_stream_generator_and_allocator_as_they_were(
    closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = MadeUpCuda(monkeypatch, fails=True, closes=closes)
    with pytest.raises(RuntimeError, match="previous error during capture"):
        CudaRecorder(DEVICE).capture(cuda.step())
    assert cuda.current == "main"
    assert cuda.order == ["step on side", "generator copy", f"close {POOL} of 1"]


@pytest.mark.parametrize("fails", [True, False], ids=["its end fails too", "its end does not"])
def test_a_capture_that_lacks_memory_says_so(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    cuda = MadeUpCuda(monkeypatch, fails=fails)
    with pytest.raises(torch.OutOfMemoryError, match=r"2\.00 GiB"):
        CudaRecorder(DEVICE).capture(lacking)
    assert cuda.current == "main"
    assert cuda.order == ["generator copy", f"close {POOL} of 1"]


def test_the_host_is_at_most_two_events_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = MadeUpCuda(monkeypatch)
    recorder = CudaRecorder(DEVICE)
    for _ in range(2 * AHEAD + 1):
        recorder.keep_pace()
    assert cuda.order == ["synchronize", "record main"] * 2


def test_torch_has_what_the_recorder_calls_by_place() -> None:
    assert list(inspect.signature(torch.cuda.graph.__init__).parameters)[1:4] == ["cuda_graph", "pool", "stream"]
    assert hasattr(torch._C, "_cuda_endAllocateToPool") or not torch.backends.cuda.is_built()
    assert {"clone_state", "graphsafe_set_state"} <= set(dir(torch.Generator))
