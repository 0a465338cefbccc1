"""Drawings made by a small program, for machines without data: generated once, then served as bitmaps are."""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quickdraw.data import doodles
from quickdraw.data.class_files import map_class_file
from quickdraw.data.dataset import FileDataset
from quickdraw.data.fingerprint import is_as_written, write_noted
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.files import user_path


class Synthetic(FileDataset):
    """`per_class` synthetic drawings of each class, a function of `seed` alone; the rest is as in Bitmaps.

    "all" classes are the ten that it can draw.

    Takes a few seconds for 2,000 a class at the first start; later ones find the files in the folder `cache`.
    """

    def __init__(
        self,
        seed: int = 0,
        per_class: int = 2000,
        classes: Sequence[str] | str = DEFAULT_CLASSES,
        batch_size: int = 128,
        limit_per_class: int | None = None,
        split_seed: int = 42,
        balance: bool = False,
        augment: float = 0.0,
        cache: str | os.PathLike[str] = "outputs/.cache",
        train_limit: int | None = None,
        train_fraction: float | None = None,
        test_seed: int | None = None,
    ) -> None:
        cache = user_path(cache)
        root = cache / f"synthetic-{program()}-{seed}-{per_class}"
        root.mkdir(parents=True, exist_ok=True)
        if classes == "all":
            classes = list(doodles.DOODLES)
        paths = {name: root / f"{name}.npy" for name in classes}
        for name, path in paths.items():
            if not is_as_written(path, cache):
                buffer = io.BytesIO()
                np.save(buffer, doodles.draw_class(name, per_class, seed))
                write_noted(path, [buffer.getvalue()])
        super().__init__(
            paths,
            [map_class_file(path)[:limit_per_class] for path in paths.values()],
            batch_size=batch_size,
            split_seed=split_seed,
            balance=balance,
            augment=augment,
            cache=cache,
            train_limit=train_limit,
            train_fraction=train_fraction,
            test_seed=test_seed,
        )


def program() -> str:
    """The drawing program in 8 hex digits, so that drawings of an older one are not taken for its own."""
    data = Path(__file__).parent
    files = [*sorted((data / "doodles").glob("*.py")), data / "rendering" / "rasterise.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
