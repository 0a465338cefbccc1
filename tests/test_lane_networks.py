"""The networks of a pack, called as one: with the answers and the types that each would have alone."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from quickdraw.lanes.networks import LaneConv, Networks
from quickdraw.model.convnet import ConvNet
from quickdraw.model.mlp import MLP

WIDTH = 3


def stacked(nets: list[nn.Module]) -> dict[str, Tensor]:
    """The parameters of all lanes, as `Networks` takes them."""
    by_lane = [dict(net.named_parameters()) for net in nets]
    return {name: torch.stack([own[name].detach() for own in by_lane]) for name in by_lane[0]}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel_size", [3, (1, 5)])
@pytest.mark.parametrize(
    ("channels", "others", "stands_in"),
    [(1, {}, True), (2, {}, False), (1, {"stride": 2}, False), (1, {"padding": 1}, False), (1, {"dilation": 2}, False)],
)
def test_a_first_convolution_answers_alike_as_a_product(
    bias: bool, kernel_size: int | tuple[int, int], channels: int, others: dict[str, int], stands_in: bool
) -> None:
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(channels, 4, kernel_size, bias=bias, **others) for _ in range(WIDTH)]  # type: ignore[arg-type]
    nets: list[nn.Module] = [nn.Sequential(each, nn.Flatten()) for each in convolutions]
    networks = Networks(nets[0], WIDTH)
    assert isinstance(networks.skeleton[0], LaneConv) == stands_in  # type: ignore[index]
    images = torch.rand(WIDTH, 5, channels, 28, 28)
    answers = networks(stacked(nets), images)
    for net, seen, own in zip(nets, images, answers, strict=True):
        torch.testing.assert_close(own, net(seen), atol=1e-5, rtol=1e-5)


class Padded(nn.Sequential):
    """A network whose first convolution sees beyond the edge, after a layer without weights."""

    def __init__(self, dropout_rate: float) -> None:
        super().__init__(nn.ReLU(), nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(98, 3))


@pytest.mark.parametrize("model", [ConvNet, MLP, Padded])
def test_all_layers_compute_in_the_types_that_autocast_gives_a_network_alone(model: type[nn.Module]) -> None:
    torch.manual_seed(0)
    net = model(dropout_rate=0.0)
    networks = Networks(net, WIDTH)
    seen: dict[nn.Module, list[torch.dtype]] = {net: [], networks.skeleton: []}
    for watched, types in seen.items():
        for module in watched.modules():
            module.register_forward_hook(lambda module, given, answer, types=types: types.append(answer.dtype))
    images = torch.rand(WIDTH, 5, 1, 28, 28)
    with torch.autocast("cpu", torch.bfloat16):
        functional_call(net, dict(net.named_parameters()), (images[0],))
        networks(stacked([net] * WIDTH), images)
    assert torch.bfloat16 in seen[net]
    assert seen[networks.skeleton] == seen[net]
