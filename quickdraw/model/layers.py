"""Layers of ours that models share: what torch's do, faster on a CPU and exact on resume."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickdraw.seeding import step_bytes


class Dropout(nn.Dropout):
    """nn.Dropout, whose mask on a CPU is a function of (seed, epoch, step), and not of the number of threads.

    torch draws its mask number by number: 620 us for 64 x 800 features, a tenth of a training step. One random byte a
    feature takes 30 us; the rate is rounded to a 256th, and the scale fits the rounded rate.
    """

    def forward(self, x: Tensor) -> Tensor:
        kept = max(1, round((1 - self.p) * 256))
        if not self.training or x.device.type != "cpu" or kept == 256:  # to torch.lt of bytes, 256 is 0
            return F.dropout(x, self.p, self.training)
        mask = torch.empty(x.shape, dtype=x.dtype)  # comparing into the target's type: 10 us, by way of bool 80
        torch.lt(torch.from_numpy(step_bytes(x.numel())).view(x.shape), kept, out=mask)
        return x * mask.mul_(256 / kept)


def channels_last(images: Tensor) -> Tensor:
    """The images [B, C, H, W], laid out with the channels last, which torch's CPU kernels vectorise best.

    For one channel both layouts are alike to torch, and it would take the other one for every layer that follows; so
    the strides are said explicitly, by way of [B, H, W, C].
    """
    return images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
