"""Damaged `.npy` files: what a class file may hold after whatever happened to it."""

import io
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from quickdraw.data.class_files import open_class_file
from quickdraw.errors import DataError

FUZZ = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))

LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
VERSIONS = (b"\1\0", b"\2\0", b"\3\0", b"\1\1", b"\0\0", b"\xff\xff")


def check_fuzzed_file(data: st.DataObject, path: Path) -> None:
    """Write a damaged file to `path` and assert that it is refused in one line, or holds what numpy reads in it too."""
    path.write_bytes(damaged(data))
    drawings, complaint = opened(path)
    if drawings is None:
        assert len(complaint.splitlines()) == 1
    else:
        assert np.array_equal(drawings, np.load(path))


def opened(path: Path) -> tuple[np.ndarray | None, str]:
    """Return the drawings in a file, or None and why not."""
    try:
        return open_class_file(path), ""
    except DataError as error:
        return None, str(error)


def damaged(data: st.DataObject) -> bytes:
    """Return a file of two drawings with bytes changed, cut or put in, or with another header altogether."""
    buffer = io.BytesIO()
    np.save(buffer, np.arange(2 * 784, dtype=np.uint8).reshape(2, 784))
    good, pixels = buffer.getvalue(), buffer.getvalue()[128:]
    kind = data.draw(st.sampled_from(["changed", "cut", "put in", "text", "values"]))
    if kind == "changed":
        changed = bytearray(good)
        for place in data.draw(st.lists(st.integers(0, 127), min_size=1, max_size=4)):
            changed[place] = data.draw(st.integers(0, 255))
        return bytes(changed)
    place = data.draw(st.integers(0, len(good) - 1))
    if kind == "cut":
        return good[:place] + good[place + data.draw(st.integers(1, 2000)) :]
    if kind == "put in":
        return good[:place] + data.draw(st.binary(min_size=1, max_size=40)) + good[place:]
    if kind == "text":
        header = data.draw(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
    else:
        values: dict[str, object] = {"descr": "|u1", "fortran_order": False, "shape": (2, 784)}
        values[data.draw(st.sampled_from(list(values)))] = data.draw(LITERALS)
        header = repr(values).encode("latin1", "backslashreplace")
    version = data.draw(st.sampled_from(VERSIONS))
    size = len(header).to_bytes(2 if version[:1] == b"\1" else 4, "little")
    return b"\x93NUMPY" + version + size + header + pixels
