"""Which drawing is for training, which for validation, which for the test: 70/15/15, stratified, the same for all runs.

The split is scikit-learn's `train_test_split` on the indices over the classes in order: 30 % off, then halved.
Identical drawings are split as one, so a copy of a training drawing is never in the test split; without copies nothing
changes.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quickdraw.errors import DataError
from quickdraw.files import atomic_write

TRAIN, VAL, TEST = 0, 1, 2
LEAST_PER_CLASS = 7  # with fewer different drawings, 30 % of a class cannot be halved
CHUNK = 16_384  # drawings hashed at once: 13 MB


def cached_split(
    rows: Sequence[np.ndarray], classes: Sequence[str], seed: int, fingerprints: Sequence[str], cache: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return `split` from the folder `cache` where the same files were split before.

    The key is the content of the files, so the cache is right wherever they lie. One byte a drawing: its split, and 4
    more if it is a copy.
    """
    key = json.dumps([1, seed, [[name, len(r), f] for name, r, f in zip(classes, rows, fingerprints, strict=True)]])
    entry = cache / "splits" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):  # an empty file is an EOFError
        known = np.load(entry, mmap_mode="r", allow_pickle=False)
        if known.dtype == np.uint8 and known.shape == (sum(map(len, rows)),):
            return known & 3, known >= 4
    parts, copy = split(rows, classes, seed)
    buffer = io.BytesIO()
    np.save(buffer, parts + 4 * copy.astype(np.uint8))
    with contextlib.suppress(OSError):  # without a cache the next start is slower, no more
        entry.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(entry, buffer.getvalue())
    return parts, copy


def split(rows: Sequence[np.ndarray], classes: Sequence[str], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each drawing TRAIN, VAL or TEST (uint8 [N]) and whether it is a copy of an earlier one (bool [N]).

    `rows` are the drawings of each class, uint8 [n, 784], N in all. Raises DataError for a class with fewer than
    LEAST_PER_CLASS different drawings.
    """
    from sklearn.model_selection import train_test_split  # 1.1 s, and not needed when the split is cached

    first = first_identical(rows)
    different = np.flatnonzero(first == np.arange(len(first)))
    labels = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    counts = np.bincount(labels[different], minlength=len(rows))
    few = [f"'{name}' has {n}" for name, n in zip(classes, counts, strict=True) if n < LEAST_PER_CLASS]
    if few:
        raise DataError(
            f"too few different drawings for a train, val and test split (at least {LEAST_PER_CLASS} a class): "
            f"{', '.join(few)}; raise data.limit_per_class or leave the class out"
        )
    train, rest = train_test_split(different, test_size=0.3, random_state=seed, stratify=labels[different])
    val, test = train_test_split(rest, test_size=0.5, random_state=seed, stratify=labels[rest])
    parts = np.empty(len(first), dtype=np.uint8)
    parts[train], parts[val], parts[test] = TRAIN, VAL, TEST
    return parts[first], first != np.arange(len(first))


def first_identical(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return for each drawing the index of the first one with the same pixels, int64 [N]; mostly its own.

    Drawings with equal hashes are compared pixel by pixel, so the answer is exact.
    """
    hashes = np.concatenate([hash_rows(r) for r in rows])
    first = np.arange(len(hashes))
    order = np.argsort(hashes, kind="stable")
    equal = hashes[order[1:]] == hashes[order[:-1]]
    suspects = np.unique(np.concatenate([order[1:][equal], order[:-1][equal]]))
    starts = np.cumsum([0, *map(len, rows)])
    seen: dict[bytes, int] = {}
    for index in suspects:  # ascending, so the first one is met first
        label = np.searchsorted(starts, index, side="right") - 1
        first[index] = seen.setdefault(rows[label][index - starts[label]].tobytes(), index)
    return first


def hash_rows(rows: np.ndarray) -> np.ndarray:
    """Return 64 bits for each row of uint8 [n, k], k a multiple of 8: a random linear form of its words, mod 2**64."""
    words = rows.shape[1] // 8
    weights = np.random.Generator(np.random.SFC64(0)).integers(2**63, size=words, dtype=np.uint64) * 2 + 1
    hashes = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), CHUNK):
        chunk = np.ascontiguousarray(rows[start : start + CHUNK]).view(np.uint64)
        chunk = chunk ^ (chunk >> np.uint64(29))  # else pixels in the top byte of a word would reach few bits
        hashes[start : start + CHUNK] = (chunk * weights).sum(axis=1)
    return hashes
