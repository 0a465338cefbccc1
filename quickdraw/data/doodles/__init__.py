"""A small program that doodles the ten default classes: by hand (`pen`), class by class, finished by `drawing`."""

from quickdraw.data.doodles.drawing import DOODLES, draw, draw_class

__all__ = ["DOODLES", "draw", "draw_class"]
