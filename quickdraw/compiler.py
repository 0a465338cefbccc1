"""Keeps torch from importing its compiler until something compiles.

torch 2.13 imports `torch._dynamo`, and sympy with it, at the first optimizer: 1.2 s of every run, in order to call two
functions there that do nothing outside a compiled program.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


class NotYet(ModuleType):
    """Stands for `torch._dynamo` until somebody asks for more of it than these two functions."""

    @staticmethod
    def graph_break(*_: Any, **__: Any) -> None:
        """Do nothing, as the real one does where nothing is being compiled."""

    @staticmethod
    def disable(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        """The function itself: it is not compiled anyway."""
        return function

    def __getattr__(self, name: str) -> Any:
        return getattr(load(), name)


def defer() -> None:
    """Let `torch._dynamo` be imported when it is used, if it is not already there."""
    if NAME not in sys.modules:
        import torch

        stand_in = NotYet(NAME)
        spec = importlib.util.find_spec(NAME)
        stand_in.__spec__, stand_in.__file__ = spec, spec.origin if spec else None  # `inspect` asks all modules for it
        sys.modules[NAME] = torch._dynamo = stand_in


def load() -> ModuleType:
    """Put the real module in its place and return it."""
    if isinstance(sys.modules.get(NAME), NotYet):
        del sys.modules[NAME]
    return importlib.import_module(NAME)
