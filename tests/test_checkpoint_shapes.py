"""A checkpoint whose tensors do not fit the training is refused in one line, before anything is written with them."""

import re

import pytest
import torch
from torch import Tensor, nn

from quickdraw.data.batches import Batches
from quickdraw.errors import WeightsError
from quickdraw.state import Snapshot, State
from tests.support.training import OPTIMIZERS, Watched, network, same, saved, weights


def fused(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-3, fused=True)  # type: ignore[arg-type]


def trained(make: object = fused) -> tuple[nn.Module, State]:
    """A small network after one step, and its state."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
    state = State(net, make(net.parameters()), steps=3, drawings=12)  # type: ignore[operator]
    net(torch.ones(2, 6)).square().sum().backward()
    state.optimizer.step()
    return net, state


def with_tensor(name: str, tensor: Tensor | None) -> Snapshot:
    """The snapshot of a trained state with one tensor in place of its own, or without it."""
    snapshot = trained()[1].snapshot()
    tensors = {other: own for other, own in snapshot.tensors.items() if other != name}
    if tensor is not None:
        tensors[name] = tensor
    return Snapshot(tensors, snapshot.values)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("optimizer/0/exp_avg", torch.zeros(2)),
        ("optimizer/0/exp_avg", torch.zeros(24)),
        ("optimizer/0/exp_avg_sq", torch.zeros(4, 6, dtype=torch.float64)),
        ("optimizer/1/exp_avg_sq", torch.zeros(())),
        ("optimizer/1/exp_avg_sq", None),
        ("optimizer/0/step", torch.zeros(5)),
        ("optimizer/0/step", torch.zeros((), dtype=torch.int64)),
        ("optimizer/0/max_exp_avg_sq", torch.zeros(4, 6)),
        ("optimizer/9/exp_avg", torch.zeros(4, 6)),
        ("optimizer/x/exp_avg", torch.zeros(4, 6)),
        ("optimizer/-1/exp_avg", torch.zeros(4)),
        ("optimizer/", torch.zeros(4)),
        ("net/0.weight", torch.zeros(6, 4)),
        ("net/1.running_mean", torch.zeros(1)),
        ("net/0.bias", None),
        ("best/0.bias", torch.zeros(1)),
        ("losses", torch.zeros(1)),
        ("correct", torch.zeros(3)),
        ("grad_norms", None),
    ],
)
def test_a_tensor_of_another_shape_or_type_is_refused_and_nothing_is_changed(name: str, tensor: Tensor | None) -> None:
    net, state = trained()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(WeightsError, match=rf"^checkpoint: {re.escape(name)}") as error:
        state.restore(with_tensor(name, tensor))
    assert "\n" not in str(error.value)
    assert same(before, net.state_dict())


@pytest.mark.parametrize("name", ["Adafactor", "Adamax", "ASGD", "NAdam", "RMSprop", "Rprop", "SGD", "Adadelta"])
def test_what_an_optimizer_keeps_in_shapes_of_its_own_is_accepted(name: str) -> None:
    def make(parameters: object) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = getattr(torch.optim, name)(parameters, lr=1e-3)
        return optimizer

    snapshot = trained(make)[1].snapshot()
    _, state = trained(make)
    state.restore(snapshot)
    assert same(snapshot.tensors, state.snapshot().tensors)


def test_the_check_draws_no_random_number_and_leaves_the_weights(train_batches: Batches, val_batches: Batches) -> None:
    whole = Watched(network(), OPTIMIZERS["adamw"], train_batches, val_batches, checkpoint_every_s=0)
    snapshot = saved(whole.saves[3])
    net = network(1)
    state = State(net, OPTIMIZERS["adamw"](net.parameters()), steps=4, drawings=len(train_batches.indices))
    generator = torch.get_rng_state()
    state.restore(snapshot)
    assert torch.equal(torch.get_rng_state(), generator)
    assert same(weights(net), {key[4:]: value for key, value in snapshot.tensors.items() if key.startswith("net/")})
