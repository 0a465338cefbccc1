"""What mattered in a sweep, on made-up runs whose answers are known."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from quickdraw.analysis.frames import (
    curve_frame,
    effect_frame,
    failure_frame,
    interaction_frame,
    ranking_frame,
    run_frame,
    value_frame,
)
from quickdraw.analysis.sweep import Sweep, read_sweep
from quickdraw.analysis.tables import report_parts
from quickdraw.run.listing import Run
from tests.support.made_up import EPOCHS, make_sweep


def run(score: float | None, **settings: Any) -> Run:
    result = {} if score is None else {"val_accuracy": score, "val_loss": 1 - score, "test_accuracy": score}
    return Run(Path("sweep", "-".join(map(str, settings.values()))), settings, "completed", "", result)


def sweep(runs: Sequence[Run]) -> Sweep:
    return Sweep(Path("sweep"), runs)


def grid(effect_of_lr: float, effect_of_width: float = 0.0, effect_of_both: float = 0.0, seeds: int = 4) -> Sweep:
    """Return a sweep whose scores are luck, plus the effects of a learning rate, of a width, and of both together."""
    luck = np.random.default_rng(0).normal(0, 0.01, (2, 2, seeds))
    runs = [
        run(
            0.8 + effect_of_lr * lr + effect_of_width * width + effect_of_both * lr * width + luck[lr, width, seed],
            lr=lr,
            width=width,
            seed=seed,
        )
        for lr in (0, 1)
        for width in (0, 1)
        for seed in range(seeds)
    ]
    return sweep(runs)


def test_one_setting_is_the_analysis_of_variance() -> None:
    groups = [[0.8, 0.81, 0.79], [0.82, 0.84, 0.83], [0.8, 0.83, 0.82]]
    runs = [run(score, lr=lr, number=[lr, at]) for lr, scores in enumerate(groups) for at, score in enumerate(scores)]
    runs = [Run(each.folder, {"lr": each.settings["lr"]}, "completed", "", each.result) for each in runs]
    (row,) = effect_frame(sweep(runs)).itertuples()
    assert row.p == pytest.approx(stats.f_oneway(*groups).pvalue)
    total = np.var(groups) * 9
    within = sum(np.var(group) * 3 for group in groups)
    assert row.share == pytest.approx((total - within - 2 * within / 6) / total)
    assert (row.best, row.worst) == ("1", "0")
    assert row.difference == pytest.approx(0.03)


def test_what_mattered_comes_first_and_luck_is_called_luck() -> None:
    frame = effect_frame(grid(effect_of_lr=0.1))
    assert frame["setting"].iloc[0] == "lr"
    assert frame["share"].iloc[0] > 0.9
    assert frame["p"].iloc[0] < 1e-6
    assert (frame["p"].iloc[1:] > 0.05).all()
    text = grid(effect_of_lr=0.1).effects_in_words()
    assert text.startswith("lr explains 9")
    assert "did may be chance" in text
    assert "width" in text.split("what ")[1]


def test_loss_is_best_where_it_is_lowest() -> None:
    by_loss = {"trainer.monitor": "val_loss"}
    losses = sweep([Run(r.folder, r.settings | by_loss, "completed", "", r.result) for r in grid(0.1).runs])
    first = effect_frame(losses).iloc[0]
    assert (first["best"], first["worst"]) == ("1", "0")
    assert losses.interaction_in_words().startswith("lr=1 is best whatever the width.")


def test_interaction_is_told_from_luck() -> None:
    added = grid(0.05).interaction("lr", "width")
    assert (added.share < 0.05, added.p > 0.05) == (True, True)
    crossed = grid(-0.05, -0.05, effect_of_both=0.1)
    together = crossed.interaction("lr", "width")
    assert together.share > 0.3
    assert together.p < 1e-6
    text = crossed.interaction_in_words()
    assert re.match("The best (lr|width) depends on (lr|width): (0 with 0, 1 with 1|1 with 1, 0 with 0)\\.", text), text
    assert interaction_frame(together).loc["1", "1"] == pytest.approx(
        np.mean([r.result["val_accuracy"] for r in crossed.runs if r.settings["lr"] == r.settings["width"] == 1])
    )


def test_without_seeds_luck_and_effect_are_not_separated() -> None:
    single = sweep([run(0.8, lr=1, seed=0), run(0.9, lr=2, seed=0)])
    assert math.isnan(effect_frame(single)["share"].iloc[0])
    assert "effects cannot be separated from seed noise" in single.effects_in_words()


def test_searched_range_is_cut_into_parts() -> None:
    """A search tries each number once: a value each would explain everything."""
    lrs = np.geomspace(0.0001, 0.1, 40)
    luck = np.random.default_rng(1).normal(size=40)
    runs = [run(0.8 + 0.01 * noise, lr=float(lr), seed=0) for lr, noise in zip(lrs, luck, strict=True)]
    column = sweep(runs).columns["lr"]
    assert np.bincount(column.codes).tolist() == [10, 10, 10, 10]
    assert column.values[0].startswith("0.0001..")
    assert effect_frame(sweep(runs))["p"].iloc[0] > 0.05


def test_numbers_are_in_order_of_size() -> None:
    runs = [run(0.8, lr=lr, seed=0) for lr in (0.1, 1e-05, 0.002)]
    assert sweep(runs).columns["lr"].values == ["1e-05", "0.002", "0.1"]


def test_a_sweep_without_a_result_has_no_effects() -> None:
    empty = sweep([run(None, lr=1), run(None, lr=2)])
    assert effect_frame(empty).empty
    assert empty.top_two == []
    assert empty.effects_in_words() == empty.interaction_in_words() == ""


def test_frames_of_a_sweep_tell_what_its_folders_hold(tmp_path: Path) -> None:
    made = read_sweep(make_sweep(tmp_path / "sweep"))
    ranking = ranking_frame(made)
    best = made.settings[0]
    assert ranking.loc[1, "setting"] == best.name
    assert ranking.loc[1, "val_accuracy"] == pytest.approx(best.mean)
    assert (ranking.loc[1, "low"], ranking.loc[1, "high"]) == made.intervals[best.name]
    assert ranking["diverged"].tolist() == [0, 0, 0, 1], "a setting that diverged with a seed comes last"
    curves = curve_frame(made)
    assert len(curves) == 12 * EPOCHS
    assert curves["seconds"].head(EPOCHS).tolist() == [1.5, 3.0, 4.5]
    failures = failure_frame(made)
    assert failures["state"].tolist() == ["diverged", "failed"]
    assert failures["cause"].iloc[1] == "killed by SIGKILL (out of memory?)"
    assert len(run_frame(made)) == 14
    values = value_frame(made).set_index(["setting", "value"])
    assert values.loc[("lr", "0.01"), "runs"] == 6
    assert values.loc[("lr", "0.01"), "diverged"] == 1
    assert effect_frame(made)["setting"].iloc[0] == "lr"


def test_the_seed_is_no_setting_and_a_sentence_says_what_it_does() -> None:
    made = grid(effect_of_lr=0.1)
    assert set(effect_frame(made)["setting"]) == {"lr", "width"} == set(made.columns)
    groups = [[r.result["val_accuracy"] for r in setting.runs] for setting in made.settings]
    pooled = np.sqrt(np.mean([np.var(group, ddof=1) for group in groups]))
    assert made.seeds_in_words() == f"Seeds alone have a deviation of {pooled:.4f}."
    assert sweep([run(0.8, lr=1, seed=0), run(0.9, lr=2, seed=0)]).seeds_in_words() == ""


def test_a_sweep_of_seeds_alone_says_so_and_names_no_setting() -> None:
    made = sweep([run(0.8 + luck, seed=seed) for seed, luck in enumerate((0.0, 0.02, 0.04))])
    assert made.seeds_in_words() in map(str, report_parts(made))
    assert (
        made.seeds_in_words()
        == "Only the seed differs, so nothing is compared: seeds alone have a deviation of 0.0200."
    )
    assert made.effects == []
    assert made.effects_in_words() == ""


def test_what_mattered_is_corrected_for_the_number_of_settings() -> None:
    """Of twelve settings that do nothing, one has a p below 0.05 by luck more often than not."""
    below = 0
    for chance in range(40):
        dice = np.random.default_rng(chance)
        settings = [{f"key{number}": int(dice.integers(2)) for number in range(12)} for _ in range(40)]
        runs = [run(0.8 + dice.normal(0, 0.01), seed=seed, **each) for seed, each in enumerate(settings)]
        below += any(effect.p < 0.05 for effect in sweep(runs).effects)
    assert below <= 5
