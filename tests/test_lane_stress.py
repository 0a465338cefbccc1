"""Packs killed with -9, again and again, at moments nobody chose."""

from pathlib import Path

import pytest

from tests.support.kills import assert_kills_change_no_bit


@pytest.mark.stress
def test_twenty_kills_of_packs_lose_nothing_and_change_no_bit(tmp_path: Path, drawings: Path) -> None:
    assert_kills_change_no_bit(tmp_path, drawings, "hydra.launcher.lanes=4", "device=cpu", longest_s=1.5)
