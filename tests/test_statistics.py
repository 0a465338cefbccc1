"""Verdicts over seeds: critical values as published, intervals that hold, words that claim no more than was shown."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from quickdraw.statistics.best import compare_with_best
from quickdraw.statistics.dunnett import critical_value, critical_values, one_sided_tail, two_sided_tail
from quickdraw.statistics.holm import holm
from quickdraw.statistics.layout import fit
from quickdraw.statistics.paired import mcnemar, paired_proportions_interval
from quickdraw.statistics.sentences import verdict_in_words
from quickdraw.statistics.variance import pairs
from quickdraw.statistics.winner import shrunken_means

Table = dict[str, dict[int, float]]


def as_scores(values: np.ndarray) -> Table:
    return {f"s{row}": dict(enumerate(map(float, own))) for row, own in enumerate(values)}


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


# Dunnett (1955, 1964), tables of t for comparisons with a control, equal sample sizes, at 5 % and 1 %.
@pytest.mark.parametrize(
    ("level", "comparisons", "df", "one_sided", "two_sided"),
    [
        (0.05, 1, 5, 2.015, 2.571),
        (0.05, 2, 5, 2.44, 3.03),
        (0.05, 9, 5, 3.30, 3.97),
        (0.05, 3, 20, 2.19, 2.54),
        (0.05, 9, math.inf, 2.42, 2.69),
        (0.01, 2, 10, 3.11, 3.53),
    ],
)
def test_critical_values_are_those_of_dunnetts_tables(
    level: float, comparisons: int, df: float, one_sided: float, two_sided: float
) -> None:
    assert critical_value(level, comparisons, df) == pytest.approx(one_sided, abs=0.0051)
    assert critical_value(level, comparisons, df, two_sided=True) == pytest.approx(two_sided, abs=0.0051)


@pytest.mark.parametrize("correlation", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("df", [4, 30])
def test_tail_is_that_of_the_multivariate_t_distribution(df: int, correlation: float) -> None:
    shape = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    inside = stats.multivariate_t(shape=shape, df=df).cdf(np.full(3, 2.2), random_state=0)
    assert one_sided_tail(2.2, 3, df, correlation) == pytest.approx(1 - inside, abs=3e-4)


def test_two_sided_tail_is_that_of_scipys_dunnett() -> None:
    groups = noise(0, 4, 6) + np.array([[0], [0.5], [1.0], [1.5]])
    p = stats.dunnett(*groups[1:], control=groups[0], random_state=0).pvalue
    error = math.sqrt(groups.var(axis=1, ddof=1).mean() * 2 / 6)
    for group, expected in zip(groups[1:], p, strict=True):
        assert two_sided_tail(abs(group.mean() - groups[0].mean()) / error, 3, 20) == pytest.approx(expected, abs=1e-3)


def test_one_comparison_is_students_t() -> None:
    for df in (1, 2, 7, 60):
        assert critical_value(0.01, 1, df) == pytest.approx(stats.t.ppf(0.99, df), rel=1e-4)
        assert critical_value(0.01, 1, df, two_sided=True) == pytest.approx(stats.t.ppf(0.995, df), rel=1e-4)


def test_values_between_those_of_the_cache_agree_and_are_on_the_safe_side() -> None:
    for df in (3.5, 11.0, 25.0, 100.0):
        between = critical_values(0.05, 5, np.array([df]), np.array([0.5]))[0]
        assert 0 <= between / critical_value(0.05, 5, df) - 1 < 2e-3
    assert np.isinf(critical_values(0.05, 5, np.array([0.0]), np.array([0.5])))


@pytest.mark.parametrize("missing", [False, True])
def test_layout_is_least_squares_on_settings_and_seeds(missing: bool) -> None:
    values = noise(1, 5, 7) + noise(2, 5, 1) + noise(3, 7)
    if missing:
        values[np.random.default_rng(4).random(values.shape) < 0.3] = np.nan
    rows, columns = np.nonzero(np.isfinite(values))
    design = np.hstack([np.eye(5)[rows], np.eye(7)[columns]])
    solution, _, rank, _ = np.linalg.lstsq(design, values[rows, columns])
    layout = fit(values)
    assert layout.df == len(rows) - rank
    assert layout.squares.sum() == pytest.approx(((values[rows, columns] - design @ solution) ** 2).sum())
    assert layout.means - layout.means[0] == pytest.approx(solution[:5] - solution[0])
    inverse = np.linalg.pinv(design.T @ design)
    expected = np.diag(inverse)[:5, None] + np.diag(inverse)[:5] - 2 * inverse[:5, :5]
    assert layout.factors == pytest.approx(expected, abs=1e-12)


def test_settings_without_common_seeds_are_compared_without_an_effect_of_the_seed() -> None:
    first, second = noise(5, 4), noise(6, 4)
    values = np.full((2, 8), np.nan)
    values[0, :4], values[1, 4:] = first, second
    layout = fit(values)
    assert layout.df == 6
    assert layout.means == pytest.approx([first.mean(), second.mean()])
    assert layout.factors[0, 1] == pytest.approx(0.5)


def test_two_settings_over_common_seeds_are_the_paired_t_test() -> None:
    values = noise(7, 2, 6) + 3 * noise(8, 6)
    values[0] += 1
    verdict = compare_with_best(as_scores(values))
    assert verdict.margin
    interval = stats.ttest_rel(values[0], values[1]).confidence_interval(0.95)
    expected = (float(interval.low), float(interval.high))
    assert (verdict.margin.low, verdict.margin.high) == pytest.approx(expected, abs=2e-4)


def test_worse_settings_that_are_noisier_do_not_hide_what_the_quiet_ones_show() -> None:
    deviations = np.linspace(0.1, 3, 12)[:, None]
    values = noise(9, 12, 8) * deviations - np.linspace(0, 12, 12)[:, None]
    compared = pairs(values)
    pooled = math.sqrt(2 * compared.variance / 8)
    assert compared.error[0, 1] < pooled / 2
    assert compared.error[-2, -1] > pooled


def test_pair_that_varies_plainly_more_is_judged_by_its_own_differences() -> None:
    values = noise(10, 12, 10)
    values[5] = 6 * (values[5] - values[5].mean())
    compared = pairs(values)
    differences = values[5] - values[0]
    assert compared.error[0, 5] == pytest.approx(differences.std(ddof=1) / math.sqrt(10))
    assert compared.df[0, 5] == 9


def test_a_setting_equals_itself_however_little_is_known_of_it() -> None:
    nan = np.nan
    seeds = np.array([[0.2493, nan, nan], [nan, 0.5722, 0.5722], [nan, 0.4852, 0.457], [nan, nan, 0.5662]])
    judged = pairs(seeds)
    assert judged.known
    assert judged.df[0, 0] < 1
    margins = judged.margins(0.05)
    assert (np.diag(margins) == 0).all()
    assert np.isinf(margins[0, 1:]).all()
    assert judged.margins_to(0, 0.05)[0] == judged.half_widths(0, 0.05)[0] == 0


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_true_distances_lie_in_their_intervals_and_the_best_is_not_out_in_95_of_100_sweeps(spread: float) -> None:
    held = kept = 0
    truth = spread * np.linspace(0, -2, 6)
    others = np.array([np.delete(truth, row).max() for row in range(6)])
    for sweep in range(200):
        verdict = compare_with_best(as_scores(truth[:, None] + noise(1000 + sweep, 6, 3) + noise(5000 + sweep, 3)))
        place = {each.name: each for each in verdict.standings}
        low = np.array([place[f"s{row}"].distance_low for row in range(6)])
        high = np.array([place[f"s{row}"].distance_high for row in range(6)])
        held += bool(((low <= truth - others) & (truth - others <= high)).all())
        kept += "s0" in verdict.may_be_best
    assert min(held, kept) >= 182, "95 % of 200, less three standard errors"


def test_verdict_does_not_depend_on_the_order_of_rows() -> None:
    scores = as_scores(noise(11, 6, 4))
    turned = {name: dict(reversed(own.items())) for name, own in reversed(scores.items())}
    assert compare_with_best(turned) == compare_with_best(scores)


def test_clear_best_is_named_with_a_positive_margin() -> None:
    verdict = compare_with_best(as_scores(0.001 * noise(12, 4, 3) + [[0.9], [0.95], [0.91], [0.92]]), bounds=(0, 1))
    assert (verdict.outcome, verdict.best, verdict.may_be_best) == ("one best", "s1", ("s1",))
    assert verdict.margin
    assert 0 < verdict.margin.low < 0.03 < verdict.margin.high
    assert verdict_in_words(verdict).startswith(
        "s1 is the best of 4 settings (95 %, all compared at once); s1 leads s3"
    )


def test_near_ties_are_named_together() -> None:
    values = 0.01 * noise(13, 4, 3) + [[0.9], [0.9], [0.9], [0.5]]
    verdict = compare_with_best(as_scores(values), bounds=(0, 1))
    assert verdict.outcome == "several"
    assert verdict.best is None
    assert set(verdict.may_be_best) == {"s0", "s1", "s2"}
    assert verdict.standings[-1].distance_low < -0.3
    assert verdict.standings[-1].distance_high == 0
    assert " may be the best of 4 settings" in verdict_in_words(verdict)


def test_one_seed_shows_nothing() -> None:
    verdict = compare_with_best({"a": {0: 0.99}, "b": {0: 0.1}}, bounds=(0, 1))
    assert verdict.outcome == "one seed"
    assert verdict.may_be_best == ("a", "b")
    assert (verdict.standings[0].distance_low, verdict.standings[0].distance_high) == (-1, 1)
    assert math.isnan(verdict.deviation)
    assert "with one seed each: that may be luck" in verdict_in_words(verdict)


def test_a_setting_with_one_seed_is_judged_by_the_deviation_of_the_others() -> None:
    values = 0.01 * noise(14, 6, 4) + 0.8
    values[5] -= 0.3
    values[5, 1:] = np.nan
    scores = as_scores(values)
    scores["s5"] = {0: scores["s5"][0]}
    verdict = compare_with_best(scores)
    assert "s5" not in verdict.may_be_best
    assert verdict.standings[-1].seeds == 1


def test_of_two_equal_scores_one_leads_the_other_by_nothing() -> None:
    text = verdict_in_words(compare_with_best({"lr=0.1": {0: 0.5}, "lr=0.2": {0: 0.5}}))
    assert text.startswith("lr=0.1 leads lr=0.2 by 0.0000")


def test_seeds_that_do_not_differ_are_no_proof() -> None:
    verdict = compare_with_best({"a": {0: 0.75, 1: 0.5}, "b": {0: 0.625, 1: 0.375}})
    assert verdict.outcome == "no spread"
    assert verdict.may_be_best == ("a", "b")
    assert "seeds do not differ at all" in verdict_in_words(verdict)


def test_intervals_of_accuracies_stay_accuracies() -> None:
    verdict = compare_with_best({"a": {0: 0.9, 1: 0.1}, "b": {0: 0.2, 1: 0.95}}, bounds=(0, 1))
    ends = [(each.low, each.high, each.distance_low, each.distance_high) for each in verdict.standings]
    assert all(0 <= low <= high <= 1 and -1 <= worst <= best <= 1 for low, high, worst, best in ends)


def test_setting_that_diverges_is_worse_than_one_that_does_not() -> None:
    scores = {"a": {0: 0.7, 1: 0.71, 2: 0.69}, "b": {0: 0.9, 1: 0.91, 2: math.nan}, "c": {0: -math.inf}}
    verdict = compare_with_best(scores)
    assert (verdict.outcome, verdict.best) == ("diverged", "a")
    assert [each.name for each in verdict.standings] == ["a", "b", "c"]
    assert [each.diverged for each in verdict.standings] == [0, 1, 1]


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ({}, "No setting has a score."),
        ({"a": {0: math.nan}}, "Every training diverged: nothing to compare."),
        ({"a": {0: 0.5, 1: 0.6}}, "One setting, a: nothing to compare."),
    ],
)
def test_nothing_to_compare_is_said(scores: Table, text: str) -> None:
    assert verdict_in_words(compare_with_best(scores)) == text


def test_equal_scores_are_ties() -> None:
    same = {0: 0.5, 1: 0.6, 2: 0.7}
    verdict = compare_with_best({"a": same, "b": same, "c": {0: 0.6, 1: 0.5, 2: 0.65}})
    assert set(verdict.may_be_best) == {"a", "b", "c"}
    assert verdict.margin
    assert verdict.margin.difference == 0


def bias(settings: int, spread: float, correct: Callable[[np.ndarray], float]) -> float:
    """By how much the winner's score is too high, on average over 200 sweeps of three seeds."""
    total = 0.0
    for sweep in range(200):
        truth = spread * noise(sweep, settings)
        values = truth[:, None] + noise(9000 + sweep, settings, 3)
        total += correct(values) - truth[values.mean(axis=1).argmax()]
    return total / 200


def corrected(values: np.ndarray) -> float:
    return compare_with_best(as_scores(values)).corrected


@pytest.mark.parametrize(("spread", "raw"), [(0.0, 0.9), (2.0, 0.1)])
def test_the_winners_score_is_corrected_for_having_won_by_it(spread: float, raw: float) -> None:
    assert bias(12, spread, lambda values: float(values.mean(axis=1).max())) > raw
    assert abs(bias(12, spread, corrected)) < 0.2


def test_shrinking_keeps_the_order_and_the_middle() -> None:
    means = np.array([1.0, 2.0, 4.0, 9.0])
    shrunken = shrunken_means(means, np.full(4, 3.0))
    assert (np.diff(shrunken) > 0).all()
    assert shrunken.mean() == pytest.approx(4)
    assert shrunken_means(means, np.full(4, 100.0)) == pytest.approx(np.full(4, 4.0))
    assert shrunken_means(means, np.zeros(4)) == pytest.approx(means)


def test_interval_of_two_networks_agrees_with_mcnemars_exact_test_on_every_small_table() -> None:
    for count in range(1, 26):
        for only_a in range(count + 1):
            for only_b in range(count + 1 - only_a):
                low, high = paired_proportions_interval(only_a, only_b, count)
                assert -1 <= low <= (only_b - only_a) / count <= high <= 1
                assert (low > 0 or high < 0) == (mcnemar(only_a, only_b) < 0.05), (only_a, only_b, count)


def test_interval_of_two_networks_is_that_of_the_swapped_pair_turned() -> None:
    low, high = paired_proportions_interval(3, 12, 60)
    assert paired_proportions_interval(12, 3, 60) == pytest.approx((-high, -low))


@pytest.mark.parametrize("truth", [(0.0, 0.1), (0.05, 0.05), (0.02, 0.3), (0.0, 0.0)])
def test_interval_of_two_networks_holds_the_truth_in_95_of_100_samples(truth: tuple[float, float]) -> None:
    """Exactly: the probability of every table of 30 drawings that both networks can leave."""
    count, held = 30, 0.0
    for only_a in range(count + 1):
        for only_b in range(count + 1 - only_a):
            low, high = paired_proportions_interval(only_a, only_b, count)
            if low - 1e-12 <= truth[1] - truth[0] <= high + 1e-12:
                cells = [only_a, only_b, count - only_a - only_b]
                held += float(stats.multinomial.pmf(cells, count, [*truth, 1 - sum(truth)]))
    assert held >= 0.95


def test_holm_multiplies_the_smallest_by_all_and_never_falls() -> None:
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.9}) == pytest.approx(
        {"a": 0.09, "b": 0.04, "c": 0.09, "d": 0.9}
    )
    known = holm({"a": math.nan, "b": 0.03})
    assert math.isnan(known["a"])
    assert known["b"] == 0.03
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
