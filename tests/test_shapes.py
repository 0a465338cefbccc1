"""Which jobs may train side by side, and how many lanes a sweep has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quickdraw.sweep import shapes
from quickdraw.sweep.shapes import Gpus, fitting_width, note_width, noted_width, shape_of
from tests.support.jobs_here import PoolHere

Compose = Callable[..., dict[str, Any]]

OF_A_LANE = ["seed=3", "dropout_rate=0.25", "optimizer.lr=0.5", "optimizer.weight_decay=0", "optimizer.betas=[0.8,0.9]"]
OF_A_LANE += ["trainer.epochs=3", "trainer.label_smoothing=0.1", "trainer.grad_clip=1", "trainer.patience=2"]
OF_A_LANE += ["trainer.monitor=val_loss", "schedule=constant", "schedule.warmup_fraction=0.5", "exp_name=other"]
OF_A_LANE += ["trainer.checkpoint_every_s=1", "trainer.progress=false", "threads=1", "lanes=8"]
OF_A_LANE += ["dropout_rate=0.003"]  # a byte can say it
OF_A_PACK = ["model=mlp", "optimizer=sgd", "data.batch_size=64", "data.augment=0.5", "data.balance=true", "threads=2"]
OF_A_PACK += ["data.split_seed=1", "trainer.precision=float32", "device=cpu", "data=synthetic", "optimizer.fused=false"]
OF_A_PACK += ["dropout_rate=0.001", "model.dropout_rate=0.001"]  # less than the masks of lanes have


@pytest.mark.parametrize("override", OF_A_LANE)
def test_what_each_lane_has_for_itself_makes_no_other_shape(composed: Compose, override: str) -> None:
    assert shape_of(composed(override)) == shape_of(composed())


@pytest.mark.parametrize("override", OF_A_PACK)
def test_what_lanes_have_in_common_makes_another_shape(composed: Compose, override: str) -> None:
    assert shape_of(composed(override)) != shape_of(composed())


def test_momentum_differs_by_lane(composed: Compose) -> None:
    sgd = composed("optimizer=sgd")
    assert shape_of(composed("optimizer=sgd", "optimizer.momentum=0.5", "optimizer.nesterov=false")) == shape_of(sgd)


@pytest.mark.parametrize(
    ("jobs", "batch_size", "free_mb", "width"),
    [
        (1, 128, 80_000, 1),
        (2, 128, 80_000, 8),
        (8, 128, 80_000, 8),
        (9, 128, 80_000, 64),
        (64, 128, 80_000, 64),
        (255, 128, 80_000, 64),
        (256, 128, 80_000, 256),
        (1000, 128, 80_000, 256),
        (1000, 1024, 80_000, 64),
        (64, 128, 4_000, 8),
        (64, 128, 500, 1),
    ],
)
def test_auto_has_lanes_for_all_jobs_as_far_as_memory_allows(
    jobs: int, batch_size: int, free_mb: float, width: int
) -> None:
    assert fitting_width(jobs, batch_size, Gpus(1, free_mb)) == width


@pytest.mark.parametrize("damage", [b"", b"many\n", b"0\n", b"-8", b"9" * 30, b"1.5"])
def test_the_width_of_a_sweep_is_kept_and_a_damaged_note_is_none(tmp_path: Path, damage: bytes) -> None:
    assert noted_width(tmp_path / "none") is None
    note_width(tmp_path / "sweep", 64)
    assert noted_width(tmp_path / "sweep") == 64
    (tmp_path / "sweep" / shapes.NOTE).write_bytes(damage)
    assert noted_width(tmp_path / "sweep") is None


def test_who_may_not_share_is_told_why(composed: Compose) -> None:
    configs = [composed(), composed("model=mlp", "optimizer=sgd"), composed("model=small_resnet")]
    configs.append(composed())
    configs[-1]["trainer"]["_target_"] = "quickdraw.engine.other"
    refusals = PoolHere().call_in_process(shapes.send_refusals, configs)
    assert refusals[:2] == ["", ""]
    assert "SmallResNet" in refusals[2]
    assert refusals[3] == "its trainer is not quickdraw.engine.train"


@pytest.mark.parametrize(("visible", "jobs", "gpus"), [("0,1", 70, Gpus(2, 70_000)), ("", 0, Gpus(0, 0))])
def test_the_memory_of_gpus_is_known_from_the_jobs_that_fit(
    monkeypatch: pytest.MonkeyPatch, visible: str, jobs: int, gpus: Gpus
) -> None:
    monkeypatch.setattr(shapes, "visible_gpus", lambda: visible.split(",") if visible else [])
    answers: list[Gpus] = []

    class Pipe:
        def send(self, value: Gpus) -> None:
            answers.append(value)

    shapes.send_gpus(Pipe(), jobs)  # type: ignore[arg-type]
    assert answers == [gpus]
