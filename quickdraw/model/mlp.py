"""A multi-layer perceptron: the whole of what adding a model takes, with `conf/model/mlp.yaml`."""

from torch import Tensor, nn

from quickdraw.model.layers import Dropout


class MLP(nn.Module):
    """One hidden layer on the raw pixels.

    Maps images float [B, 1, 28, 28] in [0, 1] to logits [B, num_classes].
    """

    may_share_lanes = True  # tests/test_lanes.py: its bits do not depend on the trainings beside it

    def __init__(self, hidden: int = 256, dropout_rate: float = 0.5, num_classes: int = 10) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, hidden), nn.ReLU())
        self.dropout = Dropout(dropout_rate)
        self.output = nn.Linear(hidden, num_classes)

    def get_features(self, x: Tensor) -> Tensor:
        """The hidden layer, [B, hidden]."""
        return self.hidden(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.dropout(self.get_features(x)))
