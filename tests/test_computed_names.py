"""Names with the time in them, `${now:...}`: one value for a whole run, and the same when it is continued."""

from pathlib import Path

import pytest

from tests.support.program import call
from tests.support.resuming import TINY, refused, status

NAMED = [argument for argument in TINY if not argument.startswith("hydra.run.dir=")]


@pytest.mark.parametrize("override", ["hydra.run.dir=made/${now:%f}/run", "exp_name=at-${now:%S-%f}"])
def test_a_run_with_a_computed_name_is_continued_where_it_is(override: str, tmp_path: Path, drawings: Path) -> None:
    first = call(tmp_path, f"data.root={drawings}", *NAMED, override)
    assert first.code == 0, first.err
    (found,) = tmp_path.rglob("status.json")
    run = found.parent
    weights = run / "weights" / f"{status(run)['config']['exp_name']}_net.pth"
    before = weights.read_bytes()
    if override.startswith("exp_name"):
        assert run.parent.name == status(run)["config"]["exp_name"]
    for path in (run / "result.json", weights):
        path.unlink()
    again = call(tmp_path, f"resume={run.relative_to(tmp_path)}")
    assert (again.code, again.err) == (0, "")
    assert "continuing after step" in again.out
    assert weights.read_bytes() == before
    assert list(tmp_path.rglob("status.json")) == [found]


def test_a_folder_whose_very_name_would_be_computed_again_is_refused(tmp_path: Path, drawings: Path) -> None:
    call(tmp_path, f"data.root={drawings}", *TINY)
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "run").rename(tmp_path / "${now:%H}")
    outcome = call(tmp_path, "resume=${now:%H}")
    assert refused(outcome, "resume=${now:%H}: expected a folder without ${ in its path")
    assert [path.parent.name for path in tmp_path.rglob("status.json")] == ["${now:%H}"]
