"""What a GPU loads for its first training steps, loaded while the rest of a run is prepared.

The first step with a batch size takes a GPU half a second, in which libraries are loaded and kernels chosen; Python has
next to nothing to do in that time. So steps of a copy of the network are taken in a thread, and thrown away.
"""

import contextlib
import copy
import math
import threading

import torch
from torch import nn

from quickdraw.data.batches import Batches
from quickdraw.engine import training_step
from quickdraw.graphs import RECORDERS


def begin(net: nn.Module, device: str, batches: Batches, precision: str) -> threading.Thread | None:
    """Begin with a step for each size of the training batches; None for a device that is not slow at first.

    There is none for a network that cannot be copied either. The thread is to be joined before the training begins.
    What goes wrong in it will go wrong there.
    """
    if torch.device(device).type not in RECORDERS:
        return None
    drawings = len(batches.indices)
    sizes = {min(batches.batch_size, drawings), drawings % batches.batch_size or batches.batch_size}

    try:
        own = copy.deepcopy(net)  # here, because in the meantime the network is looked at in eval mode
    except Exception:  # one of somebody's own may hold what cannot be copied
        return None

    def steps() -> None:
        with contextlib.suppress(Exception):
            own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            optimizer = torch.optim.SGD(own.parameters(), lr=0)
            for size in sorted(sizes, reverse=True):
                images = torch.zeros(size, 1, 28, 28, device=device)
                labels = torch.zeros(size, dtype=torch.int64, device=device)
                training_step(own, optimizer, images, labels, precision, 0.0, math.inf)

    torch.backends.cudnn.deterministic = True  # as in the training: others are other kernels
    thread = threading.Thread(target=steps)
    thread.start()
    return thread
