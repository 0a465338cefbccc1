"""What a training step asks of a device, for `benchmarks.gpu`: bytes moved, operations in products."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from quickdraw import engine


class Traffic(TorchDispatchMode):
    """Counts the bytes of the tensors that operations read and write; views move none."""

    bytes = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            for leaf in tree_leaves((args, kwargs, result)):
                if isinstance(leaf, Tensor):
                    self.bytes += leaf.nbytes
        return result


def work(net: nn.Module, batch: tuple[Tensor, Tensor], precision: str) -> tuple[float, float]:
    """The bytes that a training step moves for each drawing, and its operations in products."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.0, fused=True)
    with Traffic() as traffic, FlopCounterMode(display=False) as operations:
        engine.training_step(net.train(), optimizer, *batch, precision, 0.0, float("inf"))
    return traffic.bytes / len(batch[0]), operations.get_total_flops() / len(batch[0])
