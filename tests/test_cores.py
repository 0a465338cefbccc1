"""The cores and the memory that a run and a sweep take: those that they may use, and that nobody else has."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quickdraw import cores, hardware
from quickdraw.progress import Pace
from quickdraw.sweep.claims import Claims
from quickdraw.sweep.job import Job
from quickdraw.sweep.local import LocalJobs

CORES = 16


class Machine:
    """A machine of 16 cores, as its files show it. `pass_s` lets time pass, with so much computed by others and us."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.groups = folder / "proc", folder / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        self.groups.mkdir()
        (self.proc / "self/cgroup").write_text("0::/jobs/ours\n")
        self.now, self.busy, self.own = 100.0, 0.0, 0.0
        self.write()

    def write(self) -> None:
        lines = [f"cpu{number} {self.busy * 100 / CORES:.0f} 0 0 5 5 0 0 0 0 0\n" for number in range(CORES)]
        (self.proc / "stat").write_text(f"cpu  {self.busy * 100:.0f} 0 0 0 0 0 0 0 0 0\n{''.join(lines)}intr 5 6\n")

    def pass_s(self, seconds: float, others: float = 0.0, own: float = 0.0) -> None:
        self.now += seconds
        self.busy += seconds * (others + own)
        self.own += seconds * own
        self.write()

    def limit(self, group: str, name: str, content: str) -> None:
        (self.groups / group).mkdir(parents=True, exist_ok=True)
        (self.groups / group / name).write_text(content)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path / "machine")
    monkeypatch.setattr(cores, "CGROUPS", machine.groups)
    monkeypatch.setattr(cores, "PROC", machine.proc)
    monkeypatch.setattr(cores, "ticks_per_s", lambda: 100)
    monkeypatch.setattr(cores.time, "monotonic", lambda: machine.now)
    monkeypatch.setattr(os, "times", lambda: os.times_result((machine.own, 0.0, 0.0, 0.0, machine.now)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(CORES)), raising=False)
    monkeypatch.setattr(cores, "SINCE_START", cores.Load())
    monkeypatch.setattr(hardware, "SINCE_START", cores.SINCE_START)
    monkeypatch.setattr("quickdraw.sweep.local.SINCE_START", cores.SINCE_START)
    return machine


@pytest.fixture
def on_one_core() -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("only Linux pins a process to cores")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_a_process_pinned_to_one_core_counts_one(on_one_core: None) -> None:
    assert cores.usable_cores() == 1
    assert cores.free_cores(cores.Load()).cores == 1


@pytest.mark.parametrize(
    ("group", "content", "count"),
    [
        ("jobs/ours", "200000 100000\n", 2),
        ("jobs", "150000 100000\n", 1),
        ("", "50000 100000\n", 1),
        ("jobs/ours", "max 100000\n", CORES),
        ("jobs/others", "100000 100000\n", CORES),
        ("jobs/ours", "6400000 100000\n", CORES),
    ],
)
def test_a_containers_quota_counts_whole_cores_for_its_own_group_and_those_above(
    machine: Machine, group: str, content: str, count: int
) -> None:
    machine.limit(group, "cpu.max", content)
    assert cores.usable_cores() == count
    assert cores.free_cores(cores.Load()).cores == count


@pytest.mark.parametrize(("allowed", "count"), [("300000", 3), ("-1", CORES)])
def test_a_quota_of_the_first_version_of_control_groups_counts_too(machine: Machine, allowed: str, count: int) -> None:
    (machine.proc / "self/cgroup").write_text("3:memory:/jobs\n2:cpu,cpuacct:/jobs\n")
    machine.limit("cpu/jobs", "cpu.cfs_quota_us", f"{allowed}\n")
    machine.limit("cpu/jobs", "cpu.cfs_period_us", "100000\n")
    assert cores.usable_cores() == count


@pytest.mark.parametrize(
    ("others", "threads", "reason"),
    [
        (0.0, 16, ""),
        (0.4, 16, ""),
        (3.9, 12, "4 of 16 cores are busy"),
        (15.0, 1, "15 of 16 cores are busy"),
        (16.0, 1, "all cores are busy"),
        (19.0, 1, "all cores are busy"),
    ],
)
def test_a_run_takes_the_cores_that_others_leave_and_says_why(
    machine: Machine, composed: Callable[..., dict[str, Any]], others: float, threads: int, reason: str
) -> None:
    machine.pass_s(2.0, others=others, own=1.0)  # the start of a program keeps one core busy itself
    config = composed("device=cpu")
    assert hardware.resolve_auto(config, one_of_many=False) == reason
    assert config["threads"] == threads


def test_of_two_cores_the_other_is_busy(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    for others, free in ((0.1, cores.Free(2)), (1.0, cores.Free(1, "the other core is busy"))):
        machine.pass_s(2.0, others=others * CORES / 2)  # as much on each core
        assert cores.free_cores(cores.SINCE_START) == free


def test_a_quota_is_the_reason_where_it_leaves_less_than_the_others(machine: Machine) -> None:
    machine.limit("jobs", "cpu.max", "150000 100000")
    machine.pass_s(2.0, others=3.0)
    assert cores.free_cores(cores.SINCE_START) == cores.Free(1, "a quota of 1.5 CPUs")


def test_threads_that_are_named_and_those_of_a_job_do_not_depend_on_the_load(
    machine: Machine, composed: Callable[..., dict[str, Any]]
) -> None:
    machine.pass_s(2.0, others=8.0)
    for typed, one_of_many, threads in (("3", False, 3), ("3", True, 3), ("auto", True, 1)):
        config = composed("device=cpu", f"threads={typed}")
        assert hardware.resolve_auto(config, one_of_many) == ""
        assert config["threads"] == threads


def test_what_processes_of_ours_compute_is_no_load(machine: Machine) -> None:
    def computed(process: int, seconds: float) -> None:
        (machine.proc / str(process)).mkdir(exist_ok=True)
        ticks = f"{seconds * 50:.0f} {seconds * 50:.0f}"
        (machine.proc / f"{process}/stat").write_text(f"{process} (a) b) S 1 2 3 4 5 6 7 8 9 10 {ticks} 0 0")

    computed(7, 10.0)
    load = cores.Load()
    load.measure([7])
    machine.pass_s(1.0)
    load.measure([7])
    machine.pass_s(1.0, others=3.0)  # of which one is the process
    computed(7, 11.0)
    assert load.measure([7]) == pytest.approx(2.0, abs=0.3)
    machine.pass_s(1.0, others=9.0)
    assert load.measure([]) == pytest.approx(2.0, abs=0.3)  # it has ended: what it computed since is not known
    machine.pass_s(1.0, others=4.0)
    assert load.measure([]) == pytest.approx(4.0, abs=0.3)


def test_what_is_computed_on_our_own_cores_is_load_and_nothing_else(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    load = cores.Load()
    machine.now += 2.0
    niced, another = "cpu0 0 200 0 5 5 0 0 0 0 0", "cpu2 200 0 0 5 5 0 0 0 0 0"
    (machine.proc / "stat").write_text(f"{niced}\ncpu1 0 0 0 205 5 0 0 0 0 0\n{another}\n")
    assert load.measure() == pytest.approx(1.0)


def jobs_of(folder: Path, composed: Callable[..., dict[str, Any]], *overrides: str) -> LocalJobs:
    """What runs a sweep's jobs on a machine without a GPU; no process is started."""
    jobs = LocalJobs(folder, "auto")
    jobs.pool.call_in_process = lambda function, question: (0, {})  # type: ignore[method-assign]
    jobs.pool.submit = lambda *arguments: None  # type: ignore[method-assign]
    jobs.check([Job([], folder, composed("device=cpu", *overrides), dict)])
    return jobs


def started(jobs: LocalJobs, composed: Callable[..., dict[str, Any]], most: int = 99) -> int:
    """Start jobs while there is room, at most so many; how many run."""
    while most > 0 and jobs.has_room():
        number = len(jobs.running)
        jobs.submit(Job([], jobs.folder / f"job-{number}", composed(f"seed={number}"), dict))
        most -= 1
    return len(jobs.running)


def test_a_sweep_takes_the_cores_that_others_leave_and_one_in_any_case(
    machine: Machine, composed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    for others, count in ((0.0, 16), (5.0, 11), (16.0, 1)):
        machine.pass_s(2.0, others=others, own=1.0)
        assert started(jobs_of(tmp_path / f"{count}" / "sweep", composed), composed) == count


def test_a_sweep_starts_more_jobs_when_others_are_done(
    machine: Machine, composed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    machine.pass_s(2.0, others=12.0)
    jobs = jobs_of(tmp_path / "sweep", composed)
    assert started(jobs, composed) == 4
    machine.pass_s(1.0, others=0.0)
    assert started(jobs, composed) == 16


def test_two_sweeps_side_by_side_share_the_cores(
    machine: Machine, composed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    first, second = (jobs_of(tmp_path / name, composed) for name in ("first", "second"))
    assert started(first, composed, most=10) == 10
    assert started(second, composed) == 6
    assert started(first, composed) == 10
    assert started(jobs_of(tmp_path / "third", composed), composed) == 1


def test_jobs_of_several_threads_claim_as_many_cores(
    machine: Machine, composed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    jobs = jobs_of(tmp_path / "wide", composed, "threads=5")
    assert started(jobs, composed) == 3
    claims = Claims(tmp_path / ".cores")
    assert claims.take(2, CORES) is None
    assert claims.take(1, CORES) is not None


def test_the_memory_that_is_free_is_counted_in_megabytes(machine: Machine) -> None:
    (machine.proc / "meminfo").write_text("MemTotal: 9000000 kB\nMemFree: 1 kB\nMemAvailable: 2000000 kB\n")
    assert cores.usable_memory_mb() == 2048.0


def test_where_no_core_can_be_claimed_none_is_denied(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Claims(tmp_path / "file" / ".cores").take(3, CORES) is not None


@pytest.mark.parametrize(
    ("group", "name", "content"),
    [("jobs", "memory.max", "1700000000"), ("memory", "memory.limit_in_bytes", "1700000000")],
)
def test_as_many_jobs_at_once_as_a_containers_memory_holds(
    machine: Machine,
    composed: Callable[..., dict[str, Any]],
    tmp_path: Path,
    group: str,
    name: str,
    content: str,
) -> None:
    (machine.proc / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable: 64000000 kB\n")
    (machine.proc / "self/cgroup").write_text("0::/jobs/ours\n2:memory:/\n")
    assert jobs_of(tmp_path / "free" / "sweep", composed).size == CORES
    machine.limit(group, name, content)
    assert jobs_of(tmp_path / "sweep", composed).size == 4


def said(pace: Pace, begin: float, step_s: float, steps: int) -> list[str]:
    """What is said during the steps of an epoch."""
    pace.begin(begin)
    lines = [pace.step(begin + (number + 1) * step_s) for number in range(steps)]
    pace.end(begin + steps * step_s)
    return [line for line in lines if line]


def test_a_pace_of_less_than_a_third_of_the_best_is_said_once() -> None:
    pace = Pace()
    assert said(pace, 0.0, 0.01, 100) == []  # an epoch of one second is known too
    assert said(pace, 10.0, 0.025, 400) == []
    (line,) = said(pace, 30.0, 0.04, 400)
    assert line.startswith("slow: 25.0 steps a second, 100.0 before")
    assert "threads=1" in line
    assert said(pace, 50.0, 0.1, 100) == []


def test_a_slow_validation_is_no_slow_training() -> None:
    pace = Pace()
    assert said(pace, 0.0, 0.01, 300) == []
    assert said(pace, 1000.0, 0.01, 300) == []
