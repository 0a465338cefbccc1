"""A cheap look at some drawings of a file: whether its numbers mean ink on paper, and what to save otherwise.

Dark ink on white paper, or pixels of 0 and 1, train without an error, and the network is of no use for other drawings.
Of the official files 0.24 of the pixels are bright at most (blackberry), and none at the border is anything but 0.
"""

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from quickdraw.data.npy_header import LONGEST_HEADER, read_header
from quickdraw.errors import DataError

SAMPLE = 64  # drawings looked at in each file, evenly spread: 0.2 ms
FAINT = 128  # the largest pixel of a file of drawings is above it
BRIGHT = 0.75  # of the largest pixel
WHITE_PAPER = 0.5  # with so many bright pixels, at the border and in all, a drawing is dark ink on white paper
MOST_INK = 0.6  # of a whole file's pixels that are bright
SOME = 0.1  # of a file's drawings: so many that differ from the others are no accident
THE_ARRAY = ", where a is the file's array"
BORDER = np.pad(np.zeros((26, 26), bool), 1, constant_values=True).ravel()


def pixel_fault(rows: np.ndarray) -> str:
    """What is wrong with the pixels of a file, uint8 [n, 784], and what to save instead; empty if nothing is."""
    # How bright ink is, and which drawings have white paper
    sample = rows[spread(len(rows))]
    largest = int(sample.max())
    if largest == 0:
        return "expected ink of up to 255, got blank paper in every drawing looked at; make the file again"
    top = largest if largest < FAINT else 255
    bright = sample >= BRIGHT * top
    white = (bright[:, BORDER].mean(axis=1) >= WHITE_PAPER) & (bright.mean(axis=1) >= WHITE_PAPER)
    all_white = white.mean() > 1 - SOME or bright.mean() > MOST_INK  # the border alone may be dark

    # What they are made of, from the worst to the least
    if top < FAINT:
        turned, paper = (f"({top} - a)", " on white paper") if all_white else ("a", "")
        return f"expected ink of up to 255, got at most {largest}{paper}; save {stretched(turned, top, 255)}"
    if all_white:
        return f"expected ink of 255 on paper of 0, got dark ink on white paper; save 255 - a{THE_ARRAY}"
    if white.mean() >= SOME:
        return (
            f"expected ink of 255 on paper of 0, got dark ink on white paper in {white.sum()} of {len(white)} drawings "
            f"looked at; save np.where(a[:, :1] > 127, 255 - a, a){THE_ARRAY}"
        )
    counts = np.bincount(sample.ravel(), minlength=256)
    paper_value = int(counts.argmax())
    if paper_value and counts[paper_value] > sample.size / 2:
        return f"expected paper of 0, got {paper_value}; save np.maximum(a, {paper_value}) - {paper_value}{THE_ARRAY}"
    return ""


def spread(count: int) -> np.ndarray:
    """Up to SAMPLE places among `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64))


def stretched(array: str, top: int, wanted: int) -> str:
    """The expression that makes an array in 0..top one in 0..wanted."""
    if wanted % top == 0:
        return f"{array} * {wanted // top}{THE_ARRAY}"
    return f"({array} * ({wanted} / {top})).round().astype(np.uint8){THE_ARRAY}"


def fainter(files: Mapping[str, np.ndarray]) -> dict[str, str]:
    """What is wrong with the classes whose ink is fainter than that of the others: a network would know them by it."""
    largest = {name: int(rows[spread(len(rows))].max()) for name, rows in files.items()}
    usual = int(np.median(list(largest.values())))
    faults = {}
    for name, top in largest.items():
        if top < BRIGHT * usual:
            remedy = stretched("a", top, usual)
            faults[name] = f"expected ink of up to {usual}, as in the other classes, got at most {top}; save {remedy}"
    return faults


def conversion(path: Path) -> str:
    """The expression that makes the array `a` of a whole .npy file uint8 [N, 784]; nothing where none is known."""
    with contextlib.suppress(OSError, DataError, TypeError, ValueError):
        with path.open("rb") as file:
            header = read_header(file.read(LONGEST_HEADER))
        if header and header.shape and min(header.shape) > 0 and header.dtype != "object":
            size = header.length + math.prod(header.shape) * np.dtype(header.dtype).itemsize
            if size == path.stat().st_size:
                return as_bitmaps(np.load(path, mmap_mode="r", allow_pickle=False))
    return ""


def as_bitmaps(array: np.ndarray) -> str:
    """The expression that makes `a` uint8 [N, 784]; nothing where none is known."""
    # Its shape
    if array.size == 784 and array.ndim == 1:
        shaped = "a.reshape(1, 784)"
    elif array.shape[1:] == (784,):
        shaped = "a"
    elif array.size == len(array) * 784:
        shaped = "a.reshape(len(a), 784)"
    elif array.ndim == 2 and len(array) == 784:
        shaped = "a.T"
    else:
        return ""
    # Its type
    some = np.asarray(array[:SAMPLE])
    if array.dtype == np.uint8:
        return f"np.ascontiguousarray({shaped})" if shaped in ("a", "a.T") else shaped
    if array.dtype == np.int8:
        return f"{shaped}.view(np.uint8)"
    if array.dtype.kind not in "biuf" or not (some.min() >= 0 and some.max() <= 255):
        return ""
    if some.max() <= 1:
        return f"({shaped} * 255.0).round().astype(np.uint8)"
    return f"{shaped}.round().astype(np.uint8)"
