"""What the server process of `tests.support.program` imports once, for all the processes forked from it."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
for module in (
    "torch",
    "torch.utils.tensorboard",
    "torch._dynamo",
    "run",
    "quickdraw.run.charts",
    "quickdraw.engine",
    "quickdraw.run.results",
    "quickdraw.run.tracking",
    "quickdraw.run.weights",
):
    importlib.import_module(module)

from quickdraw.vision import import_torchvision  # noqa: E402

import_torchvision()
