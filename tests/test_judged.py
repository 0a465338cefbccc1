"""Which settings may be the best, and when that cannot be said, on made-up runs whose answers are known."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quickdraw.analysis.page import page
from quickdraw.analysis.rows import ranking_rows
from quickdraw.analysis.sweep import Sweep, read_sweep
from quickdraw.analysis.tables import ranking_table
from quickdraw.predictions import read_predictions
from quickdraw.run.listing import Run
from tests.support.made_up import make_run

SPREAD = {"best": 0.0, "close": -0.001, "worse": -0.05}
LUCK = [0.0, 0.012, -0.007, 0.004]


def grid(key: str, values: Sequence[Any], monitor: str = "val_accuracy", **other: Any) -> Sweep:
    """Return a sweep of one key whose first value is the best, the next almost, the last much worse."""
    runs = []
    for place, (value, gain) in enumerate(zip(values, SPREAD.values(), strict=True)):
        for seed, luck in enumerate(LUCK):
            score = 0.9 + gain + luck + 0.001 * ((seed * 3 + place) % 4)
            result = {"val_accuracy": score, "val_loss": 1 - score, "test_accuracy": score}
            settings = {key: value, "seed": seed, "trainer.monitor": monitor} | other
            runs.append(Run(Path("sweep", f"{place}-{seed}"), settings, "completed", "", result))
    return Sweep(Path("sweep"), runs)


def test_all_settings_are_compared_at_once_and_those_that_may_be_the_best_are_marked() -> None:
    made = grid("width", [1, 2, 3])
    assert made.verdict().startswith("width=1 or width=2 may be the best of 3 settings (95 %, all compared at once)")
    assert "is a fairer guess" in made.verdict()
    assert [row["may_be_best"] for row in ranking_rows(made)] == [True, True, False]
    lines = str(ranking_table(made)).splitlines()
    assert [line.endswith("may be the best") for line in lines] == [False, True, True, False]


def test_a_network_that_gives_all_drawings_one_class_is_named_in_the_ranking(tmp_path: Path) -> None:
    drawings = range(60)
    for seed, wrong in enumerate(([*drawings[20:40]], [*drawings[:40:2]])):
        make_run(tmp_path / f"good{seed}", 0.9, wrong=wrong, optimizer__lr=0.01, seed=seed)
        make_run(tmp_path / f"bad{seed}", 0.4, wrong=wrong, optimizer__lr=10, seed=seed)
    path = tmp_path / "bad1" / "predictions.npz"
    whole = read_predictions(path)
    replace(whole, predicted=np.full(60, 2)).write(path)
    edited = json.loads((tmp_path / "bad1" / "result.json").read_bytes())
    (tmp_path / "bad1" / "result.json").write_text(json.dumps(edited | {"test_balanced_accuracy": 1 / 3}))
    made = read_sweep(tmp_path)
    assert [row["one_class"] for row in ranking_rows(made)] == [0, 1]
    lines = str(ranking_table(made)).splitlines()
    assert [line.endswith("1 of 2 gave all drawings one class") for line in lines] == [False, False, True]

    # Predictions that cannot be read say nothing.
    path.write_bytes(b"")
    assert [row["one_class"] for row in ranking_rows(read_sweep(tmp_path))] == [0, 0]


def test_a_sweep_of_seeds_alone_compares_nothing_on_its_page(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path / str(seed), 0.8 + 0.01 * seed, wrong=range(seed, 9), seed=seed)
    text = "".join(page(read_sweep(tmp_path)))
    assert "Only the seed differs, so nothing is compared" in text
    headings = re.findall("<h2>(.*?)</h2>", text)
    assert headings == ["Ranking", "Learning curves", "Accuracy against time", "All runs"]
    assert read_sweep(tmp_path).comparison() is None


def test_a_loss_is_said_as_it_was_measured() -> None:
    text = grid("width", [1, 2, 3], monitor="val_loss").verdict()
    assert "width=1, 0.0962, is low because it won by it" in text
    assert "is a fairer guess" in text
    assert "-0.09" not in text


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("data.limit_per_class", [1000, 300, 100]),
        ("data.split_seed", [1, 2, 3]),
        ("data.classes", [["cat", "moon"], ["moon", "cat"], ["cat", "door"]]),
        ("data.recognized_only", [True, False, None]),
        ("data.seed", [7, 8, 9]),
    ],
)
def test_settings_that_were_judged_on_other_drawings_are_ranked_and_told_apart_from_nothing(
    key: str, values: list[Any]
) -> None:
    made = grid(key, values)
    assert made.verdict().startswith(f"Not judged: {key} differs")
    assert len(made.settings) == 3
    assert made.may_be_best == ()
    assert made.effects == []
    assert made.effects_in_words() == made.interaction_in_words() == ""


@pytest.mark.parametrize(
    "key",
    [
        "data.batch_size",
        "data.augment",
        "data.balance",
        "data.root",
        "data.train_limit",
        "data.train_fraction",
        "optimizer.split_seed",
    ],
)
def test_what_changes_only_the_training_is_judged(key: str) -> None:
    assert "may be the best of 3 settings" in grid(key, [1, 2, 3]).verdict()


def test_splits_that_go_with_the_seed_are_luck_like_it_where_the_test_split_is_apart() -> None:
    def with_splits(apart: bool, shift: int) -> Sweep:
        made = grid("width", [1, 2, 3], **{"data.test_seed": 42 if apart else None})
        for run in made.runs:
            run.settings["data.split_seed"] = run.settings["seed"] + shift * run.settings["width"]
        return Sweep(Path("sweep"), made.runs)

    together = with_splits(apart=True, shift=0)
    assert "may be the best of 3 settings" in together.verdict()
    assert list(together.keys) == ["width", "seed"]
    for other in (with_splits(apart=False, shift=0), with_splits(apart=True, shift=1)):
        assert other.unlike == ["data.split_seed"]


def test_runs_from_before_a_key_existed_are_judged_with_later_ones() -> None:
    later = grid("width", [1, 2, 3], **{"data.new_choice": 5})
    earlier = grid("width", [1, 2, 3])
    mixed = Sweep(Path("sweep"), [*later.runs[:6], *earlier.runs[6:]])
    assert mixed.unlike == []


def test_other_files_under_the_same_names_are_not_judged(tmp_path: Path) -> None:
    for lr in (1, 2):
        for seed in (0, 1):
            make_run(tmp_path / f"{lr}-{seed}", 0.8 + 0.01 * lr + 0.003 * seed * lr, lr=lr, seed=seed)
    assert "of 2 settings" in read_sweep(tmp_path).verdict()
    path = tmp_path / "2-1" / "weights" / "made_up_net.json"
    known = json.loads(path.read_bytes())
    known["fingerprints"]["moon"] = "of another"
    path.write_text(json.dumps(known))
    assert read_sweep(tmp_path).verdict().startswith("Not judged: the files of the drawings differ")
