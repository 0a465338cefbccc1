"""The course's small ConvNet, and how its weights are read back."""

import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickdraw.errors import WeightsError
from quickdraw.model.layers import Dropout, channels_last
from quickdraw.weights_file import read_weights


class ConvNet(nn.Module):
    """Two convolution blocks and two linear layers: 108,618 parameters for ten classes.

    Maps images float [B, 1, 28, 28] in [0, 1] to logits [B, num_classes].
    """

    may_share_lanes = True  # tests/test_lanes.py: its bits do not depend on the trainings beside it

    def __init__(self, dropout_rate: float = 0.5, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 32, 3)
        self.pool2 = nn.MaxPool2d(2)
        self.dropout = Dropout(dropout_rate)
        self.fc1 = nn.Linear(32 * 5 * 5, 128)
        self.fc2 = nn.Linear(128, num_classes)

    def get_features(self, x: Tensor) -> Tensor:
        """The flattened output of the last convolution block, [B, 800]."""
        # The poolings drop what fills no window (28 -> 26 -> 13, of which 12 -> 10 -> 5), so the last two rows and
        # columns never count: 15 % less to compute without them. Pooling before ReLU is equal too, both being
        # monotone, and leaves ReLU a quarter of the numbers.
        x = channels_last(x[:, :, :26, :26])
        x = F.relu(self.pool1(self.conv1(x)))
        x = F.relu(self.pool2(self.conv2(x)))
        return torch.flatten(x, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.get_features(x))
        x = F.relu(self.fc1(x))
        return self.fc2(x)


def load_weights(path: str | os.PathLike[str]) -> tuple[ConvNet, list[str]]:
    """The network in a pair of files (in eval mode, on the CPU), and its class names in the order of the logits.

    `path` is the `<exp_name>_net.pth` of a run; the `.json` beside it says what it must hold. Raises WeightsError when
    either is missing or damaged, or when they do not belong together or to a ConvNet.
    """
    state_dict, description = read_weights(path, model="quickdraw.model.convnet.ConvNet")
    try:
        net = ConvNet(num_classes=len(description["classes"]))
        net.load_state_dict(state_dict)
    except (RuntimeError, TypeError) as error:
        raise WeightsError(f"{path}: expected a ConvNet's weights for the classes in its .json, got others") from error
    return net.eval(), description["classes"]
