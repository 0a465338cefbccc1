"""The process of a pack and the sweep's own, each alone with the pipe between them."""

import json
import multiprocessing
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest

from quickdraw.errors import Interrupted
from quickdraw.predictions import read_predictions
from quickdraw.run.folder import TESTED, RunFolder
from quickdraw.run.listing import read_run
from quickdraw.settings import encoded
from quickdraw.signals import StopSignal
from quickdraw.sweep import lanes, pack, pruning_hook
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import let_go_on
from quickdraw.sweep.lanes import LaneJobs, PackChild
from quickdraw.sweep.pool import Exit
from tests.support.program import call

Compose = Callable[..., dict[str, Any]]


@pytest.fixture
def sweeps_end(monkeypatch: pytest.MonkeyPatch) -> "connection.Connection":
    """The sweep's end of the pipe to the pack in this process."""
    ours, theirs = multiprocessing.Pipe()
    monkeypatch.setattr(pruning_hook, "pipe", theirs)
    return ours


def small(composed: Compose, seed: int, *overrides: str) -> dict[str, Any]:
    return composed("data=synthetic", "data.per_class=7", "device=cpu", "trainer.epochs=2", f"seed={seed}", *overrides)


def word(folder: Path, *configs: dict[str, Any], width: int = 4) -> bytes:
    """What the sweep's process sends: jobs in the folders `0`, `1` and so on."""
    jobs = []
    for number, config in enumerate(configs):
        facts = {"overrides": [f"seed={config['seed']}"], "config_from": [], "judged": False}
        config = encoded({**config, "lanes": width})
        jobs.append({"folder": str(folder / str(number)), "config": config, **facts})
    return json.dumps({"lanes": width, "shape": "one", "jobs": jobs}).encode()


def reports(pipe: "connection.Connection") -> list[dict[str, Any]]:
    """All that the pack has sent so far."""
    found = []
    while pipe.poll():
        found.append(json.loads(pipe.recv_bytes()))
    return found


def test_jobs_train_and_leave_trained(composed: Compose, tmp_path: Path, sweeps_end: "connection.Connection") -> None:
    go_on = word(tmp_path)
    for each in (word(tmp_path, small(composed, 0), small(composed, 1)), go_on, lanes.END):
        sweeps_end.send_bytes(each)
    pack.PackOfJobs(tmp_path, StopSignal(), pack.RunLog()).work()
    begin, first, second = reports(sweeps_end)
    assert (begin["trained"], first["trained"]) == ([], [])
    assert sorted(second["trained"]) == [str(tmp_path / "0"), str(tmp_path / "1")]
    for name in ("0", "1"):
        run = read_run(tmp_path / name)
        assert (run.state, run.reason) == ("interrupted", "trained, and not tested yet")
        assert not RunFolder(tmp_path / name).held()


def refuse_to_predict() -> None:
    """Let this process end with an error if it predicts."""
    from quickdraw import engine

    def predict(net: object, batches: object) -> Any:
        raise AssertionError("predicted again")

    engine.predict = predict


@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "last checkpoint damaged"])
def test_a_job_that_is_tested_in_the_pack_is_written_out_without_its_device(
    damaged: bool,
    composed: Compose,
    tmp_path: Path,
    sweeps_end: "connection.Connection",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pack, "TESTED_HERE", {"cpu"})
    asked = ["data=synthetic", "data.per_class=7", "device=cpu", "trainer.epochs=2", "trainer.checkpoint_every_s=0"]
    message = json.loads(word(tmp_path, composed(*asked, "seed=0"), composed(*asked, "seed=1")))
    for job in message["jobs"]:
        job["overrides"] += asked
    for each in (json.dumps(message).encode(), word(tmp_path), lanes.END):
        sweeps_end.send_bytes(each)
    pack.PackOfJobs(tmp_path, StopSignal(), pack.RunLog()).work()
    folder = tmp_path / "0"
    assert (read_run(folder).state, read_run(folder).reason) == ("interrupted", TESTED)
    tested = read_predictions(folder / "predictions.npz")
    if damaged:
        max(folder.glob("checkpoint/*")).write_bytes(b"")
    outcome = call(tmp_path, f"resume={folder}", setup=None if damaged else refuse_to_predict)
    assert outcome.code == 0, outcome.err
    result = read_run(folder).result
    assert result["test_accuracy"] == tested.correct.mean()
    assert result["test_loss"] == tested.loss.mean(dtype="float64")
    assert result["epochs"] == 2
    status = RunFolder(folder).status
    assert status["config"]["device"] == "cpu"
    assert len(status["warnings"]) == damaged


def test_a_job_that_cannot_begin_leaves_with_its_error(
    composed: Compose, tmp_path: Path, sweeps_end: "connection.Connection"
) -> None:
    bad = small(composed, 0)
    bad["data"]["per_class"] = 0
    sweeps_end.send_bytes(word(tmp_path, bad, small(composed, 1)))
    sweeps_end.send_bytes(word(tmp_path))
    sweeps_end.send_bytes(lanes.END)
    logs = pack.RunLog()
    pack.PackOfJobs(tmp_path, StopSignal(), logs).work()
    _, first, second = reports(sweeps_end)
    assert first["ended"] == {str(tmp_path / "0"): 1}
    assert second["trained"] == [str(tmp_path / "1")]
    assert read_run(tmp_path / "0").state == "failed"


def test_a_pack_whose_sweep_is_gone_saves_and_ends(
    composed: Compose, tmp_path: Path, sweeps_end: "connection.Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = StopSignal()
    stop.polite = True
    monkeypatch.setattr("signal.raise_signal", lambda number: stop.receive(number, None))
    sweeps_end.send_bytes(word(tmp_path, small(composed, 0)))
    monkeypatch.setattr(pack.PackOfJobs, "sum_up", lambda self: sweeps_end.close())
    pack.PackOfJobs(tmp_path, stop, pack.RunLog()).work()
    run = read_run(tmp_path / "0")
    assert (run.state, run.reason) == ("interrupted", "SIGTERM")
    assert list((tmp_path / "0" / "checkpoint").iterdir())


def test_what_is_out_of_memory_goes_on_in_fewer_lanes(
    composed: Compose,
    tmp_path: Path,
    sweeps_end: "connection.Connection",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(pack.Pack, "epoch", full)
    sweeps_end.send_bytes(word(tmp_path, small(composed, 0), small(composed, 1)))
    with pytest.raises(RuntimeError, match="out of memory"):
        pack.PackOfJobs(tmp_path, StopSignal(), pack.RunLog()).work()
    assert [report["end"] for report in reports(sweeps_end)] == ["", "too wide"]
    for name in ("0", "1"):
        run = read_run(tmp_path / name)
        assert (run.state, run.reason) == ("interrupted", "out of memory in 4 lanes")
        assert not RunFolder(tmp_path / name).held()


def test_a_second_signal_ends_all_lanes_at_once(
    composed: Compose, tmp_path: Path, sweeps_end: "connection.Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object) -> None:
        raise Interrupted(15)

    monkeypatch.setattr(pack.Pack, "epoch", interrupted)
    sweeps_end.send_bytes(word(tmp_path, small(composed, 0)))
    with pytest.raises(Interrupted):
        pack.PackOfJobs(tmp_path, StopSignal(), pack.RunLog()).work()
    assert read_run(tmp_path / "0").reason == "SIGTERM"


class FakePool:
    """A pool that notes what it was to start and to say."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.replies: list[tuple[str, Any]] = []
        self.running: dict[int, str] = {}
        self.size = 1

    def submit(self, name: str, function: object, *arguments: object) -> None:
        self.started.append(name)
        self.running[len(self.started)] = name

    def reply(self, name: str, text: bytes) -> None:
        self.replies.append((name, json.loads(text)))


@pytest.fixture
def jobs(tmp_path: Path) -> LaneJobs:
    """Jobs in four lanes of one pack."""
    found = LaneJobs(tmp_path, 1, (), 4)
    found.width, found.size, found.processes = 4, 4, 2
    found.pool = FakePool()  # type: ignore[assignment]
    return found


def job(jobs: LaneJobs, config: dict[str, Any]) -> Job:
    """A job that may share, submitted."""
    made = Job([], jobs.folder / str(len(jobs.running)), config, print)
    jobs.shares[lanes.shape_of(config)] = True
    jobs.submit(made)
    return made


def names(reply: tuple[str, dict[str, Any]]) -> list[str]:
    """The folders of the jobs that a word brings."""
    return [Path(each["folder"]).name for each in reply[1]["jobs"]]


def report(jobs: LaneJobs, **facts: Any) -> None:
    """Let the pack report."""
    text = json.dumps({"ended": {}, "trained": [], "end": ""} | facts).encode()
    assert jobs._answer(let_go_on, "pack 0", text) is None


def test_jobs_wait_for_a_lane_and_then_for_a_process(jobs: LaneJobs, composed: Compose) -> None:
    made = [job(jobs, composed(f"seed={seed}")) for seed in range(4)]
    assert not jobs.has_room()
    jobs._go_on()
    pool: Any = jobs.pool
    assert pool.started == ["pack 0"]
    report(jobs)
    jobs._go_on()
    assert names(pool.replies[-1]) == ["0", "1", "2", "3"]
    assert pool.replies[-1][1]["jobs"][2]["config"]["lanes"] == 4

    # Two leave, one of them trained; a lane is free for each.
    report(jobs, trained=[str(made[0].folder)], ended={str(made[2].folder): 1})
    assert jobs.has_room()
    assert jobs.exits == [Exit(str(made[2].folder), 1)]
    jobs.exits.clear()
    fifth = job(jobs, composed("seed=4"))
    jobs._go_on()
    assert pool.started == ["pack 0", str(made[0].folder)]
    assert names(pool.replies[-1]) == [fifth.folder.name]


def test_another_shape_waits_until_the_pack_is_empty(jobs: LaneJobs, composed: Compose) -> None:
    first = job(jobs, composed("seed=0"))
    other = job(jobs, composed("model=mlp"))
    jobs._go_on()
    report(jobs)
    jobs._go_on()
    pool: Any = jobs.pool
    assert names(pool.replies[-1]) == ["0"]
    report(jobs)
    jobs._go_on()
    assert names(pool.replies[-1]) == []
    report(jobs, ended={str(first.folder): 0})
    jobs._go_on()
    assert names(pool.replies[-1]) == [other.folder.name]
    assert pool.replies[-1][1]["shape"] != pool.replies[0][1]["shape"]


def test_a_pack_that_was_too_wide_gives_its_jobs_to_one_of_half_the_width(
    jobs: LaneJobs, composed: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [job(jobs, composed(f"seed={seed}")) for seed in range(4)]
    jobs._go_on()
    report(jobs)
    jobs._go_on()
    report(jobs, end="too wide")
    jobs._go_on()
    jobs._take_in(Exit("pack 0", 1))
    assert capsys.readouterr().err == "out of memory with 4 lanes; going on with 2\n"
    assert jobs.waiting == made
    assert not jobs.exits
    jobs.pool.running.clear()
    jobs._go_on()
    report(jobs)
    jobs._go_on()
    pool: Any = jobs.pool
    assert names(pool.replies[-1]) == ["0", "1"]
    assert pool.replies[-1][1]["lanes"] == 2


def test_half_of_three_lanes_are_two_because_one_is_no_pack(jobs: LaneJobs) -> None:
    jobs._halve(PackChild("pack 0", width=3))
    assert (jobs.width, jobs.size) == (2, 2)


def test_what_does_not_fit_into_two_lanes_fails(jobs: LaneJobs, composed: Compose) -> None:
    jobs.width = 2
    made = job(jobs, composed())
    jobs._go_on()
    report(jobs)
    jobs._go_on()
    made.folder.mkdir()
    RunFolder(made.folder).update(state="interrupted", reason="out of memory in 2 lanes")
    report(jobs, end="too wide")
    jobs._take_in(Exit("pack 0", 1))
    run = jobs.next(0)
    assert run
    assert (run.state, run.reason) == ("failed", lanes.OUT_OF_MEMORY)


def test_the_death_of_a_pack_is_that_of_each_job_in_it(jobs: LaneJobs, composed: Compose) -> None:
    made = [job(jobs, composed(f"seed={seed}")) for seed in range(2)]
    jobs._go_on()
    report(jobs)
    jobs._go_on()
    jobs._take_in(Exit("pack 0", -9))
    assert jobs.exits == [Exit(str(each.folder), -9) for each in made]
    assert jobs.packs == {}


def test_jobs_are_shared_out_among_the_packs_of_several_gpus(jobs: LaneJobs, composed: Compose) -> None:
    jobs.packs_at_once = 2
    for seed in range(4):
        job(jobs, composed(f"seed={seed}"))
    jobs._go_on()
    for pack_child in jobs.packs.values():
        pack_child.waits = True
    jobs._go_on()
    pool: Any = jobs.pool
    assert [(name, len(reply["jobs"])) for name, reply in pool.replies] == [("pack 0", 2), ("pack 1", 2)]


def test_when_stopped_what_waits_is_given_back(jobs: LaneJobs, composed: Compose) -> None:
    waiting = job(jobs, composed())
    jobs.packs["pack 0"] = PackChild("pack 0", waits=True)
    jobs.stopping = True
    jobs._go_on()
    assert jobs.exits == [Exit(str(waiting.folder), 0)]
    pool: Any = jobs.pool
    assert [name for name, _ in pool.replies] == ["pack 0"], "it waits for a word, and would not hear of the signal"


@pytest.mark.parametrize(
    ("asked", "gpus", "device", "width", "size"),
    [
        ("auto", 0, "auto", 1, 2),
        ("auto", 1, "auto", 8, 8),
        ("auto", 2, "auto", 8, 16),
        ("auto", 2, "cpu", 1, 2),
        (5, 0, "cpu", 5, 5),
        (64, 1, "cuda", 64, 64),
    ],
)
def test_a_sweep_has_as_many_lanes_as_were_asked_for_or_fit(
    tmp_path: Path,
    composed: Compose,
    monkeypatch: pytest.MonkeyPatch,
    asked: int | str,
    gpus: int,
    device: str,
    width: int,
    size: int,
) -> None:
    found = LaneJobs(tmp_path, 2, (), asked)
    answers = {"check_arguments": (40 * gpus, {}), "send_gpus": lanes.Gpus(gpus, 70_000), "send_refusals": [""]}
    monkeypatch.setattr(found.pool, "call_in_process", lambda function, question: answers[function.__name__])
    wanted = [Job([], tmp_path / str(seed), composed(f"seed={seed}", f"device={device}"), print) for seed in range(6)]
    found.check(wanted)
    assert (found.width, found.size) == (width, size)
