"""Sweeps under fire: deaths of every kind, at moments nobody chose, on real drawings."""

import os
import pty
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.program import ROOT, Outcome
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

pytestmark = pytest.mark.stress
COMMAND = [sys.executable, str(ROOT / "run.py"), "-m", "hydra.launcher.n_jobs=2", "hydra.launcher.report=false"]
GRID = ("optimizer.lr=0.002,0.005", "seed=0,1,2,3", "trainer.epochs=20", "trainer.checkpoint_every_s=0.05")


def by_hand(folder: Path, *arguments: str) -> Outcome:
    """Call `python run.py -m` as a user does, with a server of its own for the jobs."""
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr, folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> dict[str, str]:
    """The weights of the sweep over GRID that nobody disturbed."""
    outcome = sweep(tmp_path_factory.mktemp("undisturbed"), drawings, *GRID)
    assert outcome.code == 0, outcome.err
    return weights(outcome.folder)


def test_twenty_jobs_on_real_drawings_of_which_three_die(tmp_path: Path, real_drawings: Path) -> None:
    arguments = (f"data.root={real_drawings / 'bitmap'}", "data.limit_per_class=300", "trainer.epochs=4")
    arguments += ("optimizer.lr=0.002,0.008", "seed=" + ",".join(map(str, range(10))))
    preview = by_hand(tmp_path, *arguments, "hydra.launcher.dry_run=true")
    (name,) = re.findall(r"lr-0\.008_seed-7-[0-9a-f]{16}", preview.out)
    (sweep_folder,) = re.findall(r"outputs/multirun/\S+[0-9a-f]", preview.out)
    obstacle = tmp_path / sweep_folder / name / "weights"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("a file where the run wants a folder: an exception at its end")

    killers = [
        threading.Thread(target=kill, args=(tmp_path, "lr-0.002_seed-3-*", signal.SIGSEGV)),
        threading.Thread(target=kill, args=(tmp_path, "lr-0.008_seed-1-*", signal.SIGKILL)),
    ]
    for killer in killers:
        killer.start()
    first = by_hand(tmp_path, *arguments)
    for killer in killers:
        killer.join()
    print(first.out, first.err)
    assert first.code == 1
    assert first.err == "error: 3 of 20 jobs failed; the same command runs them again, and only them\n"
    assert sorted(states(tmp_path).values()) == ["completed"] * 17 + ["failed"] * 3
    failures = first.out[first.out.index("\nfailed") :].splitlines()[2:5]
    assert [line.split("  ")[0] for line in failures] == ["lr=0.002 seed=3", "lr=0.008 seed=1", "lr=0.008 seed=7"]
    assert "killed by SIGSEGV" in failures[0]
    assert "killed by SIGKILL (out of memory?)" in failures[1]
    assert "File exists" in failures[2]
    assert all((tmp_path / line.split()[2]).is_file() for line in failures)

    finished = [job for job in job_folders(tmp_path) if status(job)["state"] == "completed"]
    before = times(finished)
    obstacle.unlink()
    second = by_hand(tmp_path, *arguments)
    print(second.out, second.err)
    assert second.code == 0, second.err
    assert ": 3 to run" in second.out
    assert times(finished) == before
    assert [row["state"] for row in summary(tmp_path)] == ["completed"] * 20


@pytest.mark.parametrize("chance", range(6))
def test_parent_killed_again_and_again(
    tmp_path: Path, drawings: Path, undisturbed: dict[str, str], chance: int
) -> None:
    dice = random.Random(chance)
    pids: set[int] = set()
    for _ in range(6):
        program = start(tmp_path, drawings, *GRID)
        until(lambda: running(tmp_path) or set(states(tmp_path).values()) == {"completed"}, "a job", program)
        time.sleep(dice.uniform(0, 2))
        pids |= set(running(tmp_path))
        program.kill()
        program.wait()
    until(lambda: not any(map(alive, pids)), "orphans")
    outcome = sweep(tmp_path, drawings, *GRID)
    assert outcome.code == 0, outcome.err
    assert weights(tmp_path) == undisturbed
    assert len(job_folders(tmp_path)) == 8


@pytest.mark.parametrize("chance", range(3))
def test_jobs_killed_again_and_again(tmp_path: Path, drawings: Path, undisturbed: dict[str, str], chance: int) -> None:
    dice = random.Random(chance)
    ends = [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT, signal.SIGBUS]
    for _ in range(3):
        program = start(tmp_path, drawings, *GRID)
        while program.process.is_alive():
            time.sleep(dice.uniform(0, 0.5))
            for pid in running(tmp_path)[:1]:
                os.kill(pid, dice.choice(ends))
        outcome = program.wait()
        unfinished = sum(state != "completed" for state in states(tmp_path).values())
        assert outcome.code == (1 if unfinished else 0)
        if unfinished:
            assert f"error: {unfinished} of 8 jobs failed" in outcome.err
            assert len(outcome.out[outcome.out.index("\nfailed") :].split("\n\n")[0].splitlines()) == unfinished + 2
    outcome = sweep(tmp_path, drawings, *GRID)
    assert outcome.code == 0, outcome.err
    assert weights(tmp_path) == undisturbed


@pytest.mark.parametrize(("presses", "patience_s"), [(1, 60), (2, 60)])
def test_ctrl_c_on_a_terminal(tmp_path: Path, drawings: Path, presses: int, patience_s: float) -> None:
    """The terminal sends SIGINT to all that stand in the foreground: each job must hear of it once, from its parent."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(COMMAND[0], [*COMMAND, f"data.root={drawings}", "data.classes=[cat,moon,door]", *GRID])
    pids = two_jobs(tmp_path)
    for _ in range(presses):
        os.write(terminal, b"\x03")
        time.sleep(1.5)
    text = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        text += part
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130, text
    assert b"Traceback" not in text
    assert b" of 8 done   2 running   0 failed" in text
    assert not any(map(alive, pids))
    assert set(states(tmp_path).values()) <= {"interrupted", "completed"}
    if presses == 1:
        assert b"The same command continues." in text


def test_whole_group_told_to_stop(tmp_path: Path, drawings: Path) -> None:
    """As systemd, Slurm and `timeout` do: SIGTERM to every process, jobs included, and then again by their parent."""
    command = [*COMMAND, f"data.root={drawings}", "data.classes=[cat,moon,door]", *GRID]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        pids = two_jobs(tmp_path)
        for pid in [parent.pid, *pids]:
            os.kill(pid, signal.SIGTERM)
        _, err = parent.communicate()
    assert parent.returncode == 143, err
    assert "Traceback" not in err
    assert not any(map(alive, pids))
    assert set(states(tmp_path).values()) <= {"interrupted", "completed"}


def test_many_short_jobs(tmp_path: Path, drawings: Path) -> None:
    """A hundred jobs, none lost or doubled, and a summary that is right at the end."""
    seeds = ",".join(map(str, range(100)))
    outcome = sweep(tmp_path, drawings, f"seed={seeds}", "trainer.epochs=1")
    assert outcome.code == 0, outcome.err
    assert [row["state"] for row in summary(tmp_path)] == ["completed"] * 100
    assert len(set(weights(tmp_path).values())) == 100
