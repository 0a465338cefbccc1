"""Which drawing is for training, which for validation, which for the test: 70/15/15, stratified, the same for all runs.

The split is scikit-learn's `train_test_split` on the indices over the classes in order: 30 % off, then halved.
Identical drawings are split as one, so a copy of a training drawing is never in the test split; without copies nothing
changes.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from quickdraw.data import cached
from quickdraw.data.drawings import Drawings
from quickdraw.errors import DataError

TRAIN, VAL, TEST = 0, 1, 2
LEAST_PER_CLASS = 7  # with fewer different drawings, 30 % of a class cannot be halved
CHUNK = 16_384  # drawings hashed at once: 13 MB
PIECE = 1_000_000  # drawings looked at at once


def cached_split(
    rows: Sequence[np.ndarray],
    classes: Sequence[str],
    seed: int,
    fingerprints: Sequence[str],
    cache: Path,
    own: Sequence[Sequence[int]] | None = None,
    test_seed: int | None = None,
) -> tuple[list[np.ndarray], int]:
    """The indices of train, val and test (uint32 [n] each, ascending) and how many drawings are copies.

    That is `split`, kept in the folder `cache`. The key is the content of the files, so it is right wherever they lie.
    It holds one byte a drawing: its split, and 4 more if it is a copy.
    """
    contents = [[name, len(r), digest] for name, r, digest in zip(classes, rows, fingerprints, strict=True)]
    apart = [] if test_seed is None else [{"test_seed": test_seed}]
    key = json.dumps([2, seed, contents, *(own or []), *apart])
    entry = cache / "splits" / hashlib.sha256(key.encode()).hexdigest()[:32]
    known = cached.read(entry)
    if known is None:
        parts, copy = split(rows, classes, seed, own, test_seed)
        known = (parts + 4 * copy.astype(np.uint8)).tobytes()
        cached.keep(entry, known)
    return unpacked(np.frombuffer(known, np.uint8))


def unpacked(codes: np.ndarray) -> tuple[list[np.ndarray], int]:
    """The indices of train, val and test and the number of copies, of one byte a drawing.

    Goes through it in pieces: `flatnonzero` of the whole would take 8 bytes a drawing, more than all three results.
    """
    found = []
    for part in (TRAIN, VAL, TEST):
        indices, end = np.empty(np.count_nonzero(codes & 3 == part), np.uint32), 0
        for first in range(0, len(codes), PIECE):
            here = np.flatnonzero(codes[first : first + PIECE] & 3 == part) + first
            indices[end : end + len(here)] = here
            end += len(here)
        found.append(indices)
    return found, int(np.count_nonzero(codes & 4))


def split(
    rows: Sequence[np.ndarray],
    classes: Sequence[str],
    seed: int,
    own: Sequence[Sequence[int]] | None = None,
    test_seed: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """TRAIN, VAL or TEST for each drawing (uint8 [N]), and whether it is a copy of an earlier one (bool [N]).

    `rows` are the drawings of each class, uint8 [n, 784], N in all. `own` is a split of the publisher's: of each class,
    how many drawings are for train, how many follow for val, and how many for test; a copy leaves it for the split of
    the first one. With a `test_seed` the test split is that of this seed, and `seed` divides the rest. Raises DataError
    for a class with fewer than LEAST_PER_CLASS different drawings.
    """
    # The different drawings of each class, of which there must be enough
    later, earlier = identical(rows)
    drawings = Drawings(rows)
    different = np.ones(len(drawings), dtype=bool)
    different[later] = False
    counts = [int(np.count_nonzero(different[start:end])) for start, end in pairwise(drawings.starts)]
    few = [f"'{name}' has {n}" for name, n in zip(classes, counts, strict=True) if n < LEAST_PER_CLASS]
    if few:
        raise DataError(
            f"too few different drawings for a train, val and test split (at least {LEAST_PER_CLASS} a class): "
            f"{', '.join(few)}; raise data.limit_per_class or leave the class out"
        )
    # They are split; each copy follows the first of its kind
    if own:
        parts = own_parts(own)
    else:
        parts = np.empty(len(different), dtype=np.uint8)
        parts[different] = stratified_parts(counts, seed, test_seed)
    parts[later] = parts[earlier]
    return parts, ~different


def shortened(
    train: np.ndarray, starts: np.ndarray, seed: int, limit: int | None, fraction: float | None
) -> np.ndarray:
    """Some of the indices of train, ascending: at most `limit` of them, and at most that `fraction`; None is no limit.

    Of each class its share, and at least one. A smaller limit takes some of what a larger one takes.
    `starts` are the first index of each class, and the end. Raises DataError for fewer drawings than classes.
    """
    count = min(len(train), limit or len(train), round(len(train) * (fraction or 1)))
    classes = len(starts) - 1
    if count < classes:
        raise DataError(
            f"data.train_limit, data.train_fraction: expected at least {classes} training drawings, one of each class, "
            f"got {count}; raise them"
        )
    if count == len(train):
        return train
    # Each class in an order of chance, by the share of it that is taken before; the first of each class come first
    random = np.random.Generator(np.random.SFC64([seed, 2]))
    before = np.empty(len(train))
    bounds = np.searchsorted(train, starts.astype(train.dtype))
    for start, end in pairwise(bounds):
        before[start:end] = random.permutation(end - start) / max(1, end - start)
    return np.sort(train[np.argsort(before, kind="stable")[:count]])


def own_parts(own: Sequence[Sequence[int]]) -> np.ndarray:
    """TRAIN, VAL or TEST for each drawing, uint8 [N], where a publisher gave the sizes of each class's lists."""
    if not np.sum(own, axis=0).all():
        raise DataError("data.own_split=true: expected drawings in train, valid and test, got an empty list")
    each = np.array([TRAIN, VAL, TEST], np.uint8)
    return np.concatenate([np.repeat(each, sizes) for sizes in own])


def stratified_parts(counts: Sequence[int], seed: int, test_seed: int | None = None) -> np.ndarray:
    """TRAIN, VAL or TEST for each of the drawings of classes with that many, uint8: 30 % off, then halved.

    With a `test_seed` the test split is that of this seed, and as many of the rest as ever are for validation.
    """
    labels = np.repeat(np.arange(len(counts), dtype=np.uint16), counts)
    if test_seed not in (None, seed):
        parts = stratified_parts(counts, test_seed)
        rest = np.flatnonzero(parts != TEST)
        val_count = np.count_nonzero(parts == VAL)
        train, val = stratified(labels[rest], (val_count - 0.5) / len(rest), seed)  # its part is rounded up
        parts[rest[train]], parts[rest[val]] = TRAIN, VAL
        return parts
    train, rest = stratified(labels, 0.3, seed)
    val, test = stratified(labels[rest], 0.5, seed)
    parts = np.empty(len(labels), dtype=np.uint8)
    parts[train], parts[rest[val]], parts[rest[test]] = TRAIN, VAL, TEST
    return parts


def stratified(labels: np.ndarray, test_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same as `train_test_split(range(N), test_size=test_fraction, random_state=seed, stratify=labels)`.

    The positions in `labels` [N] for train and for test, uint32 each, in scikit-learn's own order. It keeps them in
    lists, 70 bytes a drawing where this takes 12, and its import takes a second. A test compares the two.
    """
    random = np.random.RandomState(seed)
    counts = np.bincount(labels)
    test_count = math.ceil(test_fraction * len(labels))
    in_train = apportioned(counts, len(labels) - test_count, random)
    in_test = apportioned(counts - in_train, test_count, random)
    by_class = np.split(np.argsort(labels, kind="stable").astype(np.uint32), np.cumsum(counts)[:-1])
    chosen = [own[random.permutation(len(own))] for own in by_class]
    train = np.concatenate([own[:n] for own, n in zip(chosen, in_train, strict=True)])
    test = np.concatenate([own[n : n + m] for own, n, m in zip(chosen, in_train, in_test, strict=True)])
    random.shuffle(train)
    random.shuffle(test)
    return train, test


def apportioned(counts: np.ndarray, total: int, random: np.random.RandomState) -> np.ndarray:
    """The number of `total` that falls to each class by its share: rounded down, and the largest remainders one more.

    Among equal remainders chance decides, by the same calls as in scikit-learn's `_approximate_mode`.
    """
    exact = counts / counts.sum() * total
    shares = np.floor(exact)
    remainder = exact - shares
    left = int(total - shares.sum())
    for value in np.unique(remainder)[::-1]:
        if not left:
            break
        equal = np.flatnonzero(remainder == value)
        more = random.choice(equal, size=min(len(equal), left), replace=False)
        shares[more] += 1
        left -= len(more)
    return shares.astype(int)


def identical(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The drawings that have the same pixels as an earlier one, int64 [K], and the first such one of each.

    Drawings with equal hashes are compared pixel by pixel, so the answer is exact.
    """
    hashes = np.concatenate([hash_rows(r) for r in rows])
    ascending = np.sort(hashes)
    shared = np.unique(ascending[1:][ascending[1:] == ascending[:-1]])
    del ascending
    later: list[int] = []
    earlier: list[int] = []
    if not len(shared):
        return np.array(later, dtype=np.int64), np.array(earlier, dtype=np.int64)
    drawings = Drawings(rows)
    first: dict[bytes, int] = {}
    for begin in range(0, len(hashes), PIECE):
        piece = hashes[begin : begin + PIECE]
        found = shared[np.minimum(np.searchsorted(shared, piece), len(shared) - 1)] == piece
        for index in (np.flatnonzero(found) + begin).tolist():  # ascending, so the first one is met first
            same = first.setdefault(drawings[np.array([index])].tobytes(), index)
            if same != index:
                later.append(index)
                earlier.append(same)
    return np.array(later, dtype=np.int64), np.array(earlier, dtype=np.int64)


def hash_rows(rows: np.ndarray) -> np.ndarray:
    """64 bits for each row of uint8 [n, k], k a multiple of 8: a random linear form of its words, mod 2**64."""
    words = rows.shape[1] // 8
    weights = np.random.Generator(np.random.SFC64(0)).integers(2**63, size=words, dtype=np.uint64) * 2 + 1
    hashes = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), CHUNK):
        chunk = np.ascontiguousarray(rows[start : start + CHUNK]).view(np.uint64)
        chunk = chunk ^ (chunk >> np.uint64(29))  # otherwise pixels in the top byte of a word would reach few bits
        hashes[start : start + CHUNK] = (chunk * weights).sum(axis=1)
    return hashes
