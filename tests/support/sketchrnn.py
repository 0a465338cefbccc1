"""Files of the sketchrnn form, small: what numpy writes today, and what Python 2 wrote for the official ones."""

import io
import itertools
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Pickles as Python 2 did in protocol 2: every text and all bytes are a `str`, of one byte a character."""

    def save_str(self, value: str | bytes) -> None:
        data = value.encode("latin-1") if isinstance(value, str) else value
        self.write(b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + len(data).to_bytes(4, "little"))
        self.write(data)
        self.memoize(value)

    dispatch = {**pickle._Pickler.dispatch, str: save_str, bytes: save_str}  # type: ignore[attr-defined] # noqa: RUF012


def python2(array: np.ndarray) -> bytes:
    """Return the pickle of an array as Python 2 and its numpy would have written it."""
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(array)
    return buffer.getvalue().replace(b"numpy._core", b"numpy.core")


def by_protocol(number: int) -> Callable[[np.ndarray], bytes]:
    """Return what pickles by today's numpy and that protocol."""
    return lambda array: pickle.dumps(array, number)


PICKLERS = {"python 2": python2, **{f"protocol {number}": by_protocol(number) for number in (2, 3, 4)}}


def object_array(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array


def offsets_of(strokes: Sequence[Sequence[Sequence[int]]]) -> np.ndarray:
    """Return a drawing as int16 [n, 3], (dx, dy, pen lifted), the first offset being from (0, 0)."""
    points = np.concatenate([np.array(stroke).T for stroke in strokes])
    pen = np.zeros(len(points), dtype=int)
    pen[np.cumsum([len(x) for x, _ in strokes]) - 1] = 1
    return np.column_stack([np.diff(points, axis=0, prepend=[[0, 0]]), pen]).astype(np.int16)


def header(count: int, shape: str = "({},)", descr: str = "|O") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape.format(count)}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def write_npz(path: Path, lists: dict[str, bytes]) -> None:
    """Write the members of an npz."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in lists.items():
            archive.writestr(f"{name}.npy", content)


def write_sketchrnn(
    path: Path, drawings: Sequence[np.ndarray], sizes: Sequence[int], pickler: Callable[[np.ndarray], bytes] = python2
) -> None:
    """Write drawings, int16 [n, 3] each, as train, valid and test of these sizes (officially 70,000, 2,500, 2,500)."""
    ends = np.cumsum([0, *sizes])
    lists = [object_array(drawings[start:end]) for start, end in itertools.pairwise(ends)]
    write_npz(
        path,
        {name: header(len(each)) + pickler(each) for name, each in zip(("train", "valid", "test"), lists, strict=True)},
    )
