"""Official 28x28 bitmaps, one `.npy` a class: checked by their headers, mapped, split, served in batches."""

import os
from collections.abc import Sequence

from quickdraw.data.class_files import find_class_files, open_class_files
from quickdraw.data.dataset import FileDataset
from quickdraw.data.fetch.official import expand_classes
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.files import user_path


class Bitmaps(FileDataset):
    """The drawings of some classes, split into train, val and test.

    `root` holds one file a class, in any of the spellings of `find_class_file`. `limit_per_class` takes the first rows
    of each (None: all); `train_limit` and `train_fraction` take some of the training drawings, of each class its share,
    and leave val and test as they are. `classes` may be "all", the official 345; `download` fetches what is missing;
    with `balance` a training epoch draws every class equally often; `augment` in [0, 1] is the strength of its small
    movements, as in `quickdraw.data.augment`. The split depends on the drawings, the order of `classes`, `split_seed`
    and `test_seed`, and on nothing else: all runs with these the same share one test split. Attributes, cache and
    `test_seed` are as in FileDataset.

    Raises DataError that names every missing or bad file, and the remedy.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = "data",
        classes: Sequence[str] | str = DEFAULT_CLASSES,
        batch_size: int = 128,
        limit_per_class: int | None = None,
        split_seed: int = 42,
        download: bool = False,
        balance: bool = False,
        augment: float = 0.0,
        cache: str | os.PathLike[str] = "outputs/.cache",
        train_limit: int | None = None,
        train_fraction: float | None = None,
        test_seed: int | None = None,
    ) -> None:
        names, root = expand_classes(classes), user_path(root)
        if download:
            from quickdraw.data.fetch.download import download as fetch

            fetch(names, root)
        paths = find_class_files(root, names)
        files = [file[:limit_per_class] for file in open_class_files(root, paths)]
        super().__init__(
            paths,
            files,
            batch_size=batch_size,
            split_seed=split_seed,
            balance=balance,
            augment=augment,
            cache=cache,
            train_limit=train_limit,
            train_fraction=train_fraction,
            test_seed=test_seed,
        )
