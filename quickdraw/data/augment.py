"""Small shifts, rotations and scalings of a training batch, so that no drawing is seen twice alike."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# The most that a drawing is moved at strength 1; the official drawings leave a margin of 2.2 pixels.
SHIFT_PIXELS = 3.0
ROTATION_DEGREES = 20.0
SCALE = 1.25  # up to so many times as large or as small


def uploaded(matrices: np.ndarray, device: torch.device) -> Tensor:
    """Matrices of `movements` on the network's device. The host does not wait for the copy to a GPU."""
    tensor = torch.from_numpy(matrices)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def moved(images: Tensor, matrices: Tensor) -> Tensor:
    """A batch, float [B, C, N, N] in [0, 1], with each image moved by its own matrix of `movements`, float32 [B, 2, 3].

    What is moved out is lost, and paper moves in. Takes 1.0 ms for 128 drawings on one thread, of a training step of
    8 ms or more.
    """
    size = images.shape[-1]
    # affine_grid multiplies one small matrix an image (1.0 ms); all of them in one product take a tenth of that.
    axis = (torch.arange(size, device=images.device) * 2 + 1) / size - 1  # the pixels' centres in [-1, 1]
    places = torch.stack([axis.repeat(size), axis.repeat_interleave(size), torch.ones(size**2, device=images.device)])
    grid = (matrices.view(-1, 3) @ places).view(-1, 2, size, size).permute(0, 2, 3, 1)
    # Bilinear interpolation takes 0.5 ms less, but blurs the lines, and no drawing that is to be recognised is blurred:
    # validation accuracy on 345 classes 0.444 instead of 0.457 (ConvNet, 10 epochs). Apple's GPUs have no bicubic one.
    mode = "bilinear" if images.device.type == "mps" else "bicubic"
    return F.grid_sample(images, grid, mode=mode, align_corners=False).clamp_(0, 1)


def movements(count: int, strength: float, size: int, seed: int, epoch: int, step: int) -> np.ndarray:
    """Where each place (x, y, 1) of the new images, in [-1, 1], lies in the old ones: float32 [count, 2, 3].

    Each image is shifted, turned and scaled by a chance of its own, a function of (seed, epoch, step) alone, the same
    on every device. `strength` in [0, 1] scales the largest movements.
    """
    random = np.random.Generator(np.random.SFC64([seed, epoch, step, 1]))  # without the 1 it is dropout's
    turn, zoom, right, down = random.uniform(-strength, strength, (4, count))
    angle, scale = math.radians(ROTATION_DEGREES) * turn, SCALE**zoom
    matrices = np.empty((count, 2, 3), dtype=np.float32)
    matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angle) / scale
    matrices[:, 0, 1] = np.sin(angle) / scale
    matrices[:, 1, 0] = -matrices[:, 0, 1]
    shift = 2 / size * SHIFT_PIXELS * np.stack([right, down], axis=1)
    matrices[:, :, 2] = np.einsum("bij,bj->bi", matrices[:, :, :2], shift)
    return matrices


def moves(count: int, strength: float, seed: int, epoch: int, step: int, size: int = 28) -> Tensor | None:
    """What a training step passes to `moved`, float32 [count, 2, 3] in the host's memory; None for no movement."""
    if not strength:
        return None
    return torch.from_numpy(movements(count, strength, size, seed, epoch, step))
