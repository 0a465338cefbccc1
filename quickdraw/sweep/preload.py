"""What the fork server imports, once for all jobs. Importing this file does nothing elsewhere: see IN_SERVER."""

import importlib
import logging
import os
import pickle
import sys
from types import TracebackType

IN_SERVER = "QUICKDRAW_FORK_SERVER"  # set by the pool while it starts a server, which can do nothing but import

MODULES = (
    "torch._dynamo",  # optimizers and the graph import it at their first use
    "torch.utils.tensorboard",
    "tensorboard.plugins.hparams.plugin_data_pb2",
    "PIL.PngImagePlugin",
    "quickdraw.run.charts",
    "quickdraw.run.checkpoint",
    "quickdraw.data.synthetic",
    "quickdraw.engine",
    "quickdraw.lanes.pack",
    "quickdraw.model.convnet",
    "quickdraw.run.results",
    "quickdraw.run.stages",
    "quickdraw.run.tracking",
    "quickdraw.run.weights",
    "quickdraw.sweep.checks",
    "quickdraw.sweep.pack",
    "quickdraw.sweep.process",
)


def prepare_server() -> None:
    """Import what jobs need, and leave the terminal's process group."""
    sys.excepthook = show_unless_cut_off
    os.setsid()  # Ctrl-C and a closed terminal are for the sweep's own process, which asks each job once
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # of a read-only home it says too much
    for module in MODULES:
        importlib.import_module(module)
    from quickdraw.vision import import_torchvision

    import_torchvision()


def show_unless_cut_off(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error, unless it says that who started this process was killed before it had said what to do."""
    if not issubclass(kind, EOFError | pickle.UnpicklingError):
        sys.__excepthook__(kind, error, trace)


if os.environ.pop(IN_SERVER, None):
    prepare_server()
