"""What the server process of `tests.support.program` imports once, for all the processes forked from it.

Their runs draw no pictures for TensorBoard, which is half of a short run's processor time, unless a test wants them.
"""

import gc
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from quickdraw.run.tracking import Tracker
from quickdraw.sweep.preload import MODULES
from quickdraw.vision import import_torchvision

for module in ("run", "hydra_plugins.quickdraw_launcher.local_launcher", "quickdraw.data.bitmaps", *MODULES):
    importlib.import_module(module)
import_torchvision()
draw_pictures = Tracker._charts
Tracker._charts = lambda *arguments: None  # type: ignore[method-assign]
gc.freeze()  # a collection in a forked process would copy all of this
