"""What `benchmarks.step_work` counts of a step, against a count by hand."""

import pytest
import torch

from benchmarks.step_work import work
from quickdraw.model.mlp import MLP

BATCH, HIDDEN, CLASSES = 8, 16, 3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_operations_and_the_bytes_of_a_step_are_those_of_its_layers(precision: str) -> None:
    net = MLP(HIDDEN, dropout_rate=0, num_classes=CLASSES)
    batch = torch.rand(BATCH, 1, 28, 28), torch.arange(BATCH) % CLASSES
    moved, multiplied = work(net, batch, precision)
    first, second = 784 * HIDDEN, HIDDEN * CLASSES
    assert multiplied == 2 * (2 * first + 3 * second)  # forward, of the weights, and but for the first of the inputs
    parameters = sum(parameter.nbytes for parameter in net.parameters())
    assert moved * BATCH > 7 * parameters  # AdamW reads gradients, and reads and writes weights and two means
