"""Strokes into bitmaps: read (stroke_files, pickled), drawn by the official recipe (rasterise), on all cores."""
