"""The promises of an adaptive search, by `run.py -m hydra/sweeper=optuna` itself."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from hydra_plugins.quickdraw_cli.command_line import with_sweep_name
from tests.support.program import NET, ROOT, Outcome, call
from tests.support.sweeps import alive, job_folders, kill, running, start, states, status, summary, sweep, times, until

SEARCH = (*NET, "hydra/sweeper=optuna", "hydra.sweeper.startup_trials=3")
SPACE = ("optimizer.lr=tag(log,interval(1e-4,1e-1))", "dropout_rate=interval(0.0,0.6)")
ONE = ("hydra.launcher.n_jobs=1",)


def trials(folder: Path) -> list[FrozenTrial]:
    """Return the trials of the only search in a folder, as Optuna reads them."""
    (path,) = folder.glob("outputs/multirun/*/study.journal")
    return optuna.load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(path)))).trials


def facts(trial: FrozenTrial) -> dict[str, Any]:
    """Return what must not depend on when a search was stopped."""
    attributes = {key: value for key, value in trial.user_attrs.items() if key != "seconds"}
    return {"params": trial.params, "values": trial.values, "curve": trial.intermediate_values, **attributes}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Outcome:
    """A search of six trials of four epochs, one after the other."""
    folder = tmp_path_factory.mktemp("undisturbed")
    outcome = sweep(folder, drawings, *SEARCH, *SPACE, *ONE, "trainer.epochs=4", "hydra.sweeper.n_trials=6")
    assert outcome.code == 0, outcome.err
    return outcome


def test_search_prunes_keeps_the_curves_and_tells_what_it_found(undisturbed: Outcome) -> None:
    tried = trials(undisturbed.folder)
    assert [trial.number for trial in tried] == list(range(6))
    assert {trial.state.name for trial in tried} == {"COMPLETE", "PRUNED"}
    for trial in tried:
        (job,) = [job for job in job_folders(undisturbed.folder) if job.name == trial.user_attrs["jobs"][0]]
        rows = (job / "metrics.csv").read_text().splitlines()[1:]
        assert len(rows) == len(trial.intermediate_values) == trial.user_attrs["epochs"]
        assert (job / "tensorboard").is_dir()
        assert list((job / "checkpoint").iterdir())
        config = status(job)["config"]
        assert (config["optimizer"]["lr"], config["dropout_rate"]) == tuple(trial.params.values())
        if trial.state.name == "PRUNED":
            assert status(job)["state"] == "pruned"
            assert status(job)["reason"].startswith("val_accuracy 0.")
            assert not (job / "result.json").exists()
        else:
            assert trial.value == json.loads((job / "result.json").read_bytes())["val_accuracy"]
    assert sorted(row["state"] for row in summary(undisturbed.folder)) == sorted(
        {"COMPLETE": "completed", "PRUNED": "pruned"}[trial.state.name] for trial in tried
    )
    for told in (
        "[6/6]",
        "the best so far",
        "pruned: val_accuracy",
        "importance (fANOVA)",
        "optuna-dashboard outputs/",
    ):
        assert told in undisturbed.out


def test_same_command_adds_nothing_and_more_trials_go_on(tmp_path: Path, drawings: Path) -> None:
    command = (*SEARCH, *SPACE, "trainer.epochs=1", "hydra.sweeper.sampler=random")
    assert sweep(tmp_path, drawings, *command, "hydra.sweeper.n_trials=2").code == 0
    before, jobs = times(job_folders(tmp_path)), job_folders(tmp_path)
    again = sweep(tmp_path, drawings, *command, "hydra.sweeper.n_trials=2")
    assert again.code == 0, again.err
    assert "2 of 2 trials in outputs/multirun/lr_dropout_rate-" in again.out
    assert times(jobs) == before
    dry = sweep(tmp_path, drawings, *command, "hydra.sweeper.n_trials=5", "hydra.launcher.dry_run=true")
    assert "are finished: 3 to run" in dry.out
    more = sweep(tmp_path, drawings, *command, "hydra.sweeper.n_trials=3")
    assert more.code == 0, more.err
    assert times(jobs) == before
    assert len(trials(tmp_path)) == len(job_folders(tmp_path)) == 3


def test_killed_search_goes_on_as_if_it_had_not_been(tmp_path: Path, drawings: Path, undisturbed: Outcome) -> None:
    command = (*SEARCH, *SPACE, *ONE, "trainer.epochs=4", "hydra.sweeper.n_trials=6", "trainer.checkpoint_every_s=0.02")
    for trial in 1, 3:
        program = start(tmp_path, drawings, *command)
        until(lambda number=trial: begun(tmp_path, number), f"trial {trial} trains", program)
        program.kill()
        assert program.wait().code == -signal.SIGKILL
        assert trials(tmp_path)[-1].state.name == "RUNNING"
    outcome = sweep(tmp_path, drawings, *command)
    assert outcome.code == 0, outcome.err
    assert "1 lost on their way" in outcome.out
    assert [facts(trial) for trial in trials(tmp_path)] == [facts(trial) for trial in trials(undisturbed.folder)]


def begun(folder: Path, number: int) -> bool:
    """Return whether a trial's job trains."""
    return len(job_folders(folder)) > number and bool(running(folder))


def test_ctrl_c_lets_jobs_save_and_no_trial_stays_running(tmp_path: Path, drawings: Path) -> None:
    command = (*SEARCH, *SPACE, "trainer.epochs=100", "hydra.sweeper.n_trials=2", "hydra.sweeper.pruner=none")
    program = start(tmp_path, drawings, *command)
    pids = until(lambda: p if len(p := running(tmp_path)) == 2 else [], "two jobs at once", program)
    program.send(signal.SIGINT)
    stopped = program.wait()
    assert stopped.code == 130
    assert "0 of 2 trials are finished. The same command continues." in stopped.out
    assert not any(map(alive, pids))
    assert set(states(tmp_path).values()) == {"interrupted"}
    outcome = sweep(tmp_path, drawings, *command)
    assert outcome.code == 0, outcome.err
    assert [trial.state.name for trial in trials(tmp_path)] == ["COMPLETE"] * 2
    assert all(len(trial.intermediate_values) == 100 for trial in trials(tmp_path))


def test_small_space_is_tried_once_whole_and_a_failed_trial_runs_again(tmp_path: Path, drawings: Path) -> None:
    space = (
        "optimizer.lr=choice(0.001,1e30)",
        "data.batch_size=32,64",
        "trainer.epochs=30",
        "hydra.sweeper.pruner=none",
    )
    program = start(tmp_path, drawings, *SEARCH, *space, "hydra.sweeper.n_trials=9")
    kill(tmp_path, "*batch_size-32_lr-0.001*", signal.SIGKILL, program)
    first = program.wait()
    assert first.code == 1
    assert "error: 1 of 9 trials failed (the first: killed by SIGKILL (out of memory?)); the same command" in first.err
    assert sorted(trial.state.name for trial in trials(tmp_path)) == ["COMPLETE"] * 3 + ["FAIL"]
    second = sweep(tmp_path, drawings, *SEARCH, *space, "hydra.sweeper.n_trials=9")
    assert second.code == 0, second.err
    assert "all 4 settings of the space were tried" in second.out
    assert sorted(states(tmp_path).values()) == ["completed"] * 2 + ["diverged"] * 2
    values = [trial.value for trial in trials(tmp_path) if trial.state.name == "COMPLETE"]
    assert values.count(float("-inf")) == 2


def test_search_in_which_nothing_works_gives_up(tmp_path: Path) -> None:
    outcome = sweep(tmp_path, tmp_path / "none", *SEARCH, *SPACE, *ONE, "hydra.sweeper.n_trials=50")
    assert outcome.code == 1
    assert "3 of 50 trials failed, and the search gave up (the first: " in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_score_is_the_mean_over_the_seeds(tmp_path: Path, drawings: Path) -> None:
    seeds = ("hydra.sweeper.seeds=2", "seed=5", "hydra.sweeper.metric=val_loss", "trainer.epochs=2", *ONE)
    outcome = sweep(tmp_path, drawings, *SEARCH, *SPACE, *seeds, "hydra.sweeper.n_trials=3")
    assert outcome.code == 0, outcome.err
    tried = trials(tmp_path)
    for trial in tried:
        if trial.state.name == "COMPLETE":
            jobs = [job for job in job_folders(tmp_path) if job.name in trial.user_attrs["jobs"]]
            scores = [json.loads((job / "result.json").read_bytes())["val_loss"] for job in jobs]
            assert trial.value == pytest.approx(sum(scores) / 2)
            assert sorted(trial.user_attrs["scores"].values()) == sorted(scores)
            assert list(trial.user_attrs["scores"]) == ["5", "6"]
    pruned = sum(trial.state.name == "PRUNED" for trial in tried)
    assert len(job_folders(tmp_path)) == 2 * (3 - pruned) + pruned
    best = min(trial.value for trial in tried if trial.state.name == "COMPLETE")  # type: ignore[type-var]
    assert f"{best:.4f}" in next(line for line in outcome.out.splitlines() if line.startswith("   1 "))


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("optimizer.lr=tag(log,interval(0,1))", "optimizer.lr: a logarithmic interval begins above 0"),
        ("dropout_rate=interval(0.0,1.5)", "dropout_rate: expected a number in [0, 1), got 1.5 (in optimizer"),
        ("optimizer.lrr=interval(0,1)", "there is no key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        ("hydra/launcher=basic", "hydra/sweeper=optuna runs its jobs by hydra/launcher=local, slurm or ray, got Basic"),
        ("hydra.sweeper.sampler=tpr", "hydra.sweeper.sampler: expected one of tpe, random, qmc, cmaes, gp, got 'tpr'"),
        ("hydra.sweeper.metric=test_accuracy", "hydra.sweeper.metric: expected one of val_accuracy"),
        ("hydra.sweeper.n_trials=0", "hydra.sweeper.n_trials: expected a whole number from 1 up, got 0"),
    ],
)
def test_mistake_is_told_before_the_first_job(tmp_path: Path, drawings: Path, bad: str, told: str) -> None:
    outcome = sweep(tmp_path, drawings, *SEARCH, "optimizer.weight_decay=interval(0.0,0.1)", bad)
    assert outcome.code == 1
    assert told in outcome.err
    assert len(outcome.err.splitlines()) <= 2
    assert job_folders(tmp_path) == []


def test_another_space_is_another_search_and_more_trials_are_not(tmp_path: Path) -> None:
    def name(*typed: str) -> str:
        return next(
            each for each in with_sweep_name(["-m", "hydra/sweeper=optuna", *typed]) if each.startswith("exp_name=")
        )

    assert name("a=interval(0,1)", "hydra.sweeper.n_trials=5") == name("a=interval(0,1)", "hydra.sweeper.n_trials=9")
    assert name("a=interval(0,1)") != name("a=interval(0,2)")
    assert name("a=interval(0,1)") != name("a=interval(0,1)", "hydra.sweeper.sampler=random")


def test_help_does_not_pay_for_optuna() -> None:
    code = (
        "import sys; sys.argv = ['run.py', '--help']; import run; from hydra_plugins.quickdraw_cli import command_line;"
        "command_line.call(run.main); sys.exit('optuna' in sys.modules or 'pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_pruned_training_can_be_taken_to_its_end(tmp_path: Path, undisturbed: Outcome) -> None:
    shutil.copytree(undisturbed.folder / "outputs", tmp_path / "outputs")
    job = next(job for job in job_folders(tmp_path) if status(job)["state"] == "pruned")
    outcome = call(tmp_path, f"resume={job}")
    assert outcome.code == 0, outcome.err
    assert "continuing after step" in outcome.out
    assert status(job)["state"] == "completed"
    assert len((job / "metrics.csv").read_text().splitlines()) == 5


def test_preset_may_be_a_search(tmp_path: Path, drawings: Path) -> None:
    space = "hydra.sweeper.params={optimizer.lr:'tag(log,interval(1e-4,1e-1))'}"
    outcome = sweep(tmp_path, drawings, *SEARCH, space, "hydra.sweeper.n_trials=3", "hydra.launcher.dry_run=true")
    assert outcome.code == 0, outcome.err
    assert "3 trials of 1 job in outputs/multirun/sweep-" in outcome.out
    assert "optimizer.lr in log interval(0.0001, 0.1)" in outcome.out
    assert not (tmp_path / "outputs").exists()
