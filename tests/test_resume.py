"""An interrupted run continues where it stopped and ends with the same bits, whatever stopped it and whenever."""

import json
import os
import re
import shlex
import shutil
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quickdraw.run import checkpoint
from quickdraw.run.folder import RunFolder
from tests.support import faults
from tests.support.program import Outcome, Program, call
from tests.support.resuming import (
    LONGER,
    TINY,
    Life,
    calling,
    checkpoints,
    contents,
    ending,
    flip_a_bit,
    killed_life,
    refused,
    resume,
    sample,
    side_by_side,
    status,
    stray,
)


@pytest.fixture(scope="module")
def tiny(drawings: Path) -> tuple[str, ...]:
    """The command of a tiny run, always in the folder `run`."""
    return f"data.root={drawings}", *TINY


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory, tiny: tuple[str, ...]) -> Path:
    """A folder with an undisturbed run in `here`, and photographs of that before each of its file operations."""
    folder = tmp_path_factory.mktemp("album")
    (folder / "here").mkdir()
    outcome = call(folder / "here", *tiny, setup=partial(faults.photograph, folder))
    assert (outcome.code, outcome.err) == (0, "")
    return folder


@pytest.fixture(scope="module")
def operations(album: Path) -> list[str]:
    """What the file operations of that run were."""
    return (album / faults.OPERATIONS).read_text().splitlines()


@pytest.fixture(scope="module")
def undisturbed(album: Path) -> dict[str, Any]:
    """What that run ended with."""
    return ending(album / "here/run")


@pytest.fixture(scope="module")
def terminated(tmp_path_factory: pytest.TempPathFactory, tiny: tuple[str, ...]) -> Outcome:
    """What came of a tiny run that got SIGTERM in its third step."""
    folder = tmp_path_factory.mktemp("terminated")
    return call(folder, *tiny, setup=partial(faults.signals_in_training, signal.SIGTERM))


@pytest.fixture
def stopped(terminated: Outcome, tmp_path: Path) -> Path:
    """A folder of its own with that run."""
    shutil.copytree(terminated.folder / "run", tmp_path / "run")
    return tmp_path / "run"


# Death


def test_death_at_any_file_operation_loses_nothing(
    album: Path, operations: list[str], undisturbed: dict[str, Any]
) -> None:
    ends = Counter[bool]()

    def life(number: int) -> Life:
        folder = album / str(number)
        begun = RunFolder(folder / "run").begun
        outcome = yield calling(folder, "resume=run")
        if begun:
            assert (outcome.code, outcome.err) == (0, ""), operations[number - 1]
            assert ending(folder / "run") == undisturbed, operations[number - 1]
            assert stray(folder) == []
        else:
            assert refused(outcome, "start a new one")  # there was nothing yet to lose
        ends[begun] += 1

    side_by_side(map(life, sample(album, operations, every=8)))
    assert ends[True] > 12


def test_a_power_cut_finds_every_file_whole(operations: list[str]) -> None:
    renamed = [what.removeprefix("os.rename ") for what in operations if what.startswith("os.rename")]
    for temporary in renamed:
        place = operations.index(f"os.rename {temporary}")
        before, after = operations[place - 3 : place], operations[place + 1]
        assert before == [f"open {temporary}", f"write {temporary}", f"fsync {temporary}"]
        assert after == f"fsync {Path(temporary).parent}"
    made = [what.removeprefix("os.mkdir ") for what in operations if re.fullmatch(r"os.mkdir run/(check|wei)\w+", what)]
    assert [operations[operations.index(f"os.mkdir {folder}") + 1] for folder in made] == ["fsync run", "fsync run"]


@pytest.mark.parametrize("count", [6, pytest.param(20, marks=pytest.mark.stress)])
def test_kill_9_at_random_moments_changes_no_bit(count: int, tmp_path: Path, drawings: Path) -> None:
    command = (f"data.root={drawings}", *LONGER)
    begin = time.monotonic()
    assert call(tmp_path, *command).code == 0
    duration_s = time.monotonic() - begin
    undisturbed = ending(tmp_path / "run")
    kills = list[int]()
    side_by_side(killed_life(tmp_path / str(n), command, duration_s, undisturbed, kills) for n in range(count))
    assert sum(kills) >= len(kills) == count


# Signals


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGINT,),
        pytest.param((signal.SIGTERM,), marks=pytest.mark.stress),
        pytest.param((signal.SIGHUP,), marks=pytest.mark.stress),
        (signal.SIGUSR2,),
        (signal.SIGTERM, signal.SIGTERM),  # as Slurm cancels a job, within milliseconds
        pytest.param((signal.SIGTERM, signal.SIGUSR2), marks=pytest.mark.stress),
    ],
    ids=["ctrl-c", "sigterm", "sighup", "sigusr2", "sigterm-twice", "sigterm-sigusr2"],
)
def test_a_signal_saves_and_prints_how_to_continue(
    numbers: tuple[int, ...], tmp_path: Path, tiny: tuple[str, ...], undisturbed: dict[str, Any]
) -> None:
    setup = partial(faults.signals_in_training, *numbers)
    outcome = call(tmp_path, *tiny, "trainer.checkpoint_every_s=1000", setup=setup)
    run = tmp_path / "run"
    assert outcome.code == 128 + numbers[0]
    assert outcome.err == "stopped; continue with: python run.py resume=run\n"
    assert checkpoints(run) == ["00000003.safetensors"]
    assert (status(run)["state"], status(run)["step"]) == ("interrupted", 3)
    assert stray(tmp_path) == []
    printed = shlex.split(outcome.err)[-1]
    outcome = call(tmp_path, printed)
    assert (outcome.code, outcome.err) == (0, "")
    assert "continuing after step 3" in outcome.out
    weights = ending(run)["weights"]
    assert weights == undisturbed["weights"]


def test_a_launchers_own_handler_has_its_turn_when_the_run_has_saved(
    tmp_path: Path, tiny: tuple[str, ...], undisturbed: dict[str, Any]
) -> None:
    outcome = call(tmp_path, *tiny, setup=faults.queued_again_by_sigusr2)
    run = tmp_path / "run"
    assert outcome.code == 7
    assert outcome.out.endswith("queued again\n")
    assert (checkpoints(run)[-1], status(run)["state"]) == ("00000003.safetensors", "interrupted")
    assert resume(run).code == 0
    assert ending(run)["weights"] == undisturbed["weights"]


def test_a_second_signal_stops_at_once(tmp_path: Path, tiny: tuple[str, ...], undisturbed: dict[str, Any]) -> None:
    outcome = call(tmp_path, *tiny, setup=partial(faults.signals_in_training, signal.SIGINT, signal.SIGINT))
    run = tmp_path / "run"
    assert outcome.code == 130
    assert len(outcome.err.splitlines()) == 1
    assert checkpoints(run) == ["00000001.safetensors", "00000002.safetensors"]  # the third step was not finished
    assert stray(tmp_path) == []
    assert resume(run).code == 0
    assert ending(run) == undisturbed


@pytest.mark.parametrize("fraction", [0.3, 0.7])
def test_a_signal_amid_a_file_operation_is_as_safe(
    fraction: float, tmp_path: Path, tiny: tuple[str, ...], operations: list[str], undisturbed: dict[str, Any]
) -> None:
    number = int(fraction * len(operations))
    outcome = call(tmp_path, *tiny, setup=partial(faults.signal_at, number, signal.SIGTERM))
    assert outcome.code == 143, operations[number - 1]
    assert stray(tmp_path) == []
    assert resume(tmp_path / "run").code == 0
    assert ending(tmp_path / "run") == undisturbed


# What a resumed run finds


def test_tensorboard_shows_every_step_once_although_the_clock_jumped(stopped: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert resume(stopped, setup=partial(faults.clock_set_back, 86400.0)).code == 0
    events = EventAccumulator(str(stopped / "tensorboard"))
    events.Reload()
    for tag in ("Loss/train", "Loss/val", "Accuracy/val"):
        assert [event.step for event in events.Scalars(tag)] == [1, 2]


def test_resuming_a_completed_run_changes_nothing(album: Path) -> None:
    run = album / "here/run"
    before = contents(run)
    outcome = resume(run)
    assert (outcome.code, outcome.err) == (0, "")
    assert "is completed" in outcome.out
    assert contents(run) == before


def test_a_run_without_a_checkpoint_starts_at_step_0(stopped: Path, undisturbed: dict[str, Any]) -> None:
    shutil.rmtree(stopped / "checkpoint")
    outcome = resume(stopped)
    assert "no checkpoint yet: starting at step 0" in outcome.out
    assert ending(stopped) == undisturbed


def test_a_half_written_hydra_folder_does_not_matter(stopped: Path, undisturbed: dict[str, Any]) -> None:
    for path in (stopped / ".hydra").iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (stopped / ".hydra/overrides.yaml").unlink()
    assert resume(stopped).code == 0
    assert ending(stopped) == undisturbed


def test_a_damaged_newest_checkpoint_falls_back_loudly(stopped: Path, undisturbed: dict[str, Any]) -> None:
    flip_a_bit(stopped / "checkpoint/00000003.safetensors")
    outcome = resume(stopped)
    assert outcome.code == 0
    assert "00000003.safetensors: damaged: its sha256 does not match; falling back" in outcome.out
    assert "continuing after step 2" in outcome.out
    assert "damaged" in status(stopped)["warnings"][0]
    assert ending(stopped) == undisturbed


def test_two_damaged_checkpoints_are_never_silently_zero(stopped: Path) -> None:
    for path in (stopped / "checkpoint").iterdir():
        flip_a_bit(path)
    before = contents(stopped / "checkpoint")
    assert refused(resume(stopped), "no checkpoint can be read", "restore one", "or remove that folder")
    assert contents(stopped / "checkpoint") == before


def test_a_checkpoint_of_a_newer_format_is_refused(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", 9)
    for path in (stopped / "checkpoint").iterdir():
        path.write_bytes(checkpoint.encode({}, {}))
    assert refused(resume(stopped), "of format 9, written by another version; this one reads 2")


def test_data_that_changed_is_refused_until_it_is_back(drawings: Path, tmp_path: Path, tiny: tuple[str, ...]) -> None:
    shutil.copytree(drawings, tmp_path / "data")
    call(tmp_path, *tiny, "data.root=data", setup=partial(faults.signals_in_training, signal.SIGTERM))
    before = contents(tmp_path / "run/checkpoint")
    moon = tmp_path / "data/moon.npy"
    moon.write_bytes(moon.read_bytes()[:-1] + b"\1")
    assert refused(resume(tmp_path / "run"), "the drawings of moon changed", "bring the old files back")
    assert contents(tmp_path / "run/checkpoint") == before
    shutil.copy(drawings / "moon.npy", moon)
    assert resume(tmp_path / "run").code == 0


# What a user may change


def test_changed_settings_are_refused_key_by_key(stopped: Path, undisturbed: dict[str, Any]) -> None:
    outcome = resume(stopped, "optimizer.lr=0.1", "model.hidden=16", "trainer.progress=true")
    assert refused(outcome, "optimizer.lr was 0.01 and is 0.1", "model.hidden was 8 and is 16")
    assert "progress" not in outcome.err
    assert status(stopped)["state"] == "interrupted"
    assert resume(stopped).code == 0
    assert ending(stopped) == undisturbed


def test_a_setting_with_a_bad_value_is_refused_and_not_recorded(stopped: Path) -> None:
    assert refused(resume(stopped, "optimizer.lr=-1"), "optimizer.lr: expected a number above 0, got -1")
    assert status(stopped)["state"] == "interrupted"


def test_log_level_and_places_of_output_may_change(stopped: Path, undisturbed: dict[str, Any]) -> None:
    outcome = resume(stopped, "hydra.job_logging.root.level=WARNING", "data.cache=elsewhere", "trainer.progress=false")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert ending(stopped)["weights"] == undisturbed["weights"]
    assert status(stopped)["warnings"] == []


def test_another_number_of_threads_is_a_recorded_warning(stopped: Path) -> None:
    outcome = resume(stopped, "threads=2")
    assert (outcome.code, outcome.err) == (0, "")
    (warning,) = status(stopped)["warnings"]
    assert warning == "threads was 1 and is 2: the run may end with other bits than it would have"
    assert f"warning: {warning}" in outcome.out


def test_another_torch_is_a_recorded_warning(stopped: Path) -> None:
    outcome = resume(stopped, setup=faults.other_torch)
    assert (outcome.code, outcome.err) == (0, "")
    (warning,) = status(stopped)["warnings"]
    assert re.match(r"versions.torch was '\d.*' and is '1.0.0'", warning)


def test_a_sweep_cannot_be_resumed_as_a_run(stopped: Path) -> None:
    assert refused(resume(stopped, "-m"), "leave -m out")
    assert not (stopped.parent / "outputs/multirun").exists()


# Folders


@pytest.mark.parametrize("kind", ["missing", "empty", "a file", "damaged"])
def test_a_folder_that_is_no_run_is_refused(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    if kind == "a file":
        run.write_text("not a folder")
    elif kind != "missing":
        run.mkdir()
    if kind == "damaged":
        (run / "status.json").write_text('{"state": "inter')
    before = contents(tmp_path)
    none = "resume=run: expected the folder of a run that began; start a new one"
    assert refused(resume(run), "run: damaged: status.json: expected JSON" if kind == "damaged" else none)
    assert contents(tmp_path) == before
    assert run.exists() == (kind != "missing")


def test_one_process_a_folder(stopped: Path, undisturbed: dict[str, Any]) -> None:
    go_on = stopped.parent / "go on"
    first = Program(stopped.parent, ["resume=run"], partial(faults.held_until, go_on))
    deadline = time.monotonic() + 60
    while status(stopped)["state"] != "running" and time.monotonic() < deadline:
        time.sleep(0.01)
    outcome = resume(stopped)
    go_on.touch()
    assert first.wait().code == 0
    assert refused(outcome, f"process {first.process.pid} is training in this folder", "stop it")
    assert ending(stopped) == undisturbed


def test_who_is_refused_learns_of_a_process_that_has_only_just_started(stopped: Path) -> None:
    with RunFolder(stopped).claimed():
        outcome = resume(stopped)
    assert refused(outcome, f"process {os.getpid()} is training in this folder")


@pytest.mark.parametrize("name", ["two words, 'quoted' (1)", "Überläufe=1", "a$b%c", "back\\slash\\"])
def test_a_run_may_lie_anywhere(name: str, stopped: Path, undisturbed: dict[str, Any]) -> None:
    run = stopped.rename(stopped.with_name(name))
    outcome = resume(run)
    assert (outcome.code, outcome.err) == (0, "")
    assert ending(run) == undisturbed


MKDIR = "{_target_:os.mkdir,path:made}"


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer._target_=os.mkdir"],
        [f"+optimizer.betas=[{MKDIR}]"],
        [f"+optimizer._args_=[{MKDIR}]"],
        [f"data.root={MKDIR}"],
        [f"+hydra.callbacks.evil={MKDIR}"],
        ["hydra/launcher=local"],
        ["hydra.searchpath=[/tmp]"],
        ["model@hydra.callbacks.evil=mlp"],
        ["experiment=../../evil"],
        ["+experiment=['../../evil']"],
        ["--config-dir=/tmp"],
        ["-m"],
        [5],
        "seed=1",
    ],
    ids=str,
)
def test_saved_overrides_run_no_foreign_code(overrides: Any, stopped: Path) -> None:
    content = status(stopped)
    content["overrides"] = overrides if isinstance(overrides, str) else [*content["overrides"], *overrides]
    (stopped / "status.json").write_text(json.dumps(content))
    assert refused(resume(stopped))
    assert not (stopped.parent / "made").exists()


def test_a_saved_configuration_that_names_foreign_code_is_refused(stopped: Path) -> None:
    content = status(stopped)
    content["config"]["model"] = {"_target_": "os.mkdir", "path": "made"}
    (stopped / "status.json").write_text(json.dumps(content))
    assert refused(resume(stopped), "model._target_ was 'os.mkdir' and is 'quickdraw.model.mlp.MLP'")
    assert not (stopped.parent / "made").exists()
