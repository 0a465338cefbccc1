"""The promises of a sweep, by `run.py -m` itself: checked first, isolated, resumable, never an orphan."""

import os
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from hydra_plugins.quickdraw_cli.command_line import with_sweep_name
from quickdraw.run.listing import write_summary
from tests.conftest import SMALL
from tests.support import faults
from tests.support.program import NET, ROOT, Outcome, call
from tests.support.sweeps import (
    alive,
    job_folders,
    kill,
    running,
    start,
    states,
    status,
    summary,
    sweep,
    times,
    two_jobs,
    until,
    weights,
)

LONG = (*NET, "trainer.epochs=60", "trainer.checkpoint_every_s=0.02", "optimizer.lr=0.001,0.002,0.003")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Outcome:
    """The sweep over LONG that nobody disturbed."""
    outcome = sweep(tmp_path_factory.mktemp("undisturbed"), drawings, *LONG)
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("dropout_rate=0.3,1.5", "dropout_rate: expected a number in [0, 1), got 1.5 (in seed=0 dropout_rate=1.5)"),
        ("optimizer.lrr=1,2", "there is no key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        (
            "+optimizer.lrr=1,2",
            "optimizer.lrr: AdamW has no such argument; did you mean 'lr'? (in seed=0 +optimizer.lrr=1)",
        ),
        ("optimizer=adamw,adam", "optimizer=adam: expected one of adamw, sgd; did you mean 'adamw'?"),
        ("hydra.launcher.n_jobs=0", "n_jobs: expected auto or a whole number from 1 up, got 0"),
    ],
)
def test_mistake_in_the_last_job_costs_nothing(tmp_path: Path, drawings: Path, bad: str, told: str) -> None:
    outcome = sweep(tmp_path, drawings, "seed=0,1", bad)
    assert outcome.code == 1
    assert told in outcome.err
    assert len(outcome.err.splitlines()) <= 2
    assert job_folders(tmp_path) == []


def test_basic_and_local_launcher_give_the_same_bits(tmp_path: Path, drawings: Path) -> None:
    (tmp_path / "basic").mkdir()
    (tmp_path / "local").mkdir()
    basic = sweep(tmp_path / "basic", drawings, "hydra/launcher=basic", "hydra/sweeper=basic", *NET, "seed=0,1")
    local = sweep(tmp_path / "local", drawings, *NET, "seed=0,1")
    assert (basic.code, local.code) == (0, 0), basic.err + local.err
    assert len(set(weights(tmp_path / "local").values())) == 2
    assert weights(tmp_path / "basic") == weights(tmp_path / "local")


def test_a_job_that_dies_touches_no_other_and_alone_runs_again(tmp_path: Path, drawings: Path) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(drawings, bad)
    (bad / "moon.npy").rename(tmp_path / "moon.npy")
    arguments = (f"{drawings},{bad}", *NET, "optimizer.lr=0.002,1e30", "seed=0,1", "trainer.epochs=15")
    program = start(tmp_path, *arguments)
    kill(tmp_path, "*drawings*lr-0.002_seed-1-*", signal.SIGKILL, program)
    first = program.wait()

    assert first.code == 1
    assert first.err == "error: 5 of 8 jobs failed; the same command runs them again, and only them\n"
    failures = first.out[first.out.index("\nnot completed ") :].splitlines()[2:9]
    assert sum("diverged: the training loss became" in line for line in failures) == 2
    assert sum("1 of 3 class files are missing" in line for line in failures) == 4
    (killed,) = [line for line in failures if "killed by SIGKILL (out of memory?)" in line]
    assert re.match(r"lr=0.002 root=\S+drawings0 seed=1 ", killed)
    assert all(Path(tmp_path, re.search(r"outputs/\S+", line)[0]).is_file() for line in failures)
    table = first.out[first.out.index("\nlr ") :].split("\n\n")[0].splitlines()
    assert [line.split()[3] for line in table[2:]] == ["completed", "diverged", "diverged", *["failed"] * 5]

    finished = [job for job in job_folders(tmp_path) if status(job)["state"] in ("completed", "diverged")]
    before = times(finished)
    (tmp_path / "moon.npy").rename(bad / "moon.npy")
    second = sweep(tmp_path, *arguments)
    assert second.code == 0, second.err
    assert re.search("^8 jobs in .*: 5 to run$", second.out, re.MULTILINE)
    assert times(finished) == before
    assert sorted(row["state"] for row in summary(tmp_path)) == ["completed"] * 4 + ["diverged"] * 4
    assert len(job_folders(tmp_path)) == 8


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path, drawings: Path) -> None:
    arguments = (f"{tmp_path}/none,{drawings}", "seed=0,1", "hydra.launcher.fail_fast=true", "hydra.launcher.n_jobs=1")
    for _ in "first", "again":  # the failure of last time is no reason to stop now
        outcome = sweep(tmp_path, *arguments)
        assert outcome.code == 1
        assert "1 of 4 jobs failed, and fail_fast stopped the rest" in outcome.err
        assert list(states(tmp_path).values()) == ["failed"]


def test_dry_run_tells_what_there_is_to_do_and_leaves_nothing(tmp_path: Path, drawings: Path) -> None:
    dry = (*NET, "seed=0,1,1", "dropout_rate=0.3", "hydra.launcher.dry_run=true")
    outcome = sweep(tmp_path, drawings, *dry)
    assert outcome.code == 0, outcome.err
    assert re.search(r"^seed=1 +new +seed-1-[0-9a-f]{16}$", outcome.out, re.MULTILINE)
    assert ": 2 to run; time left: unknown" in outcome.out
    assert list(tmp_path.iterdir()) == []
    assert sweep(tmp_path, drawings, *NET, "seed=0", "dropout_rate=0.3", "exp_name=s").code == 0
    outcome = sweep(tmp_path, drawings, *dry, "exp_name=s")
    assert re.search(r"^seed=0 +completed ", outcome.out, re.MULTILINE)
    assert re.search(r": 1 to run; time left: about \d+ s", outcome.out)
    assert len(job_folders(tmp_path)) == 1


def test_parent_killed_leaves_no_orphan_and_the_same_command_loses_nothing(
    tmp_path: Path, drawings: Path, undisturbed: Outcome
) -> None:
    program = start(tmp_path, drawings, *LONG)
    pids = two_jobs(tmp_path, program)
    program.kill()
    assert program.wait().code == -signal.SIGKILL
    second = start(tmp_path, drawings, *LONG)  # at once, while they may still be saving
    until(lambda: not any(map(alive, pids)), "orphans")
    outcome = second.wait()
    assert outcome.code == 0, outcome.err
    assert ": 3 to run" in outcome.out
    assert weights(tmp_path) == weights(undisturbed.folder)
    assert sum("continuing after step" in (job / "run.log").read_text() for job in job_folders(tmp_path)) >= 1


def test_summary_is_right_after_the_parent_was_killed_and_can_be_made_again(tmp_path: Path, drawings: Path) -> None:
    program = start(tmp_path, drawings, *LONG)
    until(lambda: any(job.joinpath("result.json").exists() for job in job_folders(tmp_path)), "a first result", program)
    until(lambda: len(rows := summary(tmp_path)) == 3 and rows[2]["state"] == "running", "the third job", program)
    program.kill()
    program.wait()
    until(lambda: not running(tmp_path), "the end of the last job")
    (path,) = tmp_path.glob("outputs/multirun/*/summary.csv")
    until(lambda: "running" not in path.read_text(), "the last rows")
    rows = summary(tmp_path)
    assert [row["state"] for row in rows] == [status(job)["state"] for job in job_folders(tmp_path)]
    assert [row["optimizer.lr"] for row in rows] == ["0.001", "0.002", "0.003"]
    text = path.read_bytes()
    path.unlink()
    write_summary(path.parent)
    assert path.read_bytes() == text


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.stress),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.stress),
    ],
)
def test_signal_lets_jobs_save_and_the_same_command_continues(
    tmp_path: Path, drawings: Path, undisturbed: Outcome, number: int, code: int
) -> None:
    program = start(tmp_path, drawings, *LONG)
    pids = two_jobs(tmp_path, program)
    program.send(number)
    first = program.wait()
    assert first.code == code
    assert "stopped; " in first.out
    assert not any(map(alive, pids))
    assert set(states(tmp_path).values()) <= {"interrupted", "completed"}
    second = sweep(tmp_path, drawings, *LONG)
    assert second.code == 0, second.err
    assert weights(tmp_path) == weights(undisturbed.folder)


def test_second_ctrl_c_stops_at_once(tmp_path: Path, drawings: Path) -> None:
    program = start(tmp_path, drawings, *LONG, "trainer.epochs=100000")
    pids = two_jobs(tmp_path, program)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # a job that does not answer
    program.send(signal.SIGINT)
    program.process.join(1.5)
    assert program.process.is_alive()  # it waits for them
    program.send(signal.SIGINT)
    assert program.wait().code == 130
    assert not any(map(alive, pids))


def test_two_sweeps_at_the_same_time_share_the_jobs(tmp_path: Path, drawings: Path, undisturbed: Outcome) -> None:
    programs = [start(tmp_path, drawings, *LONG) for _ in range(2)]
    outcomes = [program.wait() for program in programs]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    assert weights(tmp_path) == weights(undisturbed.folder)
    for job in job_folders(tmp_path):
        assert (job / "run.log").read_text().count("test accuracy") == 1


def test_same_settings_run_once_and_more_values_keep_what_is_there(tmp_path: Path, drawings: Path) -> None:
    first = sweep(tmp_path, drawings, *NET, "optimizer.lr=1e-3,0.001", "seed=0")
    assert first.code == 0, first.err
    before = times(job_folders(tmp_path))
    second = sweep(tmp_path, drawings, *NET, "optimizer.lr=0.0010,2e-3,.002", "seed=0")
    assert second.code == 0, second.err
    assert re.search("^2 jobs in .*: 1 to run$", second.out, re.MULTILINE)
    assert {path: before[path] for path in before} == {path: path.stat().st_mtime_ns for path in before}
    assert len(job_folders(tmp_path)) == 2


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (["-m", "seed=0,1", "optimizer.lr=1e-3"], "seed-6f44"),
        (["optimizer.lr=1e-3", "seed=0,1,2", "--multirun"], "seed-6f44"),
        (["seed=5", "optimizer.lr=1e-3", "-m", "seed=0,1", "hydra.launcher.n_jobs=1"], "seed-6f44"),
        (["-m", "seed=0,1", "optimizer.lr=1e-2"], "seed-e603"),
        (["-m", "optimizer.lr=1e-3"], "sweep-6f44"),
        (["-m", "seed=0,1", "exp_name=mine"], None),
        (["seed=0"], None),
    ],
)
def test_sweep_without_a_name_gets_one_of_its_own(typed: list[str], name: str | None) -> None:
    """Made of the keys that vary and a hash of the rest: more values go into the same sweep."""
    added = [each for each in with_sweep_name(typed) if each.startswith("exp_name=") and each not in typed]
    assert added == ([f"exp_name={name}"] if name else [])


def test_preset_that_names_itself_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "grid.yaml").write_text("# @package _global_\nexp_name: my_grid\n")
    monkeypatch.setattr("hydra_plugins.quickdraw_cli.resolvers.CONF", tmp_path)
    assert not any("exp_name" in each for each in with_sweep_name(["-m", "experiment=grid", "seed=0,1"]))
    assert any("exp_name" in each for each in with_sweep_name(["-m", "experiment=none", "seed=0,1"]))


def test_folder_names_are_short_and_mean_nothing_to_a_shell(tmp_path: Path) -> None:
    nasty = ["'/a b/c'", "'$(rm x)&|;<>*?!#~`='", "'" + "long" * 60 + "'", "-x", "'é\"\\\\'"]
    outcome = sweep(tmp_path, ",".join(nasty), "data.limit_per_class=null,3", "hydra.launcher.dry_run=true")
    assert outcome.code == 0, outcome.err
    folders = [line.split()[-1] for line in outcome.out.splitlines() if " new " in line]
    assert len(set(folders)) == len(nasty) * 2
    assert all(re.fullmatch(r"\w[\w.+-]{1,69}", folder) for folder in folders), folders


def test_works_from_another_folder_and_survives_the_death_of_its_server(tmp_path: Path, drawings: Path) -> None:
    """A true `python run.py`, whose jobs are forked from a server of its own."""
    command = [sys.executable, str(ROOT / "run.py"), "-m", f"data.root={drawings}", *SMALL, "hydra.launcher.n_jobs=2"]
    command += ["hydra.launcher.report=false", *NET, "trainer.epochs=60", "seed=0,1,2"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        two_jobs(tmp_path)
        os.kill(server_of(parent.pid), signal.SIGKILL)
        out, err = parent.communicate()
    assert parent.returncode == 0, err
    assert err == ""
    assert list(states(tmp_path).values()) == ["completed"] * 3
    assert "3 jobs in outputs/multirun/seed-" in out


def server_of(parent: int) -> int:
    """Return the process that forks the jobs of a sweep."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            is_child = f"PPid:\t{parent}\n" in (path.parent / "status").read_text()
            if is_child and b"multiprocessing.forkserver" in path.read_bytes():
                return int(path.parent.name)
        except FileNotFoundError:
            continue
    raise LookupError(f"{parent} has no server")


def test_hparams_show_the_same_columns_in_all_jobs_and_one_row_a_job(tmp_path: Path, drawings: Path) -> None:
    outcome = sweep(tmp_path, drawings, "model=convnet,mlp", "dropout_rate=0.3", "trainer.epochs=1")
    assert outcome.code == 0, outcome.err
    groups, columns = hparams(tmp_path / "outputs")
    assert len(groups) == 2
    assert {"dropout_rate", "model._target_", "model.hidden", "optimizer.lr"} <= columns
    assert all(columns - {"model.hidden"} <= set(group) for group in groups)


def hparams(folder: Path) -> tuple[list[dict[str, object]], set[str]]:
    """Return what TensorBoard's HParams dashboard shows of the runs in a folder: its rows, and its columns."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    backend = backend_context.Context(TBContext(data_provider=provider))
    request = RequestContext()
    metadata = backend.hparams_metadata(request, "")
    experiment = backend.experiment_from_metadata(
        request, "", True, metadata, backend.hparams_from_data_provider(request, "", 1000)
    )
    asked = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=1000, allowed_statuses=[0, 1, 2, 3])
    groups = list_session_groups.Handler(request, backend, "", asked).run()
    return [dict(group.hparams) for group in groups.session_groups], {info.name for info in experiment.hparam_infos}


def test_a_long_tmpdir_ends_no_sweep(tmp_path: Path, drawings: Path) -> None:
    long = tmp_path / ("folder" * 20)
    long.mkdir()
    typed = (f"data.root={drawings}", *SMALL, "-m", "seed=0,1", "hydra.launcher.dry_run=true")
    outcome = call(tmp_path, *typed, setup=partial(faults.temporary_folder, long))
    assert outcome.code == 0, outcome.err
    assert "2 jobs in" in outcome.out


@pytest.mark.parametrize("searched", [False, pytest.param(True, marks=pytest.mark.stress)])
def test_a_reader_that_leaves_stops_no_job(tmp_path: Path, drawings: Path, searched: bool) -> None:
    """As `... | head -1` does, after the first line of a sweep and of a search."""
    command = [sys.executable, str(ROOT / "run.py"), "-m", f"data.root={drawings}", *SMALL, *NET]
    command += ["hydra.launcher.report=false", "dropout_rate=0.1,0.2"]
    if searched:
        command += ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "hydra.sweeper.pruner=none"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=120) == 0
    assert sorted(states(tmp_path).values()) == ["completed", "completed"]
