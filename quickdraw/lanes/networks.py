"""The networks of all lanes, called as one."""

import copy
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.modules.conv import _ConvNd

from quickdraw.lanes.dropout import LaneDropout, Streams
from quickdraw.model.layers import Dropout


class Networks:
    """Networks of one architecture, of which each lane has its own weights, buffers and dropout rates."""

    def __init__(self, net: nn.Module, width: int) -> None:
        self.width = width
        self.streams = Streams(width, next(net.parameters()).device)
        self.skeleton = copy.deepcopy(net)  # only its shape counts: weights and buffers are given in every call
        self.dropouts: dict[str, LaneDropout] = {}
        self.multiplied: set[str] = set()
        for name, module in net.named_modules():
            if isinstance(module, Dropout):
                self.dropouts[name] = LaneDropout(self.streams)
                self.skeleton.set_submodule(name, self.dropouts[name])
            elif isinstance(module, nn.Linear | _ConvNd):
                layer = self.skeleton.get_submodule(name)
                if sees_one_channel(layer):
                    layer = LaneConv(layer)
                    self.skeleton.set_submodule(name, layer)
                layer.register_forward_pre_hook(in_the_type_of_weights)
                self.multiplied |= {f"{name}.{own}" for own, _ in module.named_parameters(recurse=False)}
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

        kind = images.device.type
        if torch.is_autocast_enabled(kind):
            # vmap adds a bias by itself, where autocast does not see it: in float32, and so would be all that follows.
            # So the weights are what autocast makes of them, and each layer takes its numbers as it takes those.
            narrow = torch.get_autocast_dtype(kind)
            weights = {name: each.to(narrow) if name in self.multiplied else each for name, each in weights.items()}
        in_dims = (0, 0, None if shared else 0)
        logits: Tensor = vmap(one, in_dims)(weights, self.buffers, images)
        return logits


class LaneConv(nn.Module):
    """Stands for a convolution of pictures of one channel in the network that `torch.func.vmap` calls for all lanes.

    Together they would be a depthwise convolution, whose kernels take a quarter of a step on a GPU: a step of 64 lanes
    takes 3.7 ms with it, and 2.9 ms with a product of matrices.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.kernel_size = conv.kernel_size
        self.weight = conv.weight
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.kernel_size
        down, across = x.shape[-2] - height + 1, x.shape[-1] - width + 1
        x = x[:, 0]
        moved = [x[:, top : top + down, left : left + across] for top in range(height) for left in range(width)]
        factors = self.weight.flatten(1)
        if self.bias is not None:  # as one more weight, of a pixel that is 1: added by itself it takes two kernels more
            moved.append(torch.ones_like(moved[0]))
            factors = torch.cat([factors, self.bias[:, None]], dim=1)
        answers = factors @ torch.stack(moved, dim=1).flatten(2)
        return answers.view(len(x), -1, down, across)


def in_the_type_of_weights(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a layer is given, in the type of its weights."""
    return tuple(x.to(module.weight.dtype) for x in given)  # type: ignore[arg-type]


def sees_one_channel(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a plain convolution of pictures of one channel."""
    return (
        type(module) is nn.Conv2d
        and module.in_channels == 1
        and module.stride == module.dilation == (1, 1)
        and module.padding == (0, 0)
    )
