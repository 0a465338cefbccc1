"""What the fork server imports, once for all jobs. Hydra imports this file too, and must not pay for torch."""

import importlib
import logging
import os
import sys

MODULES = (
    "torch._dynamo",  # optimizers and the graph import it at their first use
    "torch.utils.tensorboard",
    "tensorboard.plugins.hparams.plugin_data_pb2",
    "PIL.PngImagePlugin",
    "quickdraw.run.charts",
    "quickdraw.run.checkpoint",
    "quickdraw.data.synthetic",
    "quickdraw.engine",
    "quickdraw.model.convnet",
    "quickdraw.run.results",
    "quickdraw.run.tracking",
    "quickdraw.run.weights",
    "hydra_plugins.quickdraw_cli.command_line",
    "quickdraw.sweep.process",
)

if sys.argv[0] == "-c":
    os.setsid()  # Ctrl-C and a closed terminal are for the sweep's own process, which asks each job once
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # of a read-only home it says too much
    for module in MODULES:
        importlib.import_module(module)
    from quickdraw.vision import import_torchvision

    import_torchvision()
