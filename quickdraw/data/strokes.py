"""Drawings as strokes: rendered to bitmaps by the official recipe at the first start, then served as bitmaps are."""

import os
from collections.abc import Sequence
from pathlib import Path

from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.class_files import find_class_files, open_class_files
from quickdraw.data.fetch.official import expand_classes
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.data.rendering.rasterise import rasterise, rasterise_all
from quickdraw.data.rendering.render import rendered
from quickdraw.data.rendering.stroke_files import Simplified, SketchRnn

__all__ = ["Strokes", "rasterise", "rasterise_all"]


class Strokes(Bitmaps):
    """The drawings of some classes out of `<class>.ndjson` (simplified) or `<class>.npz` (sketchrnn), in any mix.

    Where `root` holds both of a class, the .ndjson is taken. `recognized_only` leaves out what the game did not
    recognise, which only an .ndjson tells. `own_split` keeps sketchrnn's own train, valid and test (all files must be
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
    ) -> None:
        self.classes = expand_classes(classes)
        endings, kind = ((".npz",), "sketchrnn") if own_split else ((".ndjson", ".npz"), "simplified")
        sources = [
            SketchRnn(path, limit_per_class, own_split)
            if path.suffix.casefold() == ".npz"
            else Simplified(path, limit_per_class, recognized_only)
            for path in find_class_files(Path(root), self.classes, endings, kind).values()
        ]
        paths = dict(zip(self.classes, rendered(sources, limit_per_class, Path(cache)), strict=True))
        own = [source.sizes for source in sources if isinstance(source, SketchRnn)] if own_split else None
        rows = open_class_files(Path(root), paths)
        self._divide(rows, paths, batch_size, split_seed, balance, augment, Path(cache), own)
