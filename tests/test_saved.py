"""What `resume=` and `rerun=` become: a run's own overrides, in their order, and nothing that a stranger put there."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hydra_plugins.quickdraw_cli.saved import config_from, harmless, literal, with_rerun, with_resume, written_out
from quickdraw.errors import RunError
from tests.support.made_up import make_run


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run with `seed=3` that was stopped."""
    return make_run(tmp_path / "run", None, "interrupted", seed=3)


def test_what_is_typed_comes_after_the_runs_own_and_the_folder_last(stopped: Path) -> None:
    assert with_resume(["data.root=there", f"resume={stopped}", "seed=4"]) == [
        "seed=3",
        "data.root=there",
        "seed=4",
        f"hydra.run.dir='{stopped}'",
    ]


def test_the_folder_that_is_typed_last_counts(stopped: Path, tmp_path: Path) -> None:
    arguments = with_resume([f"resume={tmp_path / 'nowhere'}", f"resume={stopped}"])
    assert arguments
    assert arguments[-1] == f"hydra.run.dir='{stopped}'"


def test_a_completed_run_is_left_alone_but_settings_typed_with_it_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = make_run(tmp_path / "done", seed=3)
    assert with_resume([f"resume={done}"]) is None
    assert "is completed" in capsys.readouterr().out
    assert with_resume([f"resume={done}", "seed=4"]) == ["seed=3", "seed=4", f"hydra.run.dir='{done}'"]


@pytest.mark.parametrize("flag", ["-m", "--multirun", "resume=other"])
def test_one_run_is_repeated_at_a_time(flag: str, tmp_path: Path) -> None:
    done = make_run(tmp_path / "done")
    with pytest.raises(RunError, match="leave -m and resume= out"):
        with_rerun([flag, f"rerun={done}"])


def test_a_damaged_run_is_not_repeated(tmp_path: Path) -> None:
    done = make_run(tmp_path / "done")
    result = json.loads((done / "result.json").read_bytes())
    (done / "result.json").write_text(json.dumps(result | {"val_accuracy": "high"}))
    with pytest.raises(RunError, match=r"damaged: result\.json: val_accuracy"):
        with_rerun([f"rerun={done}"])


@pytest.mark.parametrize(
    ("text", "is_harmless"),
    [
        ("seed=1", True),
        ("model=mlp", True),
        ("hydra.run.dir=x", False),
        ("model@hydra.callbacks.evil=mlp", False),
        ("hydra/launcher=basic", False),
        ("+group/hydra=x", False),
        ("model=../mlp", False),
    ],
)
def test_a_saved_override_sets_only_keys_of_the_project(text: str, is_harmless: bool) -> None:
    assert harmless(text) is is_harmless


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.inf, "inf"), (0.25, "0.25"), (None, "null"), (True, "true"), ("it's", r"'it\'s'"), (["a", 1], "['a',1]")],
)
def test_a_value_is_written_as_hydra_reads_it(value: Any, text: str) -> None:
    assert literal(value) == text


def test_only_what_differs_is_written_out_and_a_schedule_once() -> None:
    base = {"seed": 0, "model.hidden": 3, "trainer.schedule.a": 1}
    wanted = {"seed": 1, "data.per_class": 8, "trainer.schedule.a": 2}
    assert list(written_out(base, wanted)) == ["+data.per_class=8", "~model.hidden", "seed=1"]


def test_a_configuration_file_of_another_name_is_noted(tmp_path: Path) -> None:
    class Source:
        schema, path = "file", str(tmp_path)

    class Hydra:
        class runtime:  # noqa: N801
            config_sources = (Source,)

        class job:  # noqa: N801
            config_name = "config"

    assert config_from(Hydra) == [str(tmp_path)]  # type: ignore[arg-type]
    Hydra.job.config_name = "mine"
    assert config_from(Hydra) == [str(tmp_path), "mine"]  # type: ignore[arg-type]
