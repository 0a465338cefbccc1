"""A run as its user sees it: what it prints and what it leaves behind."""

import json
from collections.abc import Callable

import torch

from quickdraw.model.convnet import ConvNet, load_weights
from tests.program import Outcome

Run = Callable[..., Outcome]


def test_run_leaves_every_promised_file(run: Run) -> None:
    outcome = run()
    assert outcome.code == 0, outcome.err
    left = {str(path.relative_to(outcome.run)) for path in outcome.run.rglob("*") if path.is_file()}
    assert left > {
        "run.log",
        "status.json",
        "metrics.csv",
        "result.json",
        "weights/quickdraw_net.pth",
        "weights/quickdraw_net.json",
    }


def test_same_command_gives_the_same_weights_and_another_seed_does_not(run: Run) -> None:
    weights = [run(*o).folder for o in ((), (), ("seed=1",))]
    first, second, other = sorted((weights[0] / "outputs/runs/quickdraw").glob("*/weights/*.pth"))
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_a_server_needs_nothing_of_ours_but_the_network(run: Run) -> None:
    weights = run().run / "weights"
    net = ConvNet(num_classes=3)
    net.load_state_dict(torch.load(weights / "quickdraw_net.pth", weights_only=True))
    net.eval()
    classes = json.loads((weights / "quickdraw_net.json").read_text())["classes"]
    picture = torch.rand(1, 1, 28, 28)
    ours, names = load_weights(weights / "quickdraw_net.pth")
    assert classes == names == ["cat", "moon", "door"]
    assert torch.equal(net(picture), ours(picture))
