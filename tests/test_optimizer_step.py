"""An optimizer whose step needs more than gradients is refused before the first step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from quickdraw.building import check_optimizer
from quickdraw.errors import ConfigError
from tests.support.program import call
from tests.support.resuming import TINY, refused


class Own(torch.optim.SGD):
    """An optimizer of a user's own."""

    def step(self, losses: Any, closure: Any = None) -> None:  # type: ignore[override]
        """Take losses as well."""


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.zeros(2))]


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (lambda: torch.optim.LBFGS(parameters()), "got LBFGS, which needs closure; choose another"),
        (lambda: Own(parameters(), lr=0.1), "got Own, which needs losses; choose another"),
    ],
)
def test_what_needs_more_than_gradients_is_refused(optimizer: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_optimizer(optimizer())


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad])
def test_the_usual_ones_are_taken(kind: Any) -> None:
    check_optimizer(kind(parameters(), lr=0.1))


def test_a_run_says_so_in_one_line_and_takes_it_for_no_bug(tmp_path: Path) -> None:
    typed = [
        "optimizer._target_=torch.optim.LBFGS",
        *(f"~optimizer.{key}" for key in ("weight_decay", "betas", "fused")),
    ]
    data = ("data=synthetic", "data.per_class=10", "data.classes=[cat,moon]", "trainer=smoke", "threads=1")
    outcome = call(tmp_path, *data, *typed)
    assert outcome.code == 1
    assert outcome.err.startswith("error: optimizer: expected one whose step() needs the gradients only, got LBFGS")
    assert len(outcome.err.splitlines()) == 1


def test_what_an_optimizer_says_in_its_first_step_is_one_line_and_no_bug(tmp_path: Path, drawings: Path) -> None:
    sparse = ("optimizer._target_=torch.optim.SparseAdam", "~optimizer.weight_decay", "~optimizer.fused")
    outcome = call(tmp_path, *TINY, f"data.root={drawings}", *sparse)
    assert refused(
        outcome, "error: optimizer: SparseAdam does not support dense gradients", "; choose another, such as"
    )
    assert "bug" not in outcome.err
