"""Sweeps on a Slurm and a Ray cluster of this machine: the local launcher's bits, and nothing lost by any death.

`make test-clusters` runs these; they need Debian's slurm-wlm and requirements-cluster.txt, and take minutes.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import clusters
from tests.support.clusters import Command, say
from tests.support.program import ROOT, Outcome
from tests.support.sweeps import alive, job_folders, kill, running, status, summary, sweep, times, until, weights

pytestmark = [
    pytest.mark.clusters,
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

GRID = ("optimizer.lr=0.002,0.008", "seed=0,1,2,3", "data.limit_per_class=200", "trainer.epochs=2", "threads=1")
SMALL = ("data.classes=[cat,moon,door]", "data.batch_size=32", "threads=1")
LONG = (*SMALL, "trainer.epochs=200", "trainer.checkpoint_every_s=1", "exp_name=long")
SLURM = ("hydra/launcher=slurm", "hydra.launcher.poll_s=1")
RAY = ("hydra/launcher=ray",)


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with clusters.slurm(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture
def slurm(daemons: None) -> Iterator[None]:
    """An empty queue, before and after."""
    yield
    clusters.empty_queue()


@pytest.fixture(autouse=True)
def no_command_left() -> Iterator[None]:
    yield
    Command.end_all()


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with clusters.ray(tmp_path_factory.mktemp("ray")) as address:
        yield f"hydra.launcher.ray.init.address={address}"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> dict[str, str]:
    """The weights of the long runs with seeds 0 to 2 that nobody disturbed, under the local launcher."""
    outcome = sweep(tmp_path_factory.mktemp("undisturbed"), drawings, *LONG, "seed=0,1,2")
    assert outcome.code == 0, outcome.err
    return weights(outcome.folder)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, real_drawings: Path) -> dict[str, str]:
    """The weights of GRID on real drawings under the local launcher, by the names of the jobs' folders."""
    outcome = finish(tmp_path_factory.mktemp("local"), f"data.root={real_drawings / 'bitmap'}", *GRID)
    assert len(set(weights(outcome.folder).values())) == 8
    return weights(outcome.folder)


def steps(folder: Path) -> dict[str, int]:
    """Return how far each job is that a checkpoint would continue, by the folder's name without its hash."""
    return {job.name.rsplit("-", 1)[0]: newest(job) for job in job_folders(folder)}


def newest(job: Path) -> int:
    return max((int(path.stem) for path in job.glob("checkpoint/*.safetensors")), default=0)


def training(folder: Path, count: int = 2) -> None:
    """Wait until some jobs train, and each has saved."""
    until(lambda: len(running(folder)) == count and sum(map(bool, steps(folder).values())) >= count, "jobs that train")


def continued(job: Path) -> list[int]:
    """Return from which steps a job was continued."""
    return [int(step) for step in re.findall(r"continuing after step (\d+)", (job / "run.log").read_text())]


def the_job(folder: Path, name: str) -> Path:
    (job,) = job_folders(folder, name)
    return job


def finish(folder: Path, *arguments: str) -> Outcome:
    """Type the command again and wait for its end."""
    outcome = Command(folder, *arguments).wait()
    assert outcome.code == 0, outcome
    return outcome


def test_slurm_gives_the_bits_of_the_local_launcher(
    tmp_path: Path, real_drawings: Path, slurm: None, local: dict[str, str]
) -> None:
    arguments = (*SLURM, f"data.root={real_drawings / 'bitmap'}", *GRID)
    outcome = finish(tmp_path, *arguments)
    print(outcome.out)
    assert weights(tmp_path) == local
    assert [row["state"] for row in summary(tmp_path)] == ["completed"] * 8
    before = times(job_folders(tmp_path))
    again = finish(tmp_path, *arguments)
    assert "8 completed, none to submit" in again.out
    assert times(job_folders(tmp_path)) == before


def test_slurm_command_may_end_and_submits_only_what_is_missing(
    tmp_path: Path, drawings: Path, slurm: None, undisturbed: dict[str, str]
) -> None:
    arguments = (*SLURM, f"data.root={drawings}", *LONG)
    first = Command(tmp_path, *arguments, "seed=0,1")
    training(tmp_path)
    first.process.send_signal(signal.SIGINT)
    ended = first.wait()
    assert ended.code == 130, ended
    assert "the others go on without this command" in ended.out
    assert len(running(tmp_path)) == 2
    second = finish(tmp_path, *arguments, "seed=0,1,2", "hydra.launcher.wait=false")
    assert re.search(r"2 running, 1 to submit", second.out), second.out
    third = finish(tmp_path, *arguments, "seed=0,1,2", "hydra.launcher.wait=false")
    assert re.search(r"none to submit", third.out), third.out
    (cancel,) = set(re.findall(r"^cancel: (scancel .*)$", third.out, re.MULTILINE))
    say(*shlex.split(cancel))
    until(lambda: not say("squeue", "--noheader"), "an empty queue")
    assert {status(job).get("state", "new") for job in job_folders(tmp_path)} <= {"interrupted", "completed", "new"}
    finish(tmp_path, *arguments, "seed=0,1,2")
    assert weights(tmp_path) == undisturbed


def test_slurm_job_that_is_signalled_or_preempted_continues_where_it_stopped(
    tmp_path: Path, drawings: Path, slurm: None, undisturbed: dict[str, str]
) -> None:
    command = Command(tmp_path, *SLURM, f"data.root={drawings}", *LONG, "seed=0,1,2")
    training(tmp_path)
    (number,) = set(say("squeue", "--noheader", "--format=%F").split())
    say("scancel", "--signal=USR2", f"{number}_0")
    until(lambda: status(the_job(tmp_path, "seed-0-*"))["reason"] == "SIGUSR2", "a job that saved")
    saved = {"seed-0-*": newest(the_job(tmp_path, "seed-0-*"))}
    assert saved["seed-0-*"] == status(the_job(tmp_path, "seed-0-*"))["step"]
    until(lambda: continued(the_job(tmp_path, "seed-0-*")), "a job that continues")

    names = [job.name for job in job_folders(tmp_path) if status(job).get("pid") in running(tmp_path)]
    say("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    for name in names:
        until(lambda name=name: status(the_job(tmp_path, name))["reason"] == "SIGTERM", "a preempted job")
        saved[name] = newest(the_job(tmp_path, name))
        assert saved[name] == status(the_job(tmp_path, name))["step"], "SIGTERM saves first, although it comes twice"
    outcome = command.wait()
    print(outcome.out)
    assert outcome.code == 0, outcome
    assert weights(tmp_path) == undisturbed
    for name, step in saved.items():
        assert step in continued(the_job(tmp_path, name))


def test_slurm_time_out_queues_the_job_again(tmp_path: Path, drawings: Path, slurm: None) -> None:
    arguments = (f"data.root={drawings}", *SMALL, "trainer.epochs=4000", "seed=0", "exp_name=long")
    command = Command(tmp_path, *SLURM, *arguments, "hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=30")
    clusters.patiently(lambda: job_folders(tmp_path, "job-*"), "a job")
    clusters.patiently(lambda: continued(the_job(tmp_path, "job-*")), "a job that continues after its time-out")
    log = (the_job(tmp_path, "job-*") / "run.log").read_text()
    assert "this job is timed-out" in log
    assert "Requeued job" in log
    say("scancel", "--user=root")
    outcome = command.wait()
    assert outcome.code == 1
    assert status(the_job(tmp_path, "job-*"))["state"] == "interrupted"
    print(outcome.out, outcome.err)


def test_slurm_job_that_is_killed_is_told_and_alone_runs_again(
    tmp_path: Path, drawings: Path, slurm: None, undisturbed: dict[str, str]
) -> None:
    arguments = (*SLURM, f"data.root={drawings}", *LONG, "seed=0,1,2")
    command = Command(tmp_path, *arguments)
    training(tmp_path)
    kill(tmp_path, "seed-1-*", signal.SIGKILL)
    outcome = command.wait()
    print(outcome.out, outcome.err)
    assert outcome.code == 1
    assert outcome.err.endswith(
        "error: 1 of 3 jobs did not finish; the same command submits them again, and only them\n"
    )
    assert re.search(
        r"^seed=1 .*run\.log +Slurm job \S+: FAILED, exit code 137 \(out of memory\?\)$", outcome.out, re.M
    )
    again = finish(tmp_path, *arguments)
    assert "2 completed, 1 to submit" in again.out
    assert weights(tmp_path) == undisturbed


def test_slurm_refuses_in_one_line(tmp_path: Path, drawings: Path, slurm: None) -> None:
    small = (*SLURM, f"data.root={drawings}", *SMALL, "seed=0,1")
    for arguments, told in (
        (("hydra.launcher.partition=none",), "invalid partition"),
        (("threads=2",), "ask for as many processors, hydra.launcher.cpus_per_task=2"),
        (("dropout_rate=2",), "dropout_rate: expected a number in [0, 1), got 2"),
    ):
        outcome = Command(tmp_path, *small, *arguments).wait()
        assert outcome.code == 1
        assert re.search(f"^error: .*{re.escape(told)}", outcome.err, re.MULTILINE | re.IGNORECASE), outcome.err
        assert "Traceback" not in outcome.err
    assert say("squeue", "--noheader") == ""


def test_ray_gives_the_bits_of_the_local_launcher(
    tmp_path: Path, real_drawings: Path, ray: str, local: dict[str, str]
) -> None:
    arguments = (*RAY, ray, f"data.root={real_drawings / 'bitmap'}", *GRID)
    outcome = finish(tmp_path, *arguments)
    print(outcome.out, outcome.err)
    assert weights(tmp_path) == local
    before = times(job_folders(tmp_path))
    assert ": none to run" in finish(tmp_path, *arguments).out
    assert times(job_folders(tmp_path)) == before


def test_ray_worker_that_is_killed_is_told_and_alone_runs_again(
    tmp_path: Path, drawings: Path, ray: str, undisturbed: dict[str, str]
) -> None:
    arguments = (*RAY, ray, f"data.root={drawings}", *LONG, "seed=0,1,2")
    command = Command(tmp_path, *arguments)
    training(tmp_path)
    kill(tmp_path, "seed-1-*", signal.SIGKILL)
    outcome = command.wait()
    print(outcome.out, outcome.err)
    assert outcome.code == 1
    assert "error: 1 of 3 jobs failed; the same command runs them again, and only them" in outcome.err
    assert re.search(r"^seed=1 .*run\.log +Ray: WorkerCrashedError: ", outcome.out, re.MULTILINE)
    assert ": 1 to run" in finish(tmp_path, *arguments).out
    assert weights(tmp_path) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ray_driver_that_is_ended_loses_nothing(
    tmp_path: Path, drawings: Path, ray: str, undisturbed: dict[str, str], number: int
) -> None:
    arguments = (*RAY, ray, f"data.root={drawings}", *LONG, "seed=0,1")
    command = Command(tmp_path, *arguments)
    training(tmp_path)
    pids = running(tmp_path)
    command.process.send_signal(number)
    outcome = command.wait()
    assert outcome.code == (-number if number == signal.SIGKILL else 128 + number), outcome
    until(lambda: not any(map(alive, pids)), "the end of the workers")
    saved = {job: newest(job) for job in job_folders(tmp_path)}
    if number != signal.SIGKILL:
        assert {job: status(job)["step"] for job in saved} == saved, "each has saved first"
        assert "The same command continues." in outcome.out
    finish(tmp_path, *arguments)
    assert weights(tmp_path) == {name: digest for name, digest in undisturbed.items() if "seed-2" not in name}
    for job, step in saved.items():
        assert step in continued(job)


def test_plain_submitit_gives_the_same_bits_in_the_same_folders(
    tmp_path: Path, real_drawings: Path, local: dict[str, str]
) -> None:
    """The promises are the job's own: they hold under a launcher that knows nothing of this project."""
    pytest.importorskip("submitit")
    arguments = ("hydra/launcher=submitit_local", "hydra/sweeper=basic", f"data.root={real_drawings / 'bitmap'}")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [*clusters.RUN, *arguments, *GRID, "optimizer.lr=0.008", "seed=0,1", "exp_name=s"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=clusters.PATIENCE_S)
    digests = {"".join(re.findall(r"seed-\d", name)): digest for name, digest in local.items() if "0.008" in name}
    assert {name[:6]: digest for name, digest in weights(tmp_path).items()} == {
        name: digests[name] for name in ("seed-0", "seed-1")
    }
    assert {name[-8:] for name in weights(tmp_path)} <= {name[-8:] for name in local}


def test_help_imports_neither_engine() -> None:
    code = "import runpy, sys; sys.argv = ['run.py', '--help']; runpy.run_path('run.py', run_name='__main__')"
    check = f"try:\n    {code}\nfinally:\n    print({{'ray', 'submitit', 'torch'}} & set(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("set()"), done.stderr
