"""ResNet-18 as torchvision builds it, adapted to small drawings of one channel."""

from torch import Tensor, nn

from quickdraw.model.layers import Dropout, channels_last
from quickdraw.vision import import_torchvision


class ResNet18(nn.Module):
    """torchvision's ResNet-18, untrained, with a 3x3 stem for one channel, no pooling after it, and dropout.

    With `stem_stride` 2 the four stages work on 14, 7, 4 and 2 pixels a side; with 1 on 28, 14, 7 and 4, which takes
    3.4 times as long: 69 against 232 training samples/s on one CPU thread. (The original stem, 7x7 with stride 2 and a
    pooling, would leave them 7, 4, 2 and 1.)

    Maps images float [B, 1, 28, 28] in [0, 1] to logits [B, num_classes].
    """

    def __init__(self, dropout_rate: float = 0.5, stem_stride: int = 2, num_classes: int = 10) -> None:
        super().__init__()
        resnet = import_torchvision().models.resnet18(num_classes=num_classes)
        stem = nn.Conv2d(1, 64, 3, stem_stride, padding=1, bias=False)
        nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's convolutions
        self.stem = nn.Sequential(stem, resnet.bn1, resnet.relu)
        self.stages = nn.Sequential(resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4)
        self.pool = nn.Sequential(resnet.avgpool, nn.Flatten())
        self.dropout = Dropout(dropout_rate)
        self.output = resnet.fc

    def get_features(self, x: Tensor) -> Tensor:
        """The mean of each of the last stage's channels, [B, 512]."""
        return self.pool(self.stages(self.stem(channels_last(x))))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.dropout(self.get_features(x)))
