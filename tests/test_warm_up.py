"""First steps on a GPU that are taken while a run is prepared: of all batch sizes, and of no consequence."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from quickdraw import engine
from quickdraw.data.batches import Batches
from quickdraw.model.convnet import ConvNet
from quickdraw.run import warm_up
from tests.support.graphs import with_graphs
from tests.support.training import same, weights


class Broken(ConvNet):
    """A network that does not like images without ink."""

    def forward(self, x: Tensor) -> Tensor:
        if not x.any():
            raise RuntimeError("no ink")
        return super().forward(x)


@pytest.mark.parametrize(("count", "sizes"), [(100, [32, 4]), (64, [32]), (7, [7])])
def test_a_step_of_each_batch_size_is_taken_and_leaves_no_trace(
    files: list[np.ndarray], count: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_graphs(monkeypatch)  # the CPU counts as a device that is slow at first
    taken: list[tuple[int, ...]] = []
    real = engine.training_step

    def training_step(net: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, *others: object) -> object:
        taken.append(tuple(images.shape))
        return real(net, optimizer, images, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(warm_up, "training_step", training_step)
    net = ConvNet(num_classes=3)
    before = copy.deepcopy(weights(net))
    begun = warm_up.begin(net, "cpu", Batches(files, np.arange(count), 32), "float32")
    assert begun
    begun.join()
    assert taken == [(size, 1, 28, 28) for size in sizes]
    assert same(weights(net), before)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_what_goes_wrong_is_left_to_the_training(
    files: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with_graphs(monkeypatch)
    begun = warm_up.begin(Broken(num_classes=3), "cpu", Batches(files, np.arange(40), 32), "float32")
    assert begun
    begun.join()
    assert capfd.readouterr() == ("", "")


def test_a_network_that_cannot_be_copied_has_no_first_steps(
    files: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_graphs(monkeypatch)
    net = ConvNet(num_classes=3)
    net.kept = (number for number in range(3))  # type: ignore[assignment]
    assert warm_up.begin(net, "cpu", Batches(files, np.arange(40), 32), "float32") is None


def test_a_cpu_needs_none(files: list[np.ndarray]) -> None:
    assert warm_up.begin(ConvNet(), "cpu", Batches(files, np.arange(40), 32), "float32") is None
