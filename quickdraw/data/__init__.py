"""Drawings: a file a data set, named by `conf/data/` (bitmaps, strokes, synthetic), and what all of them use.

What a data set gives is described in `bitmaps`: `classes`, and the splits `train`, `val`, `test`, which are `batches`
drawn from `split`. Files are fetched by `download` (`fetch/`), and strokes become bitmaps in `rendering/`.
"""
