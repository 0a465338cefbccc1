"""Which setting is better, on made-up runs whose answers are known."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
from scipy import stats

from quickdraw.analysis.commands import ranking_dict
from quickdraw.analysis.figures import effects_figure, ranking_figure
from quickdraw.analysis.rows import ranking_rows
from quickdraw.analysis.sweep import Sweep
from quickdraw.analysis.tables import job_table, ranking_table, report
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run, named, read_epochs, short_names, varied, write_summary

FIRST = [0.91, 0.93, 0.92, 0.94]
SECOND = [0.90, 0.915, 0.912, 0.925]


def run(score: float | None = None, state: str = "completed", reason: str = "", **settings: Any) -> Run:
    """Return a made-up run; `a__b` stands for the key `a.b`."""
    flat = {key.replace("__", "."): value for key, value in settings.items()}
    result = {}
    if score is not None:
        result = {"val_accuracy": score, "val_loss": 1 - score, "test_accuracy": score - 0.01, "total_s": 2.0}
    return Run(Path("sweep", "-".join(map(str, flat.values()))), flat, state, reason, result)


def sweep(runs: Sequence[Run]) -> Sweep:
    return Sweep(Path("sweep"), runs)


def seeds(scores: list[float], first_seed: int = 0, **settings: Any) -> list[Run]:
    return [run(score, seed=seed, **settings) for seed, score in enumerate(scores, first_seed)]


def test_seeds_of_one_setting_are_one_row_with_mean_deviation_and_interval() -> None:
    ranked = sweep([*seeds(SECOND, dropout_rate=0.5), *seeds(FIRST, dropout_rate=0.3)])
    best, second = ranked.settings
    assert (best.name, second.name) == ("dropout_rate=0.3", "dropout_rate=0.5")
    assert best.mean == pytest.approx(fmean(FIRST))
    assert best.deviation == pytest.approx(stdev(FIRST))
    pooled = np.sqrt((np.var(FIRST, ddof=1) + np.var(SECOND, ddof=1)) / 2)
    expected = stats.t.interval(0.95, 6, loc=np.mean(FIRST), scale=pooled / 2)
    assert ranked.intervals[best.name] == pytest.approx(expected)
    assert best.test_accuracy() == pytest.approx(fmean(FIRST) - 0.01)


def test_intervals_of_few_seeds_are_pooled_and_stay_within_what_a_score_can_be() -> None:
    """Two seeds alone would say 0.95 ± 0.25, and 0.85 ± 0.13; one seed alone nothing."""
    few = sweep([*seeds([0.93, 0.97], lr=1), *seeds([0.84, 0.86], lr=2), run(0.5, lr=3, seed=0)])
    alone = sweep(seeds([0.93, 0.97], lr=1))
    first, second, third = ranking_rows(few)
    half = stats.t.ppf(0.975, 2) * np.sqrt((0.0008 + 0.0002) / 2)
    assert (third["low"], third["high"]) == pytest.approx((0.5 - half, 0.5 + half))
    assert second["half_width"] == pytest.approx(half / np.sqrt(2))
    assert (first["low"], first["high"]) == (pytest.approx(0.95 - half / np.sqrt(2)), 1.0)
    assert ranking_rows(alone)[0]["high"] == 1.0
    lines = str(ranking_table(few)).splitlines()
    assert f"{first['low']:.4f} to 1.0000" in lines[1]
    assert f"± {second['half_width']:.4f}" in lines[2]

    # The same in plain data, in the table of what mattered, and in the figures.
    assert ranking_dict(first)["high"] == 1.0
    assert all(0 <= value.low <= value.high <= 1 for value in few.values)
    ranking, effects = ranking_figure(few), effects_figure(few)
    assert ranking
    assert effects
    drawn = [bar.lines[2][0].get_segments() for bar in ranking.axes[0].containers]
    assert [row["high"] for row in (first, second, third)] == pytest.approx([own[0][1][0] for own in drawn])
    (bars,) = effects.axes[0].containers[0].lines[2]
    assert max(high for _, (_, high) in bars.get_segments()) == 1.0


def test_a_loss_is_never_below_0() -> None:
    losses = [0.01, 0.4, 0.02]
    runs = [run(1 - loss, trainer__monitor="val_loss", lr=1, seed=seed) for seed, loss in enumerate(losses)]
    (row,) = ranking_rows(sweep(runs))
    assert (row["low"], row["high"] > 0.5) == (0.0, True)


def test_common_seeds_are_compared_in_pairs() -> None:
    text = sweep([*seeds(FIRST, lr=1), *seeds(SECOND, lr=2)]).verdict()
    interval = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.95)
    assert text.startswith("lr=1 is the best of 2 settings (95 %")
    assert f"lr=1 leads lr=2 by {fmean(FIRST) - fmean(SECOND):.4f}" in text
    assert f"(95 %: {interval.low:+.4f} to {interval.high:+.4f})" in text


def test_different_seeds_are_compared_unpaired() -> None:
    text = sweep([*seeds(FIRST, lr=1), *seeds(SECOND, first_seed=10, lr=2)]).verdict()
    interval = stats.ttest_ind(FIRST, SECOND).confidence_interval(0.95)
    assert f"(95 %: {interval.low:+.4f} to {interval.high:+.4f})" in text
    assert text.startswith("lr=1 or lr=2 may be the best of 2 settings")


def test_one_seed_is_called_luck() -> None:
    text = sweep([run(0.92, lr=1, seed=0), run(0.91, lr=2, seed=0)]).verdict()
    assert text.startswith("lr=1 leads lr=2 by 0.0100, with one seed each: that may be luck.")


def test_equal_differences_are_no_proof() -> None:
    """Two seeds on few drawings often differ by exactly as much: a spread of zero is not certainty."""
    text = sweep([*seeds([0.75, 0.5], lr=1), *seeds([0.625, 0.375], lr=2)]).verdict()
    assert "their luck is not known" in text


def test_nothing_to_compare_is_no_verdict() -> None:
    assert sweep(seeds(FIRST)).verdict() == ""
    assert sweep([]).verdict() == ""
    assert "(all the same)" in str(ranking_table(sweep(seeds(FIRST))))


def test_loss_ranks_from_below() -> None:
    runs = [run(score, trainer__monitor="val_loss", lr=lr) for score, lr in ((0.9, 1), (0.8, 2))]
    assert [setting.name for setting in sweep(runs).settings] == ["lr=1", "lr=2"]
    assert "0.1000" in str(ranking_table(sweep(runs))).splitlines()[1]


def test_setting_that_diverges_with_one_seed_comes_after_those_that_do_not() -> None:
    shaky = [*seeds([0.99, 0.98], lr=2), run(state="diverged", lr=2, seed=2)]
    ranked = sweep([*seeds(FIRST, lr=1), *shaky, run(state="diverged", lr=3, seed=0)])
    settings = ranked.settings
    assert [setting.name for setting in settings] == ["lr=1", "lr=2", "lr=3"]
    assert math.isnan(settings[2].mean)
    assert ranked.verdict().endswith("lr=2 diverged with 1 of 3 seeds, lr=1 with 0 of 4.")
    assert str(ranking_table(ranked)).splitlines()[2].endswith("1 diverged")
    assert ranked.may_be_best == ("lr=1",)


def test_jobs_are_listed_with_the_best_score_first_and_those_without_one_last() -> None:
    runs = [run(0.5, lr=1), run(state="failed", lr=2), run(0.9, lr=3), run(0.7, lr=4), run(state="diverged", lr=5)]
    table = job_table(sweep(runs))
    assert [row[table.header.index("lr")] for row in table.rows] == ["3", "4", "1", "5", "2"]


def test_what_counts_is_the_part_of_the_seeds_that_diverged() -> None:
    many = [*seeds([0.8, 0.81, 0.82], lr=1), run(None, "diverged", seed=9, lr=1)]
    few = [*seeds([0.9], lr=2), run(None, "diverged", seed=9, lr=2)]
    assert [setting.name for setting in sweep([*few, *many]).settings] == ["lr=1", "lr=2"]


def test_runs_without_a_result_rank_nowhere_and_are_all_listed() -> None:
    runs = [
        run(0.9, lr=1),
        run(state="failed", reason="killed by SIGSEGV", lr=2),
        run(state="diverged", reason="nan", lr=3),
        run(state="interrupted", reason="SIGTERM", lr=4),
    ]
    assert len(sweep(runs).settings) == 2
    text = report(sweep(runs))
    assert [line.split()[1] for line in str(job_table(sweep(runs))).splitlines()[1:]] == [
        "completed", "diverged", "failed", "interrupted",
    ]  # fmt: skip
    failures = text[text.index("\nnot completed") :].splitlines()[2:]
    assert [line.split("  ")[0] for line in failures] == ["lr=2", "lr=3", "lr=4"]
    assert re.fullmatch("lr=2 +sweep/2/run.log +killed by SIGSEGV", failures[0])
    assert failures[1].endswith("diverged: nan")


def test_only_what_was_chosen_tells_runs_apart() -> None:
    """A class brings keys that others lack, and some keys read another one: neither is a choice of its own."""
    mlp = {"model___target_": "quickdraw.model.mlp.MLP", "model__hidden": 256, "seed": 0, "data__cache": "a"}
    convnet = {"model___target_": "quickdraw.model.convnet.ConvNet", "data__cache": "b"}
    runs = [
        run(1, dropout_rate=0.3, model__dropout_rate=0.3, threads=1, **mlp),
        run(1, dropout_rate=0.5, model__dropout_rate=0.5, threads=1, seed=0, **convnet),
        run(None, "failed", dropout_rate=0.5, model__dropout_rate=0.5, threads="auto", seed=1, **convnet),
    ]
    assert varied(runs) == {"dropout_rate": "dropout_rate", "model._target_": "model", "seed": "seed"}
    assert next(iter(named(runs).values())) == "dropout_rate=0.3 model=MLP seed=0"


def test_key_of_its_own_is_not_hidden_by_another_with_the_same_end() -> None:
    runs = [run(1, seed=0, data__seed=1), run(1, seed=0, data__seed=2), run(1, seed=3, data__seed=2)]
    assert list(varied(runs)) == ["data.seed", "seed"]
    assert short_names({"data.seed": "data.seed", "seed": "seed", "optimizer.lr": "optimizer.lr"}) == {
        "data.seed": "data.seed",
        "seed": "seed",
        "optimizer.lr": "lr",
    }


def test_run_that_was_killed_before_its_result_was_written_is_not_finished(tmp_path: Path) -> None:
    for number, state in enumerate(("running", "completed")):
        job = tmp_path / str(number)
        job.mkdir()
        RunFolder(job).update(state=state, config={"seed": number})
    text = write_summary(tmp_path).read_text().splitlines()
    assert text[0].startswith("seed,state,val_accuracy,")
    assert [line.split(",")[1] for line in text[1:]] == ["interrupted", "interrupted"]


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        ("epoch,val_loss\n1,0.5\n2,1e-3\n", [{"epoch": 1, "val_loss": 0.5}, {"epoch": 2, "val_loss": 0.001}]),
        ("epoch,val_loss\n1,0.5\n2\n", []),
        ("epoch,val_loss\n1,0.5,3\n", []),
        ("epoch,val_loss\n1,low\n", []),
        ('epoch,val_loss\n1,"0.5', []),
        ("\0", []),
        ("", []),
        (None, []),
    ],
)
def test_epochs_are_numbers_or_there_are_none(tmp_path: Path, text: str | None, epochs: list[dict[str, float]]) -> None:
    if text is not None:
        (tmp_path / "metrics.csv").write_text(text)
    assert read_epochs(tmp_path) == epochs


def test_of_keys_that_read_each_other_always_the_same_one_is_shown() -> None:
    runs = [run(1, a__x=value, b__x=value, c__x=value) for value in (1, 2)]
    assert list(varied(runs)) == ["a.x"]
