"""The networks of all lanes, called as one."""

import copy

from torch import Tensor, nn
from torch.func import functional_call, vmap

from quickdraw.lanes.dropout import LaneDropout, Streams
from quickdraw.model.layers import Dropout


class Networks:
    """Networks of one architecture, of which each lane has its own weights, buffers and dropout rates."""

    def __init__(self, net: nn.Module, width: int) -> None:
        self.width = width
        self.streams = Streams(width, next(net.parameters()).device)
        self.skeleton = copy.deepcopy(net)  # only its shape counts: weights and buffers are given in every call
        self.dropouts: dict[str, LaneDropout] = {}
        for name, module in net.named_modules():
            if isinstance(module, Dropout):
                self.dropouts[name] = LaneDropout(self.streams)
                self.skeleton.set_submodule(name, self.dropouts[name])
        self.skeleton.train()
        self.buffers: dict[str, Tensor] = {}
        own = dict(net.named_buffers())
        for name, buffer in self.skeleton.named_buffers():
            self.buffers[name] = buffer.expand(width, *buffer.shape).clone() if name in own else buffer

    def take(self, lane: int, net: nn.Module) -> None:
        """Copy a network's buffers and rates into a lane; its buffers are views of that from here on."""
        for name, buffer in net.named_buffers():
            self.buffers[name][lane] = buffer
            buffer.data = self.buffers[name][lane]
        for name, dropout in self.dropouts.items():
            dropout.set_rate(lane, net.get_submodule(name).p)  # type: ignore[arg-type]

    def train(self, mode: bool) -> None:
        """Set train or eval mode."""
        self.skeleton.train(mode)

    def __call__(self, weights: dict[str, Tensor], images: Tensor, shared: bool = False) -> Tensor:
        """Logits [W, B, C] of images [W, B, ...], or of [B, ...] if all lanes see the same."""

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
            return functional_call(self.skeleton, (weights, buffers), (images,))

        in_dims = (0, 0, None if shared else 0)
        logits: Tensor = vmap(one, in_dims)(weights, self.buffers, images)
        return logits
