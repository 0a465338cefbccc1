"""Layers of ours that models share: what torch's do, faster on a CPU and exact on resume."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickdraw import seeding

ALL = 256  # values of a byte


class Dropout(nn.Dropout):
    """nn.Dropout, whose mask is a function of (seed, epoch, step), and not of the number of threads.

    torch draws its mask number by number: 620 us for 64 x 800 features on a CPU, a tenth of a training step. One random
    byte a feature takes 30 us; the rate is rounded to a 256th, and the scale fits the rounded rate. A GPU makes its
    bytes itself, and makes them at rate 0 too: so a later layer's do not depend on this one's rate.
    """

    def forward(self, x: Tensor) -> Tensor:
        kept = kept_of_all(self.p)
        on_host = x.device.type in seeding.ON_HOST
        if not self.training or (on_host and kept == ALL):
            return F.dropout(x, self.p, self.training)  # torch's own for a rate that a byte cannot say, below 1/512
        mask = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        if on_host:
            drawn = torch.from_numpy(seeding.step_bytes(x.numel()))
        else:
            drawn = seeding.device_bytes(x.numel(), x.device)
        torch.le(drawn.view(x.shape), kept - 1, out=mask)  # into the target's type: 10 us, by way of bool 80
        return x * mask.mul_(ALL / kept)


def kept_of_all(rate: float) -> int:
    """The values of a byte, of all 256, that keep a feature at that dropout rate."""
    return max(1, round((1 - rate) * ALL))


def channels_last(images: Tensor) -> Tensor:
    """The images [B, C, H, W], laid out with the channels last, which torch's CPU kernels vectorise best.

    For one channel both layouts are alike to torch, and it would take the other one for every layer that follows; so
    the strides are said explicitly, by way of [B, H, W, C].
    """
    return images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
