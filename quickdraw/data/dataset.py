"""What every data set is: classes, and three splits in batches. `check_dataset` looks at one before the first step."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quickdraw.data.batches import Batches
from quickdraw.data.drawings import Drawings
from quickdraw.data.fingerprint import fingerprint
from quickdraw.data.split import cached_split, shortened
from quickdraw.errors import DataError
from quickdraw.files import remove_leftovers, user_path

SPLITS = ("train", "val", "test")
ABANDONED_S = 3600  # a temporary file in the cache that is older than this is nobody's any more


class Dataset:
    """A data set. A subclass sets `classes`, `train`, `val` and `test` in its `__init__`; the rest is given.

    `classes` are the names in the order of the labels; `copies` is how many drawings are identical to an earlier one.
    """

    classes: Sequence[str]
    train: Batches
    val: Batches
    test: Batches
    copies: int = 0

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """The sha256 of each class's drawings: a run is continued only on the drawings that it began with."""
        digests = {name: hashlib.sha256() for name in self.classes}
        for split in SPLITS:
            batches = getattr(self, split)
            labels = batches.labels()
            for label, (name, file) in enumerate(zip(self.classes, batches.files, strict=False)):
                digests[name].update(file.tobytes())
                digests[name].update(batches.indices[labels == label].tobytes())
        return {name: digest.hexdigest() for name, digest in digests.items()}

    @cached_property
    def split_digest(self) -> str:
        """The sha256 of which drawings are train, val and test: a run is continued only on its own split."""
        digest = hashlib.sha256()
        for split in SPLITS:
            indices = getattr(self, split).indices
            digest.update(f"{split} {len(indices)} ".encode())
            digest.update(np.ascontiguousarray(indices, "<u4").data)
        return digest.hexdigest()

    def counts(self) -> dict[str, int]:
        """The number of drawings: `train`, `val`, `test`, `total`, `copies`."""
        sizes = {split: len(getattr(self, split).indices) for split in SPLITS}
        return sizes | {"total": sum(sizes.values()), "copies": self.copies}

    def __str__(self) -> str:
        sizes = self.counts()
        copies = f"; {self.copies:,} identical to an earlier one, kept in its split" if self.copies else ""
        return (
            f"{sizes['total']:,} drawings of {len(self.classes)} classes: {sizes['train']:,} train, "
            f"{sizes['val']:,} val, {sizes['test']:,} test{copies}"
        )


class FileDataset(Dataset):
    """A data set out of one bitmap file a class, split by `split_seed` or as its publisher did.

    With a `test_seed` the test split is that of this seed, whatever `split_seed`, which divides the rest.

    `files` are the drawings of each class, as they are mapped from its file in `paths`. `own_sizes` is a publisher's
    split: of each class, how many drawings are for train, how many follow for val, and how many for test. What is
    expensive to find out about a file (its sha256, identical drawings) is kept in the folder `cache`.

    Attributes, beside those of every data set: `paths`, each class's file; `fingerprints`, its sha256.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        files: Sequence[np.ndarray],
        *,
        batch_size: int,
        split_seed: int,
        balance: bool,
        augment: float,
        cache: str | os.PathLike[str],
        train_limit: int | None = None,
        train_fraction: float | None = None,
        own_sizes: Sequence[Sequence[int]] | None = None,
        test_seed: int | None = None,
    ) -> None:
        cache = user_path(cache)
        remove_leftovers(cache, older_than_s=ABANDONED_S)
        self.classes = list(paths)
        self.paths = dict(paths)
        self.fingerprints = {name: fingerprint(path, cache) for name, path in paths.items()}
        digests = list(self.fingerprints.values())
        check_different(paths, digests)
        parts = cached_split(files, self.classes, split_seed, digests, cache, own_sizes, test_seed)
        (train, val, test), self.copies = parts
        train = shortened(train, Drawings(files).starts, split_seed, train_limit, train_fraction)
        self.train = Batches(files, train, batch_size, balance, augment)
        self.val = Batches(files, val, batch_size)
        self.test = Batches(files, test, batch_size)


def check_different(paths: Mapping[str, Path], digests: Sequence[str]) -> None:
    """Raise DataError if the files of two classes, by their sha256, hold the very same."""
    owners: dict[str, str] = {}
    for name, digest in zip(paths, digests, strict=True):
        owner = owners.setdefault(digest, name)
        if owner != name:
            raise DataError(
                f"data.classes: expected other drawings for each class, got the same in {paths[owner]} and "
                f"{paths[name]}; leave '{owner}' or '{name}' out"
            )


def check_dataset(data: Any) -> Dataset:
    """The data set, once it is seen to be one that can be trained on: before the first step, not after the last.

    Raises DataError, one line that names what is wrong, for what is no Dataset, lacks something or serves something
    else than (images float32 [B, 1, 28, 28] in [0, 1], labels int64 [B] of its classes).
    """
    kind = type(data).__name__
    if not isinstance(data, Dataset):
        raise DataError(f"data: expected a subclass of quickdraw.data.dataset.Dataset, got {kind}")
    missing = [name for name in ("classes", *SPLITS) if not hasattr(data, name)]
    if missing:
        raise DataError(f"data: {kind} has no {', '.join(missing)}; set classes, train, val and test in its __init__")
    classes = data.classes
    texts = isinstance(classes, list | tuple) and all(isinstance(name, str) and name for name in classes)
    if not texts or len(set(classes)) != len(classes) or len(classes) < 2:
        raise DataError(f"data: {kind}.classes: expected a list of at least two different names, got {classes!r:.80}")
    for split in SPLITS:
        fault = split_fault(getattr(data, split), len(classes))
        if fault:
            raise DataError(f"data: {kind}.{split}: {fault}")
    missing = [name for name in classes if name not in data.fingerprints]
    if missing:
        raise DataError(f"data: {kind}.fingerprints: expected one of each class, got none of {missing[0]!r}")
    return data


def split_fault(batches: Any, classes: int) -> str:
    """What is wrong with a split, in words; nothing if it can be trained on."""
    if not isinstance(batches, Batches):
        return f"expected Batches, got {type(batches).__name__}"
    if not isinstance(batches.batch_size, int) or batches.batch_size < 1:
        return f"expected a batch_size of at least 1, got {batches.batch_size!r}"
    # The files, of which the first batch shows only some
    for file in batches.files:
        if file.dtype != np.uint8 or file.shape[1:] != (784,):
            return f"expected files uint8 [n, 784], got {file.dtype} {list(file.shape)}"
    # The indices into them
    indices = batches.indices
    if not isinstance(indices, np.ndarray) or indices.dtype.kind not in "iu" or indices.ndim != 1:
        return f"expected indices, whole numbers [N], got {getattr(indices, 'dtype', type(indices).__name__)}"
    if not len(indices):
        return "expected drawings, got none"
    if indices.min() < 0 or indices.max() >= len(batches.drawings):
        return f"expected indices of its {len(batches.drawings):,} drawings, got {indices.min()} to {indices.max()}"
    largest = int(batches.drawings.labels(indices[[indices.argmax()]])[0])
    if largest >= classes:
        return f"expected labels below {classes}, the number of classes, got {largest}"
    # The first batch, as the network will see it
    images, labels = next(iter(batches))
    size = min(batches.batch_size, len(indices))
    if images.dtype != torch.float32 or list(images.shape) != [size, 1, 28, 28]:
        return f"expected images float32 [{size}, 1, 28, 28], got {images.dtype} {list(images.shape)}"
    if not (images.min() >= 0 and images.max() <= 1):
        return f"expected pixels in [0, 1], got {images.min():g} to {images.max():g}"
    if labels.dtype != torch.int64 or list(labels.shape) != [size]:
        return f"expected labels int64 [{size}], got {labels.dtype} {list(labels.shape)}"
    if not (labels.min() >= 0 and labels.max() < classes):
        return f"expected labels below {classes}, the number of classes, got {labels.min()} to {labels.max()}"
    return ""
