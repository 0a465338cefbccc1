"""A race ends with the same decisions however it is run: in any order, on any number of slots, killed and continued."""

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quickdraw.analysis import frames
from quickdraw.analysis.commands import show_sweep
from quickdraw.analysis.figures.race import race_figure
from quickdraw.analysis.page import write_report
from quickdraw.analysis.race import FRESH, RULES, Race, read_race
from quickdraw.analysis.sweep import read_sweep
from quickdraw.analysis.terminal import plain
from quickdraw.errors import RunError
from quickdraw.race.runner import RaceRunner
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run
from quickdraw.statistics.race import Decision
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import Jobs, Judge, let_go_on

Score = Callable[[str, int], float]
MEANS = {"lr=1": 0.9, "lr=2": 0.893, "lr=3": 0.89, "lr=4": 0.88, "lr=5": 0.85}


class KilledError(BaseException):
    """The moment at which a command is killed."""


class JobsInAnyOrder(Jobs):
    """Jobs that take no time, a few at once, and end in any order. After `lives` ends the command is killed."""

    def __init__(self, folder: Path, size: int, seed: int, lives: float = float("inf")) -> None:
        super().__init__(folder, size)
        self.size, self.lives = size, lives
        self.random = random.Random(seed)
        self.started: list[str] = []
        self.check = lambda jobs: None  # type: ignore[method-assign]  # these settings are nobody's

    def fitting(self, jobs: Sequence[Job], on_gpus: int) -> int:
        return self.size

    def has_room(self) -> bool:
        return len(self.running) < self.size

    def submit(self, job: Job) -> None:
        assert self.has_room()
        self.running[job.folder] = job
        self.started.append(job.folder.name)

    def next(self, timeout_s: float | None = None, judge: Judge = let_go_on) -> Run | None:
        if self.lives == 0:
            raise KilledError
        self.lives -= 1
        job = self.running.pop(self.random.choice(list(self.running)))
        job.task()
        return job.on_disk()

    def stop(self, number: int) -> None:
        self.stopping = True

    def wind_up(self) -> None:
        self.running.clear()


def score(name: str, seed: int) -> float:
    """A setting's mean, what its seed does to all, and luck of its own."""
    luck = np.random.default_rng([seed, 2, int(name[-1])])
    return MEANS[name] + 0.01 * (seed % 3) + 0.01 * float(luck.standard_normal())


def finish(folder: Path, config: dict[str, Any], value: float) -> None:
    """Do what a run does: begin, and leave a result; diverge for a nan, fail below 0."""
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    run.begin(config, [])
    if value < 0:
        run.update(state="failed", reason="no room")
    elif math.isnan(value):
        run.update(state="diverged", reason="the loss became nan")
    else:
        run.complete({"val_accuracy": value, "val_loss": 1 - value, "test_accuracy": value - 0.01, "total_s": 1.0})


def runner_in(
    folder: Path, jobs: JobsInAnyOrder, score: Score = score, monitor: str = "val_accuracy", **keys: Any
) -> RaceRunner:
    rules = {
        "max_seeds": 20,
        "max_jobs": None,
        "tolerance": 0.0,
        "futility": 0.1,
        "looks": None,
        "confirm": 3,
        "vary": ["seed"],
    } | keys
    assert rules.keys() == RULES.keys()

    def compose(name: str, seed: int) -> Job:
        place = folder / f"{name}_{seed}"
        config = {"seed": seed, "optimizer": {"lr": int(name[-1])}, "trainer": {"monitor": monitor}}
        return Job([f"{name} {seed}"], place, config, lambda: finish(place, config, score(name, seed)))

    return RaceRunner(jobs, Race(rules, 0, {name: {} for name in MEANS}), compose, draw=False)


def raced(folder: Path, size: int = 3, seed: int = 0, score: Score = score, **keys: Any) -> tuple[Decision, list[str]]:
    """A race's end, and the jobs that it started."""
    folder.mkdir(exist_ok=True)
    jobs = JobsInAnyOrder(folder, size, seed)
    runner = runner_in(folder, jobs, score, **keys)
    runner.run(fail_fast=False)
    return runner.decision, jobs.started


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Decision, list[str]]:
    return raced(tmp_path_factory.mktemp("race"), size=1)


def test_race_trains_what_its_looks_ask_for_and_confirms_the_first(undisturbed: tuple[Decision, list[str]]) -> None:
    decision, started = undisturbed
    assert decision.finished
    assert decision.kept == ("lr=1", "lr=2")
    assert [(dropped.name, dropped.seeds) for dropped in decision.dropped] == [("lr=5", 2), ("lr=4", 6), ("lr=3", 12)]
    fresh = [name for name in started if int(name.split("_")[1]) >= FRESH]
    assert fresh == started[-3:] == [f"lr=1_{FRESH + place}" for place in range(3)]
    assert len(started) == len({*started}) == decision.jobs + 3 < 5 * 20


@pytest.mark.parametrize(("size", "seed"), [(2, 1), (5, 2), (100, 3)])
def test_order_of_ends_and_number_of_slots_change_no_decision(
    tmp_path: Path, undisturbed: tuple[Decision, list[str]], size: int, seed: int
) -> None:
    decision, started = raced(tmp_path / "race", size, seed)
    assert decision == undisturbed[0]
    assert sorted(started) == sorted(undisturbed[1])


@pytest.mark.parametrize("seed", range(4))
def test_killed_race_continues_with_the_same_decisions_and_trains_nothing_twice(
    tmp_path: Path, undisturbed: tuple[Decision, list[str]], seed: int
) -> None:
    started: list[str] = []
    luck = random.Random(seed)
    for _ in range(200):
        jobs = JobsInAnyOrder(tmp_path, 3, seed, lives=luck.randrange(1, 9))
        runner = runner_in(tmp_path, jobs)
        try:
            runner.run(fail_fast=False)
        except KilledError:
            started += [name for name in jobs.started if (tmp_path / name).exists()]
            continue
        started += jobs.started
        break
    assert runner.decision == undisturbed[0]
    assert sorted(started) == sorted(undisturbed[1])


def test_same_command_adds_nothing_and_a_larger_budget_goes_on(tmp_path: Path) -> None:
    small, first = raced(tmp_path / "race", max_seeds=3, futility=0.0)
    assert raced(tmp_path / "race", max_seeds=3, futility=0.0) == (small, [])
    large, second = raced(tmp_path / "race", max_seeds=12, futility=0.0)
    whole, at_once = raced(tmp_path / "whole", max_seeds=12, futility=0.0)
    assert large == whole
    assert sorted({*first, *second}) == sorted({*at_once, *first})
    assert not {*first} & {*second}


def test_jobs_of_an_earlier_grid_are_used(tmp_path: Path, undisturbed: tuple[Decision, list[str]]) -> None:
    for name in MEANS:
        for seed in range(4):
            config = {"seed": seed, "optimizer": {"lr": int(name[-1])}, "trainer": {"monitor": "val_accuracy"}}
            finish(tmp_path / f"{name}_{seed}", config, score(name, seed))
    decision, started = raced(tmp_path)
    assert decision == undisturbed[0]
    assert not [name for name in started if int(name.split("_")[1]) < 4]


@pytest.mark.parametrize("budget", [13, 14, 29, 30, 31])
def test_no_job_starts_beyond_the_budget(tmp_path: Path, budget: int) -> None:
    decision, started = raced(tmp_path / "race", max_jobs=budget, futility=0.0)
    assert len(started) <= budget
    assert len(started) == decision.jobs + 3
    assert decision.why in ("max_jobs", "one left")


def test_a_job_that_a_search_ended_early_is_no_score_of_a_race(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "lr=1_0")
    run.path.mkdir()
    run.begin({"seed": 0, "optimizer": {"lr": 1}, "trainer": {"monitor": "val_accuracy"}}, [])
    run.update(state="pruned", reason="val_accuracy 0.1 after 1 epoch")
    with pytest.raises(RunError, match=r"lr=1_0: pruned by a search; train it to its end: python run\.py resume="):
        runner_in(tmp_path, JobsInAnyOrder(tmp_path, 1, 0))


def test_setting_that_diverges_falls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decision, _ = raced(
        tmp_path / "race", score=lambda name, seed: float("nan") if name == "lr=1" else score(name, seed)
    )
    assert decision.dropped[0].name == "lr=1"
    assert decision.dropped[0].why == "diverged"
    assert "lr=1 diverged, others did not: out after 2 seeds." in capsys.readouterr().out


def test_failed_job_is_no_worse_score_and_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undisturbed: tuple[Decision, list[str]]
) -> None:
    broken = lambda name, seed: -1.0 if (name, seed) == ("lr=1", 1) else score(name, seed)  # noqa: E731
    with pytest.raises(RunError, match=r"^1 of 10 jobs failed, so the race waits .*; the same command runs .* again$"):
        raced(tmp_path / "race", score=broken)
    out = capsys.readouterr().out
    assert "lr=1 seed=1   failed: no room" in out
    assert "5 of 5 settings left after 0 seeds; 1 trainings until the next look." in out
    decision, started = raced(tmp_path / "race")
    assert decision == undisturbed[0]
    assert "lr=1_1" in started
    assert "lr=1_0" not in started


def test_one_failure_is_enough_where_that_is_asked(tmp_path: Path) -> None:
    runner = runner_in(tmp_path, JobsInAnyOrder(tmp_path, 1, 0), lambda name, seed: -1.0)
    with pytest.raises(RunError, match="1 of 10 jobs failed, and fail_fast stopped the rest"):
        runner.run(fail_fast=True)


def test_race_says_what_it_found_and_is_the_same_when_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decision, _ = raced(tmp_path / "race")
    out = capsys.readouterr().out
    assert (
        f"5 settings in {tmp_path / 'race'}: 0 jobs finished, 10 to run until the next look, at most 103 in all" in out
    )
    assert "lr=5 is worse than lr=2, by 0.0532 (95 %: +0.0107 to +0.0957): out after 2 seeds.\n" in out
    sweep = read_sweep(tmp_path / "race")
    assert sweep.decision == decision
    assert sweep.may_be_best == decision.kept
    assert sweep.verdict() in out
    assert "With 3 fresh seeds, which did not choose it, lr=1 has val_accuracy 0.9" in sweep.verdict()
    assert [setting.name for setting in sweep.settings] == [
        *decision.kept, *(dropped.name for dropped in reversed(decision.dropped))
    ]  # fmt: skip
    assert all(seed < FRESH for setting in sweep.settings for seed in setting.scores)


def test_what_mattered_is_seen_in_the_seeds_that_all_settings_have(tmp_path: Path) -> None:
    decision, _ = raced(tmp_path / "race")
    effect = next(effect for effect in read_sweep(tmp_path / "race").effects if effect.setting == "lr")
    seeds = decision.rounds[0].seeds
    means = {name: np.mean([score(name, seed) for seed in range(seeds)]) for name in MEANS}
    assert effect.difference == pytest.approx(max(means.values()) - min(means.values()))


@pytest.mark.parametrize(
    "change",
    [
        lambda race: race.pop("keys"),
        lambda race: race["keys"].pop("looks"),
        lambda race: race["keys"].update(max_seeds="20"),
        lambda race: race["keys"].update(looks=[[2]]),
        lambda race: race.update(first_seed=-1),
        lambda race: race.update(jobs=[]),
        lambda race: race["jobs"].update(other=3),
        lambda race: race["jobs"]["lr=1"].update({"x": "a"}),
        lambda race: race["jobs"]["lr=1"].update({"0": "../a"}),
        lambda race: race["jobs"]["lr=1"].update({"0": "/a"}),
        lambda race: race["jobs"]["lr=1"].update({"0": {}}),
    ],
)
def test_file_that_makes_no_sense_is_no_race(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    raced(tmp_path / "race", max_seeds=2, confirm=0)
    path = tmp_path / "race" / "race.json"
    assert read_race(tmp_path / "race")
    race = json.loads(path.read_bytes())
    change(race)
    path.write_text(json.dumps(race))
    assert read_race(tmp_path / "race") is None
    assert read_sweep(tmp_path / "race").verdict()


def test_page_frames_and_json_show_the_race(tmp_path: Path) -> None:
    decision, _ = raced(tmp_path / "race")
    page = write_report(tmp_path / "race").read_text()
    assert "<h2>The race</h2>" in page
    assert 'alt="the score of each setting from look to look"' in page
    sweep = read_sweep(tmp_path / "race")
    assert list(frames.race_frame(sweep)["name"]) == [dropped.name for dropped in decision.dropped]
    data = plain(show_sweep(str(tmp_path / "race")).data)
    assert data["race"]["kept"] == list(decision.kept)
    assert data["race"]["rounds"][-1]["seeds"] == decision.seeds
    assert data["race"]["confirmation"]["seeds"] == 3
    assert {row["setting"] for row in data["ranking"] if row["may_be_best"]} == {*decision.kept}
    lines = race_figure(sweep).axes[0].lines  # type: ignore[union-attr]
    ends = {max(line.get_xdata()) for line in lines if len(line.get_xdata())}
    assert ends == {dropped.seeds for dropped in decision.dropped} | {decision.seeds}


def test_race_that_has_no_look_yet_has_a_page(tmp_path: Path) -> None:
    runner = runner_in(tmp_path, JobsInAnyOrder(tmp_path, 1, 0, lives=3))
    with pytest.raises(KilledError):
        runner.run(fail_fast=False)
    assert "5 of 5 settings left after 0 seeds; 7 trainings until the next look." in write_report(tmp_path).read_text()
    assert show_sweep(str(tmp_path)).data["race"]["confirmation"] is None


def test_loss_is_raced_and_shown_as_it_was_measured(tmp_path: Path) -> None:
    decision, _ = raced(tmp_path / "race", monitor="val_loss")
    sweep = read_sweep(tmp_path / "race")
    assert decision.kept[0] == "lr=1"
    fresh = sweep.confirmation
    assert fresh
    assert 0 < fresh.low < fresh.mean < fresh.high < 0.2
    assert sweep.measured(sweep.settings[0].mean) == pytest.approx(0.1, abs=0.03)
