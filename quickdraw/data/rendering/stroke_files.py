"""Files of strokes, read in pieces: `<class>.ndjson` (simplified) and `<class>.npz` (sketchrnn).

A file is cut into chunks, small things that can be sent to another process and read there. What they read is what
`rasterise` takes: lists of strokes [[x...], [y...]] in 0..255. Nothing is ever unpickled.
"""

import itertools
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from quickdraw.data.npy_header import LONGEST_HEADER, read_header
from quickdraw.data.rendering.pickled import read_arrays
from quickdraw.data.rendering.rasterise import Drawing
from quickdraw.errors import DataError

CHUNK = 2048  # drawings: under half a second of rendering, which is what a kill may cost
LONGEST_LINE = 2**20  # bytes; no official line takes 40,000
LARGEST_MEMBER = 2**30  # bytes of an npz's list when unpacked; no official one takes a tenth of it
OWN_SPLIT = ("train", "valid", "test")


class Chunk(Protocol):
    """Some drawings of a file that follow each other."""

    def read(self) -> dict[str, Drawing]:
        """The drawings, each by the words that say where it stands. Raises DataError that says so, too."""


class StrokeFile(Protocol):
    """A file of drawings."""

    path: Path
    options: Sequence[Any]  # all that decides, beside the file's content, which drawings it yields

    def count(self) -> int:
        """The number of drawings in the chunks, or a little more than that."""

    def chunks(self) -> Iterator[Chunk]:
        """Yield them in order, always the same ones."""


@dataclass(frozen=True)
class Lines:
    """Some lines of an ndjson file: the bytes from `start` to `end`, which begin with line number `first`."""

    path: Path
    start: int
    end: int
    first: int
    recognized_only: bool

    def read(self) -> dict[str, Drawing]:
        """The drawings, each by its file and line."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            lines = file.read(self.end - self.start).split(b"\n")
        drawings: dict[str, Drawing] = {}
        for number, line in enumerate(lines, self.first):
            place = f"{self.path}, line {number}"
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{place}: expected a JSON object, got {shown(line)}") from error
            if not isinstance(record, dict) or "drawing" not in record:
                raise DataError(f'{place}: expected a JSON object with a "drawing", got {shown(line)}')
            if self.recognized_only and not isinstance(record.get("recognized"), bool):
                raise DataError(f'{place}: expected "recognized" to be true or false, got {shown(line)}')
            if not self.recognized_only or record["recognized"]:
                drawings[place] = record["drawing"]
        return drawings


class Simplified:
    """An ndjson file: one JSON object a line, with its strokes in "drawing"; empty lines are passed over."""

    def __init__(self, path: Path, limit: int | None, recognized_only: bool) -> None:
        self.path = path
        self.limit = limit
        self.recognized_only = recognized_only
        self.options: Sequence[Any] = [limit, recognized_only]

    def count(self) -> int:
        """The number of lines, or the limit."""
        lines, block = 0, b"\n"
        with self.path.open("rb") as file:
            while more := file.read(2**20):
                block = more
                lines += block.count(b"\n")
        lines += not block.endswith(b"\n")
        return min(lines, self.limit or lines)

    def chunks(self) -> Iterator[Lines]:
        """Yield all lines, by CHUNK; whoever needs no more than the limit stops there."""
        lines = min(CHUNK, self.limit or CHUNK)
        with self.path.open("rb") as file:
            for first in itertools.count(1, lines):
                start = file.tell()
                for number in range(first, first + lines):
                    line = file.readline(LONGEST_LINE)
                    if len(line) == LONGEST_LINE:
                        raise DataError(f"{self.path}, line {number}: expected a drawing, got over {len(line):,} bytes")
                    if not line:
                        break
                if file.tell() == start:
                    return
                yield Lines(self.path, start, file.tell(), first, self.recognized_only)


@dataclass(frozen=True)
class Offsets:
    """Some drawings of an npz: int16 [n, 3] each, (dx, dy, pen lifted), from number `first` of a list on."""

    place: str
    first: int
    arrays: list[np.ndarray]

    def read(self) -> dict[str, Drawing]:
        """The drawings, each by its file, list and number."""
        drawings: dict[str, Drawing] = {}
        for number, offsets in enumerate(self.arrays, self.first):
            place = f"{self.place}, drawing {number}"
            try:
                drawings[place] = strokes_of(offsets)
            except DataError as error:
                raise DataError(f"{place}: {error}") from error
        return drawings


class SketchRnn:
    """An npz file: the pickled lists train, valid and test.

    `limit` takes the first drawings of all, or with `own_split` of each list its share.
    """

    def __init__(self, path: Path, limit: int | None, own_split: bool) -> None:
        self.path = path
        self.options: Sequence[Any] = [limit, own_split]
        counts = [self._list(name)[0] for name in OWN_SPLIT]
        if own_split:
            share = min(1.0, (limit or sum(counts)) / max(1, sum(counts)))
            self.sizes = [-int(-count * share // 1) for count in counts]
        else:
            ends = np.minimum(np.cumsum(counts), limit or sum(counts))
            self.sizes = np.diff([0, *ends]).tolist()

    def count(self) -> int:
        """The number of drawings."""
        return sum(self.sizes)

    def chunks(self) -> Iterator[Offsets]:
        """Yield the drawings of the three lists, by CHUNK. One list at a time is held in memory."""
        for name, size in zip(OWN_SPLIT, self.sizes, strict=True):
            if size:
                place = f"{self.path}, {name}"
                count, pickled = self._list(name, whole=True)
                try:
                    arrays = read_arrays(pickled, count)
                except DataError as error:
                    raise DataError(f"{place}: {error}") from error
                for first in range(0, size, CHUNK):
                    yield Offsets(place, first, arrays[first : min(first + CHUNK, size)])

    def _list(self, name: str, whole: bool = False) -> tuple[int, bytes]:
        """The length in a list's header and, if the `whole` is wanted, its pickle."""
        pickled = b""
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as member:
                size = archive.getinfo(f"{name}.npy").file_size
                head = member.read(LONGEST_HEADER)
                header = read_header(head)
                if header is None:
                    raise DataError("it ends within its header")
                if whole and size <= LARGEST_MEMBER:
                    pickled = head[header.length :] + member.read()
        except Exception as error:  # whatever zipfile and the parser raise on bytes that are no such archive
            raise DataError(
                f"{self.path}: expected an npz with the lists {', '.join(OWN_SPLIT)}, cannot read {name} ({error!r})"
            ) from error
        if header.dtype != "object" or len(header.shape) != 1 or header.shape[0] < 0 or size > LARGEST_MEMBER:
            raise DataError(
                f"{self.path}, {name}: expected object [N] in up to {LARGEST_MEMBER:,} bytes, "
                f"got {header.dtype} {list(header.shape)} in {size:,}"
            )
        return header.shape[0], pickled


def strokes_of(offsets: np.ndarray) -> Drawing:
    """The strokes of int16 [n, 3], (dx, dy, pen lifted after it), in 0..255.

    The offsets are summed up from the first point, the drawing is moved to 0, and made smaller only where it is larger
    than 255: as in the simplified format.
    """
    pen = offsets[:, 2]
    if ((pen != 0) & (pen != 1)).any():
        raise DataError(f"expected 0 or 1 for the pen, got {pen.min()}..{pen.max()}")
    if not len(offsets):
        return []
    points = np.cumsum(offsets[:, :2], axis=0, dtype=np.int64)
    points -= points.min(axis=0)
    largest = int(points.max())
    scaled = points * 255 / largest if largest > 255 else points
    xs, ys = scaled.T.tolist()
    ends = [*(np.flatnonzero(pen) + 1).tolist(), len(xs)]
    return [[xs[start:end], ys[start:end]] for start, end in itertools.pairwise([0, *ends]) if end > start]


def shown(line: bytes) -> str:
    text = line.decode(errors="replace")
    return repr(text if len(text) <= 60 else text[:57] + "...")
