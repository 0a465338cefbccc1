"""What a search makes of its trials: how each ended, in which order they count, when it gives up, what it prints."""

import math
import sys
from functools import partial
from pathlib import Path

import pytest
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from quickdraw.errors import RunError
from quickdraw.run.listing import Run
from quickdraw.search.evolution import badness
from quickdraw.search.pruning import make_pruner
from quickdraw.search.runner import SearchRunner
from quickdraw.search.sampling import Proposer
from quickdraw.search.space import Axis, Params, Proposal, drawn, params_key
from quickdraw.search.study import Study
from quickdraw.search.trials import Trial
from quickdraw.search.view import SearchView
from quickdraw.sweep.job import Job
from tests.support.jobs_here import JobsHere
from tests.test_runner import job

NUMBERS = Axis("a", 0.0, 1.0)
LETTERS = Axis("a", choices=("p", "q", "r", "s", "t"))


def study(folder: Path, axis: Axis, sampler: str = "random", pruner: str = "none", factor: int = 3) -> Study:
    """A study of one setting, which ends no training early unless that is asked for."""
    return Study(folder, Proposer([axis], sampler, 0, 1), make_pruner(pruner, 1, factor, 1), "maximize")


# How a trial ended


def ended(folder: Path, *states: str) -> Trial:
    """A trial of three seeds of which the first jobs ended so."""
    jobs = [Job([], folder / str(seed), {}, print, sweep=folder) for seed in range(3)]
    runs = {}
    for seed, state in enumerate(states):
        result = {"val_accuracy": 0.1 * seed} if state == "completed" else {}
        runs[jobs[seed].folder] = Run(jobs[seed].folder, {"seed": 7 + seed}, state, "", result)
    return Trial(Proposal(0, {}), jobs, 0.0, runs)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("completed", "completed"), None),
        (("completed", "completed", "completed"), "completed"),
        (("completed", "damaged"), "failed"),
        (("interrupted",), "failed"),
        (("diverged", "failed"), "failed"),
        (("completed", "diverged"), "diverged"),
        (("pruned",), "pruned"),
    ],
)
def test_one_job_decides_a_trial_or_all_are_waited_for(
    states: tuple[str, ...], expected: str | None, tmp_path: Path
) -> None:
    assert ended(tmp_path, *states).state() == expected


def test_a_trial_has_the_score_of_each_seed_and_their_mean(tmp_path: Path) -> None:
    trial = ended(tmp_path, "completed", "completed", "completed")
    assert trial.facts("val_accuracy")["scores"] == {"7": 0.0, "8": 0.1, "9": 0.2}
    assert trial.value("val_accuracy") == pytest.approx(0.1)


# What is proposed


def test_each_trial_has_a_seed_of_its_own(tmp_path: Path) -> None:
    whole = study(tmp_path, NUMBERS)
    tried = []
    for _ in range(30):
        proposal = whole.ask()
        tried.append(params_key(proposal.params))
        whole.tell(proposal.number, {"state": "completed"}, 0.5)
    assert len(set(tried)) == 30


def test_settings_that_are_given_out_again_are_given_out_once(tmp_path: Path) -> None:
    again = study(tmp_path, NUMBERS)
    assert again.ask({"a": 0.5}).params == {"a": 0.5}
    assert again.ask().params != {"a": 0.5}


def test_settings_are_drawn_by_their_seed() -> None:
    assert drawn([NUMBERS], 3, seed=1) == drawn([NUMBERS], 5, seed=1)[:3]
    assert drawn([NUMBERS], 3, seed=1) != drawn([NUMBERS], 3, seed=2)


def test_rounding_leads_to_no_value_outside_and_loses_no_step() -> None:
    edges = Axis("lr", 1.23456e-5, 0.987654, log=True)
    assert edges.holds(edges.at(0.0))
    assert edges.holds(edges.at(1.0))
    assert Axis("rate", 0.1, 0.7, step=0.1).values() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


# In which order trials count


def trial(value: float | None, epochs: int = 0) -> FrozenTrial:
    """A complete trial, or one that was pruned after some epochs."""
    if epochs:
        reported = dict.fromkeys(range(1, epochs + 1), 0.5)
        return create_trial(state=TrialState.PRUNED, intermediate_values=reported)
    return create_trial(state=TrialState.COMPLETE, value=value)


@pytest.mark.parametrize("direction", [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE])
def test_complete_trials_come_first_then_the_longest_pruned(direction: StudyDirection) -> None:
    low, high, short, long = trial(0.1), trial(0.9), trial(None, 1), trial(None, 9)
    first, second = (high, low) if direction == StudyDirection.MAXIMIZE else (low, high)
    ranked = sorted([short, low, long, high], key=lambda each: badness(each, direction))
    assert ranked == [first, second, long, short]


def test_evolution_learns_from_pruned_trials_too(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    asked = []
    for folder, state in ((tmp_path, "pruned"), (tmp_path / "other", "failed")):
        evolved = study(folder, NUMBERS, "cmaes")
        for _ in range(8):
            proposal = evolved.ask()
            evolved.report(proposal.number, [0.5] * (1 + int(proposal.params["a"] < 0.5)))
            evolved.tell(proposal.number, {"state": state})
        asked.append(evolved.ask().params)
    assert asked[0] != asked[1]


def test_a_training_is_not_judged_again_where_it_was_let_past(tmp_path: Path) -> None:
    halving = study(tmp_path, NUMBERS, pruner="asha")
    first, better = halving.ask().number, halving.ask().number
    for number, scores in ((first, [0.3]), (better, [0.9]), (first, [0.3, 0.3])):
        halving.report(number, scores)
        assert not halving.should_prune(number)
    halving.report(first, [0.3, 0.3, 0.3])
    halving.report(better, [0.9, 0.9, 0.9])
    assert halving.should_prune(first)


# What is noted


def test_a_score_that_is_no_number_is_not_reported(tmp_path: Path) -> None:
    noted = study(tmp_path, NUMBERS)
    number = noted.ask().number
    noted.report(number, [math.nan, 0.5, math.inf])
    assert noted.trials()[0].intermediate_values == {2: 0.5}


def test_the_first_and_the_last_completed_trial_are_compared_with_what_there_is_now(tmp_path: Path) -> None:
    compared = study(tmp_path, NUMBERS)
    for value in (0.1, 0.2, 0.3):
        compared.tell(compared.ask({"a": value}).number, {"state": "completed"}, value)
        assert compared.completed() == ([{"a": 0.1}, {"a": value}] if value > 0.1 else [{"a": 0.1}])


# When it gives up, and what it prints


def runner_of(folder: Path, scores: dict[str, float], n_trials: int) -> SearchRunner:
    """A search over letters, each with a score; one below 0 fails."""
    axis = Axis("a", choices=tuple(scores))

    def jobs_of(number: int, params: Params) -> list[Job]:
        return [job(folder, scores[params["a"]])]

    return SearchRunner(JobsHere(folder, 1), study(folder, axis), "val_accuracy", n_trials, jobs_of, draw=False)


def test_failures_after_a_trial_that_was_finished_end_no_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = runner_of(tmp_path, {"p": 0.5, "q": -1, "r": -2, "s": -3, "t": 0.25}, 5)
    runner.study.ask({"a": "p"})  # left by a search that was killed: it comes first
    with pytest.raises(RunError, match=r"^3 of 5 trials failed \(the first: no score\); the same command"):
        runner.run(fail_fast=False)
    assert runner.done == 2


def test_a_search_that_is_finished_is_printed_whatever_became_of_the_drawings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner_of(tmp_path, {"p": 0.5, "q": 0.25}, 2).run(fail_fast=False)
    capsys.readouterr()
    again = runner_of(tmp_path, {"p": 0.5, "q": 0.25}, 2)
    monkeypatch.setattr(again, "check_same", partial(pytest.fail, "looked at"))
    again.run(fail_fast=False)
    assert "2 of 2 trials" in capsys.readouterr().out


def test_the_command_that_repeats_the_best_names_run_py_as_it_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/some where/run.py"])
    runner_of(tmp_path, {"p": 0.5, "q": 0.25}, 2).run(fail_fast=False)
    assert "may be luck: python '/some where/run.py' -m seed=0,1,2,3,4 score=0.5\n" in capsys.readouterr().out


def test_a_training_that_has_all_its_epochs_is_kept_however_it_ranks(tmp_path: Path) -> None:
    runner = runner_of(tmp_path, {"p": 0.5, "q": 0.25}, 2)
    runner.study = study(tmp_path, runner.study.proposer.axes[0], pruner="asha", factor=2)  # judges epochs 1, 2 and 4
    late = runner.study.ask({"a": "q"}).number
    runner.study.report(late, [0.1, 0.1, 0.1, 0.9])
    runner.study.tell(late, {"state": "completed"}, 0.9)
    runner.done = 1
    runner.run(fail_fast=False)
    assert [trial.user_attrs["state"] for trial in runner.study.trials()] == ["completed", "completed"]


@pytest.mark.parametrize(("maximise", "best"), [(True, 0.9), (False, 0.1)])
def test_a_line_says_which_trial_is_the_best_so_far(
    maximise: bool, best: float, capsys: pytest.CaptureFixture[str]
) -> None:
    view = SearchView(9, 0, 1, "val_loss", maximise, None)
    for value in (0.5, 0.9, 0.1, 0.2):
        view.trial(f"a={value}", "completed", value, "", 1.0)
    view.trial("a=x", "failed", None, "failed: no room", 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("the best so far") for line in lines] == [True, maximise, not maximise, False, False]
    assert view.best == best
    assert (view.done, view.failed) == (4, 1)
