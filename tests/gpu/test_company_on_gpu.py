"""Packs on a GPU whose jobs end in every way, and packs that are killed: no bit of the others changes."""

from pathlib import Path

from tests.gpu import GPU
from tests.support.company import Composed, assert_nobody_notices
from tests.support.kills import assert_kills_change_no_bit

pytestmark = GPU


def test_twenty_kills_of_packs_lose_nothing_and_change_no_bit(tmp_path: Path, drawings: Path) -> None:
    assert_kills_change_no_bit(tmp_path, drawings, "hydra.launcher.lanes=4", "device=cuda", longest_s=3)


def test_a_sweep_with_ends_of_every_kind_equals_an_undisturbed_one(tmp_path: Path, composed: Composed) -> None:
    assert_nobody_notices(tmp_path, composed, "cuda")
