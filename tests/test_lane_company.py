"""Thirty jobs over four lanes, of which some diverge, are pruned, lose patience or are interrupted: none notices."""

from pathlib import Path

from tests.support.company import Composed, assert_nobody_notices


def test_a_sweep_with_ends_of_every_kind_equals_an_undisturbed_one(tmp_path: Path, composed: Composed) -> None:
    assert_nobody_notices(tmp_path, composed, "cpu")
