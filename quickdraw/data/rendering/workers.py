"""Processes that render chunks of strokes to files, as many as there are cores."""

import contextlib
import dataclasses
import json
import os
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from quickdraw.data import cached
from quickdraw.data.class_files import BYTES_PER_DRAWING
from quickdraw.data.rendering.rasterise import Drawing, rasterise, rasterise_all
from quickdraw.data.rendering.stroke_files import Chunk, Lines, Offsets
from quickdraw.errors import DataError, RunError
from quickdraw.files import atomic_write

Render = Callable[[Chunk, Path], int]
MANY = 7  # drawings that are not all dots by chance


def render_chunk(chunk: Chunk, path: Path) -> int:
    """Render n drawings of a chunk to a file of n x 784 bytes in the cache, unless it is there, and count them."""
    known = cached.read(path)
    if known is not None:
        return len(known) // BYTES_PER_DRAWING
    drawings = chunk.read()
    try:
        images = rasterise_all(list(drawings.values()))
    except DataError:
        for place, drawing in drawings.items():
            try:
                rasterise(drawing)
            except DataError as error:
                raise DataError(f"{place}: {error}") from error
        raise
    check_size(drawings, images)
    atomic_write(path, cached.sealed(images.tobytes()))
    return len(images)


def check_size(drawings: Mapping[str, Drawing], images: np.ndarray) -> None:
    """Raise DataError if the drawings, uint8 [n, 28, 28] as rendered, are all but dots: their units are other ones."""
    beyond: np.ndarray = np.any(images, axis=0)
    beyond[12:16, 12:16] = False  # up to 27 units of 255, as a line is thick
    if len(drawings) < MANY or beyond.any():
        return
    largest = 0.0
    for drawing in drawings.values():
        for stroke in drawing:
            largest = max(largest, *stroke[0], *stroke[1])
    if largest:
        raise DataError(
            f"{next(iter(drawings))}: expected strokes in 0..255, got none above {largest:g} in {len(drawings)} "
            f"drawings; multiply all coordinates by {255 / largest:g}"
        )


@contextlib.contextmanager
def workers(count: int) -> Iterator[Callable[[Chunk, Path], "Future[int]"]]:
    """Yield a function that submits a chunk to one of `count` processes; with one only, this is it.

    Each process is led by a thread. They are no `multiprocessing` pool, whose processes would import the user's script
    or notebook again, and stay for ever when this one is killed.
    """
    free: queue.SimpleQueue[Render] = queue.SimpleQueue()
    started = []
    if count == 1:
        free.put(render_chunk)
    else:
        started = [Worker() for _ in range(count)]
        for worker in started:
            free.put(worker)

    def call(chunk: Chunk, path: Path) -> int:
        worker = free.get()
        try:
            return worker(chunk, path)
        finally:
            free.put(worker)

    threads = ThreadPoolExecutor(count)
    try:
        yield lambda chunk, path: threads.submit(call, chunk, path)
    finally:
        threads.shutdown(cancel_futures=True)
        for worker in started:
            worker.close()


class Worker:
    """A process that renders one chunk after the other. It ends when its standard input does, so with this process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from quickdraw.data.rendering.workers import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # a Ctrl-C is for the process that the user called
        )

    def __call__(self, chunk: Chunk, path: Path) -> int:
        """Render a chunk as `render_chunk` does. Raises RunError if the process was killed."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(question(chunk, path.absolute()))
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            raise RunError(
                f"a process that rendered strokes ended with {self.process.wait()}, perhaps because memory ran out; "
                "the same command continues"
            ) from error
        if "data_error" in answer:
            raise DataError(answer["data_error"])
        if "os_error" in answer:
            raise OSError(*answer["os_error"])
        return int(answer["drawings"])

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve() -> None:
    """Answer a Worker on standard input and output, a line of JSON each, until the input ends."""
    for line in sys.stdin.buffer:
        try:
            answer: dict[str, Any] = {"drawings": render_chunk(*asked(line))}
        except DataError as error:
            answer = {"data_error": str(error)}
        except OSError as error:
            answer = {"os_error": [error.errno, error.strerror, str(error.filename)]}
        with contextlib.suppress(BrokenPipeError):  # the other process was killed
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
            sys.stdout.buffer.flush()


def question(chunk: Chunk, path: Path) -> bytes:
    """A chunk and where to render it, as a line of JSON."""
    values = {field.name: getattr(chunk, field.name) for field in dataclasses.fields(chunk)}  # type: ignore[arg-type]
    if isinstance(chunk, Offsets):
        values["arrays"] = [[array.dtype.str, array.shape, array.tolist()] for array in chunk.arrays]
    return json.dumps([type(chunk).__name__, values, str(path)], default=str).encode() + b"\n"


def asked(line: bytes) -> tuple[Chunk, Path]:
    """The chunk and the path in a `question`."""
    kind, values, path = json.loads(line)
    if kind == Offsets.__name__:
        arrays = [np.array(numbers, np.dtype(dtype)).reshape(shape) for dtype, shape, numbers in values["arrays"]]
        return Offsets(**values | {"arrays": arrays}), Path(path)
    return Lines(**values | {"path": Path(values["path"])}), Path(path)
