"""A race drops what is shown to be worse, keeps the best, and decides the same from the same scores."""

import math

import numpy as np
import pytest
from scipy import stats

from quickdraw.statistics.race import Decision, decide
from quickdraw.statistics.sentences import dropped_in_words, race_in_words
from quickdraw.statistics.spending import as_looks, looks_until, nominal_levels, spent

Table = dict[str, dict[int, float]]


def scores(means: list[float], seeds: int = 20, seed: int = 0, deviation: float = 0.01) -> Table:
    """Scores of settings `a`, `b`, ... with these true means; a seed also moves all of them."""
    rng = np.random.default_rng(seed)
    common = deviation * rng.standard_normal(seeds)
    table = {}
    for name, mean in zip("abcdefghijkl", means, strict=False):
        own = mean + common + deviation * rng.standard_normal(seeds)
        table[name] = dict(enumerate(own.tolist()))
    return table


def until(table: Table, seeds: int) -> Table:
    return {name: {seed: own[seed] for seed in own if seed < seeds} for name, own in table.items()}


def raced(table: Table, **options: float) -> tuple[Decision, int]:
    """A race that is given only the trainings it asks for; how it ends, and how many these were."""
    given: Table = {name: {} for name in table}
    trained = 0
    while True:
        decision = decide(given, **options)  # type: ignore[arg-type]
        if decision.finished:
            return decision, trained
        assert decision.needed
        for name, seed in decision.needed:
            given[name][seed] = table[name][seed]
            trained += 1


def test_clear_best_wins_with_few_trainings() -> None:
    decision, trained = raced(scores([0.95, 0.9, 0.85, 0.8]))
    assert (decision.best, decision.why, decision.kept) == ("a", "one left", ("a",))
    assert trained == decision.jobs <= 16
    assert {each.name for each in decision.dropped} == {"b", "c", "d"}
    last = decision.dropped[-1]
    assert 0 <= last.low <= last.difference <= last.high
    text = race_in_words(decision)
    assert text.startswith("a is the best of 4 settings at 95 %, by 0.")
    assert text.endswith(f"({trained} trainings, {decision.seeds} seeds for who was left).")
    assert dropped_in_words(last).startswith(f"{last.name} is worse than a, by 0.")


def test_decision_is_the_same_from_all_scores_and_from_those_it_asked_for() -> None:
    table = scores([0.92, 0.915, 0.91, 0.9, 0.88], seed=3)
    assert decide(table) == raced(table)[0]


def test_order_of_rows_does_not_matter() -> None:
    table = scores([0.92, 0.918, 0.91, 0.9], seed=4)
    turned = {name: dict(reversed(own.items())) for name, own in reversed(table.items())}
    assert decide(turned) == decide(table)


@pytest.mark.parametrize("seed", range(4))
def test_who_is_dropped_stays_dropped_with_more_seeds_and_with_a_larger_budget(seed: int) -> None:
    table = scores([0.92, 0.915, 0.91, 0.905, 0.9, 0.89], seed=seed, seeds=30)
    before: set[str] = set()
    for seeds in range(2, 31):
        names = {each.name for each in decide(until(table, seeds), max_seeds=30, futility=0).dropped}
        assert before <= names
        before = names
    small, large = (decide(table, max_seeds=most, futility=0) for most in (20, 30))
    assert large.dropped[: len(small.dropped)] == small.dropped


def test_race_waits_for_the_trainings_of_its_next_look() -> None:
    table = scores([0.92, 0.92, 0.92], seed=5)
    del table["b"][1]
    decision = decide(until(table, 3))
    assert (decision.finished, decision.seeds, decision.needed) == (False, 0, (("b", 1),))
    assert race_in_words(decision) == "3 of 3 settings left after 0 seeds; 1 trainings until the next look."
    assert decide({"a": {}, "b": {}}, seeds=[7, 8]).needed == (("a", 7), ("b", 7), ("a", 8), ("b", 8))


def test_near_ties_are_both_kept_and_the_seeds_that_would_do_are_named() -> None:
    decision = decide(scores([0.92, 0.919, 0.85], seed=6), futility=0)
    assert set(decision.kept) == {"a", "b"}
    assert (decision.best, decision.why, decision.seeds) == (None, "max_seeds", 20)
    assert decision.enough_seeds is None or decision.enough_seeds > 20
    assert " may be the best of 3 settings at 95 %" in race_in_words(decision)


def test_hopeless_race_ends_before_its_budget() -> None:
    table = scores([0.92, 0.92, 0.85], seed=7)
    patient, hasty = decide(table, futility=0), decide(table, futility=0.2)
    assert (patient.why, hasty.why) == ("max_seeds", "futility")
    assert hasty.jobs < patient.jobs
    assert "would probably separate no more" in race_in_words(hasty)


def test_differences_within_the_tolerance_end_the_race() -> None:
    table = scores([0.92, 0.92, 0.8], seed=8, deviation=0.002)
    decision = decide(table, tolerance=0.01, futility=0)
    assert decision.why == "tolerance"
    assert decision.best == decision.kept[0]
    assert decision.jobs < decide(table, futility=0).jobs
    assert "differ by no more than the tolerance" in race_in_words(decision)


def test_number_of_jobs_is_never_exceeded() -> None:
    table = scores([0.92] * 6, seed=9)
    decision, trained = raced(table, max_jobs=31, futility=0)
    assert decision.why == "max_jobs"
    assert trained == decision.jobs == 30


def test_budget_that_is_just_enough_for_a_look_is_spent() -> None:
    table = scores([0.92] * 6, seed=9)
    assert raced(table, max_jobs=30, futility=0)[1] == 30
    assert raced(table, max_jobs=29, futility=0)[1] == 24


def test_looks_beyond_the_largest_number_of_seeds_are_left_out() -> None:
    assert as_looks([50, 4, 1, 4, 9], 6) == (4, 6)


def test_settings_that_lie_further_apart_than_the_tolerance_do_not_end_the_race() -> None:
    decision = decide(scores([0.92, 0.914], seed=8, deviation=0.01), tolerance=0.002, futility=0)
    assert (decision.why, set(decision.kept)) == ("max_seeds", {"a", "b"})


def test_a_race_ends_where_the_chance_of_another_decision_is_below_futility() -> None:
    first = np.array([0.9, 0.91, 0.92, 0.9, 0.93])
    lead = np.array([0.0, 0.02, -0.01, 0.01, 0.005])
    table = {"a": dict(enumerate(first)), "b": dict(enumerate(first - lead))}
    level, error = nominal_levels(2, (5, 10), 0.05)[-1], stats.sem(lead)
    beyond = lead.mean() - stats.t.isf(level, 4) * error * math.sqrt(5 / 10)
    chance = stats.norm.cdf(beyond / (error * math.sqrt(1 - 5 / 10)))  # Spiegelhalter, Freedman and Blackburn (1986)
    for futility, why in ((1.02 * chance, "futility"), (0.98 * chance, "")):
        assert decide(table, looks=[5], max_seeds=10, futility=futility).why == why


def test_setting_that_diverges_is_dropped_unless_all_do() -> None:
    table = scores([0.92, 0.9, 0.95], seed=10)
    table["c"][0] = math.nan
    decision = decide(until(table, 2))
    dropped = {each.name: each for each in decision.dropped}
    assert (dropped["c"].why, dropped["c"].seeds) == ("diverged", 2)
    assert dropped_in_words(dropped["c"]) == "c diverged, others did not: out after 2 seeds."
    everywhere = {name: dict.fromkeys(range(20), -math.inf) for name in "ab"}
    assert decide(everywhere).kept == ("a", "b")


def test_seeds_that_do_not_differ_drop_nobody() -> None:
    table = {"a": dict.fromkeys(range(20), 0.9), "b": dict.fromkeys(range(20), 0.1)}
    assert decide(table).kept == ("a", "b")


@pytest.mark.parametrize(("names", "kept"), [("", ()), ("a", ("a",))])
def test_race_of_one_or_none_is_over(names: str, kept: tuple[str, ...]) -> None:
    decision = decide({name: {} for name in names})
    assert (decision.why, decision.kept, decision.jobs) == ("one left", kept, 0)


def test_rounds_tell_who_was_left() -> None:
    decision = decide(scores([0.92, 0.91, 0.905, 0.85, 0.8], seed=11), futility=0)
    sizes = [len(each.kept) for each in decision.rounds]
    assert sizes == sorted(sizes, reverse=True)
    assert decision.rounds[-1].kept == decision.kept
    assert decision.rounds[-1].seeds == decision.seeds


@pytest.mark.parametrize("settings", [2, 4, 12])
def test_best_is_lost_in_no_more_races_than_allowed_where_all_are_equal(settings: int) -> None:
    """All equal is the worst case. Each setting may be called the best, so each race counts as many times."""
    lost = 0
    races = 120
    for seed in range(races):
        lost += len(decide(scores([0.9] * settings, seed=seed), futility=0).dropped)
    share = lost / races / settings
    error = math.sqrt(0.05 * 0.95 / races)
    assert share <= spent(0.05, 20) + 3 * error


def test_levels_spend_what_may_be_spent_and_do_not_depend_on_later_looks() -> None:
    levels = nominal_levels(6, looks_until(20), 0.05)
    assert levels[0] == pytest.approx(spent(0.05, 2), rel=0.05)
    assert all(0 < level <= spent(0.05, 20) for level in levels)
    assert nominal_levels(6, looks_until(40), 0.05)[: len(levels)] == levels
    assert spent(0.05, 2) < spent(0.05, 20) < spent(0.05, 10**6) < 0.05


@pytest.mark.parametrize("most", [2, 3, 11, 20, 70])
def test_looks_grow_and_end_with_the_budget(most: int) -> None:
    looks = looks_until(most)
    assert looks[-1] == most
    assert list(looks) == sorted({*looks})
