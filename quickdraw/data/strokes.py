"""Drawings as strokes: rendered to bitmaps by the official recipe at the first start, then served as bitmaps are."""

import os
from collections.abc import Sequence

from quickdraw.data.class_files import find_class_files, map_class_files
from quickdraw.data.dataset import FileDataset
from quickdraw.data.fetch.official import expand_classes
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.data.rendering.rasterise import rasterise, rasterise_all
from quickdraw.data.rendering.render import rendered
from quickdraw.data.rendering.stroke_files import Simplified, SketchRnn, StrokeFile
from quickdraw.files import user_path

__all__ = ["Strokes", "rasterise", "rasterise_all"]


class Strokes(FileDataset):
    """The drawings of some classes out of `<class>.ndjson` (simplified) or `<class>.npz` (sketchrnn), in any mix.

    Where `root` holds both of a class, the .ndjson is taken. `recognized_only` leaves out what the game did not
    recognise, which only an .ndjson says. `own_split` keeps sketchrnn's own train, valid and test (all files must be
    .npz then), from each of which `limit_per_class` takes its share. The rest is as in Bitmaps. The rendered drawings
    are kept in the folder `cache` (784 bytes each); what stops the rendering costs a second of it.

    Raises DataError that names every missing file, or the place of what is no drawing.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = "data",
        classes: Sequence[str] | str = DEFAULT_CLASSES,
        batch_size: int = 128,
        limit_per_class: int | None = None,
        split_seed: int = 42,
        recognized_only: bool = False,
        own_split: bool = False,
        balance: bool = False,
        augment: float = 0.0,
        cache: str | os.PathLike[str] = "outputs/.cache",
        train_limit: int | None = None,
        train_fraction: float | None = None,
        test_seed: int | None = None,
    ) -> None:
        names, root, cache = expand_classes(classes), user_path(root), user_path(cache)
        if own_split:
            found = find_class_files(root, names, (".npz",), "sketchrnn")
        else:
            found = find_class_files(root, names, (".ndjson", ".npz"), "simplified")
        sources: list[StrokeFile] = []
        own_sizes = []
        for path in found.values():
            if path.suffix.casefold() == ".npz":
                sketchrnn = SketchRnn(path, limit_per_class, own_split)
                sources.append(sketchrnn)
                own_sizes.append(sketchrnn.sizes)
            else:
                sources.append(Simplified(path, limit_per_class, recognized_only))
        # The shares of an own split are rounded up, so together they may be one or two more than the limit.
        limit = None if own_split else limit_per_class
        paths = dict(zip(names, rendered(sources, limit, cache), strict=True))
        super().__init__(
            paths,
            map_class_files(paths.values()),
            batch_size=batch_size,
            split_seed=split_seed,
            balance=balance,
            augment=augment,
            cache=cache,
            train_limit=train_limit,
            train_fraction=train_fraction,
            test_seed=test_seed,
            own_sizes=own_sizes if own_split else None,
        )
