"""Whatever goes wrong is said in one line, names a remedy, and loses nothing that was finished.

The faults of time (death, signals, two processes) are in `test_resume.py`.
"""

import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quickdraw.data.doodles import draw_class
from quickdraw.errors import WeightsError
from quickdraw.model.convnet import load_weights
from tests.support import faults
from tests.support.fuzz import FUZZ, check_fuzzed_file
from tests.support.program import ROOT, call, with_pictures
from tests.support.resuming import TINY, Life, calling, ending, refused, resume, side_by_side, stray


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawings in `data/` and a tiny run of them, stopped in its third step, in `run/`."""
    folder = tmp_path_factory.mktemp("origin")
    (folder / "data").mkdir()
    for name in ("cat", "moon"):
        np.save(folder / f"data/{name}.npy", draw_class(name, 60, seed=0))
    outcome = call(folder, *TINY, setup=partial(faults.signals_in_training, signal.SIGTERM))
    assert outcome.code == 143
    return folder


@pytest.fixture
def home(origin: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    shutil.copytree(origin, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="module")
def undisturbed(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the run ends with when nothing goes wrong."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(origin, folder, dirs_exist_ok=True)
    assert resume(folder / "run").code == 0
    return ending(folder / "run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("fuzz")


def kept(home: Path, origin: Path) -> bool:
    """Return whether what the stopped run had finished is still there."""
    saved = sorted((origin / "run/checkpoint").iterdir())
    return [path.read_bytes() for path in saved] == [
        (home / path.relative_to(origin)).read_bytes() for path in saved
    ] and not stray(home)


# Class files

FETCH = "python -m quickdraw.data.download moon"


def no_file(path: Path, good: np.ndarray) -> None:
    path.unlink()


def empty(path: Path, good: np.ndarray) -> None:
    path.write_bytes(b"")


def truncated(path: Path, good: np.ndarray) -> None:
    os.truncate(path, path.stat().st_size - 100)


def trailing(path: Path, good: np.ndarray) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def floats(path: Path, good: np.ndarray) -> None:
    np.save(path, good.astype(np.float32))


def images(path: Path, good: np.ndarray) -> None:
    np.save(path, good.reshape(-1, 28, 28))


def fortran(path: Path, good: np.ndarray) -> None:
    np.save(path, np.asfortranarray(good))


def archive(path: Path, good: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, good)
    path.write_bytes(buffer.getvalue())


def page(path: Path, good: np.ndarray) -> None:
    path.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")


class MakesAFolder:
    """What pickles into a call."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("made",)


def objects(path: Path, good: np.ndarray) -> None:
    np.save(path, np.array([MakesAFolder()], dtype=object), allow_pickle=True)


def code(path: Path, good: np.ndarray) -> None:
    header = b"{'descr': __import__('os').mkdir('made') or '|u1', 'fortran_order': False, 'shape': (60, 784)}\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + good.tobytes())


def no_drawings(path: Path, good: np.ndarray) -> None:
    np.save(path, good[:0])


def a_folder(path: Path, good: np.ndarray) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "words", "remedy"),
    [
        (no_file, "1 of 2 class files are missing: data/moon.npy", FETCH),
        (a_folder, "1 of 2 class files are missing: data/moon.npy", FETCH),
        (empty, "not an .npy file", FETCH),
        (truncated, "expected 47,168 bytes for 60 drawings, got 47,068 bytes", FETCH),
        (trailing, "expected 47,168 bytes for 60 drawings, got 47,172 bytes", FETCH),
        (floats, "expected uint8 [N, 784], got float32 [60, 784]", "save a.round()"),
        (images, "expected uint8 [N, 784], got uint8 [60, 28, 28]", "save a.reshape(len(a), 784)"),
        (fortran, "expected uint8 [N, 784], got uint8 [60, 784] in Fortran order", "save np.ascontiguousarray(a)"),
        (archive, "not an .npy file", FETCH),
        (page, "not an .npy file", FETCH),
        (objects, "expected uint8 [N, 784], got object [1]", "make it again"),
        (code, "not an .npy file", FETCH),
        (no_drawings, "expected drawings, got none", FETCH),
    ],
)
def test_a_bad_class_file(
    damage: Callable[[Path, np.ndarray], None], words: str, remedy: str, home: Path, origin: Path
) -> None:
    path = home / "data/moon.npy"
    damage(path, np.load(path))
    outcome = resume(home / "run")
    assert refused(outcome, "moon.npy", words, remedy)
    assert not (home / "made").exists()
    assert kept(home, origin)
    assert json.loads((home / "run/status.json").read_text())["state"] == "failed"


@given(data=st.data())
@settings(FUZZ, max_examples=150)
def test_no_fuzzed_class_file_is_taken_for_other_drawings(data: st.DataObject, folder: Path) -> None:
    check_fuzzed_file(data, folder / "fuzzed.npy")


# Places


def test_a_data_folder_may_be_read_only_linked_and_oddly_named(home: Path) -> None:
    (home / "data").rename(home / "drawings of Zoë, 1")
    (home / "link").symlink_to("drawings of Zoë, 1")
    for root in ("link", "'drawings of Zoë, 1'"):
        arguments = (*TINY, f"data.root={root}", f"hydra.run.dir=run{len(root)}")
        outcome = call(home, *arguments, setup=partial(faults.read_only, home / "drawings of Zoë, 1"))
        assert (outcome.code, outcome.err) == (0, "")


def test_a_data_folder_that_is_none(home: Path, origin: Path) -> None:
    (home / "data").rename(home / "elsewhere")
    assert refused(resume(home / "run"), "data.root=data: no such folder", "put the classes' .npy files there")
    (home / "data").write_text("a file")
    assert refused(resume(home / "run"), "data.root=data: no such folder")
    assert kept(home, origin)


def test_the_output_folder_is_read_only(home: Path, origin: Path, undisturbed: dict[str, Any]) -> None:
    outcome = resume(home / "run", setup=partial(faults.read_only, home))
    assert refused(outcome, "Read-only file system", "make it writable, or choose another place")
    assert kept(home, origin)
    assert resume(home / "run").code == 0
    assert ending(home / "run") == undisturbed


def test_the_output_folder_is_a_file(home: Path, origin: Path) -> None:
    (home / "outputs2").write_text("a file")
    outcome = call(home, *TINY, "hydra.run.dir=outputs2/run")
    assert refused(outcome, "Not a directory", "choose another place: hydra.run.dir=FOLDER")
    assert kept(home, origin)


def little_room(size: int) -> None:
    """Let the disk be full for every file that would grow beyond `size` bytes; the largest one holds pictures."""
    with_pictures()
    faults.no_file_larger_than(size)


SIZES = [1200, 4000, 60_000, 140_000]
MORE_SIZES = [600, 2500, 6000, 10_000, 100_000, 170_000]


@pytest.mark.parametrize("size", [*SIZES, *(pytest.param(size, marks=pytest.mark.stress) for size in MORE_SIZES)])
def test_a_full_disk(size: int, home: Path, origin: Path, undisturbed: dict[str, Any]) -> None:
    outcome = resume(home / "run", setup=partial(little_room, size))
    if outcome.code:
        assert refused(outcome, "File too large", "make room and continue the run")
        newest = max(path.name for path in (home / "run/checkpoint").iterdir())
        assert newest > "00000003.safetensors" or kept(home, origin)  # it may have gone on until the disk was full
        assert stray(home) == []
        assert resume(home / "run").code == 0
    assert ending(home / "run") == undisturbed


def test_a_full_shared_memory_is_not_needed(home: Path, undisturbed: dict[str, Any]) -> None:
    if os.geteuid():
        pytest.skip("only root can fill /dev/shm for one process")
    outcome = resume(home / "run", setup=faults.full_shared_memory)
    assert (outcome.code, outcome.err) == (0, "")
    assert ending(home / "run") == undisturbed


def test_the_cache_is_rid_of_what_was_left_half_written_an_hour_ago(home: Path) -> None:
    new, old = home / "outputs/.cache/splits/.new.npy.0.tmp", home / "outputs/.cache/splits/.old.npy.0.tmp"
    for path in (new, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert resume(home / "run").code == 0
    assert (new.exists(), old.exists()) == (True, False)


# Computation


def test_a_loss_that_diverges(home: Path, origin: Path) -> None:
    outcome = call(home, *TINY, "hydra.run.dir=diverging", "optimizer=sgd", "optimizer.lr=1e30")
    assert refused(outcome, "loss became", "lower optimizer.lr, or set trainer.grad_clip=1")
    assert json.loads((home / "diverging/status.json").read_text())["state"] == "diverged"
    assert kept(home, origin)


def test_a_loss_that_diverges_in_the_very_last_step(home: Path) -> None:
    arguments = ("optimizer=sgd", "optimizer.lr=1e38", "data.batch_size=1000", "trainer.epochs=1", "schedule=constant")
    outcome = call(home, *TINY, "hydra.run.dir=diverging", *arguments)
    assert refused(outcome, "the validation loss became nan at step 1", "lower optimizer.lr")
    assert json.loads((home / "diverging/status.json").read_text())["state"] == "diverged"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu(home: Path, origin: Path) -> None:
    outcome = resume(home / "run", "device=cuda")
    assert refused(outcome, "device=cuda: torch finds no such device here; use device=auto or device=cpu")
    assert kept(home, origin)
    outcome = resume(home / "run", "device=auto")
    assert outcome.code == 0
    assert "; on cpu, threads=1, " in outcome.out


def test_out_of_memory(home: Path, origin: Path) -> None:
    arguments = ("hydra.run.dir=large", "model.hidden=1000000")
    outcome = call(home, *TINY, *arguments, setup=faults.little_memory)
    assert refused(outcome, "out of memory; lower data.batch_size, or set data.limit_per_class")
    assert kept(home, origin)


def test_two_runs_in_the_same_second_have_two_folders(home: Path) -> None:
    command = [argument for argument in TINY if not argument.startswith("hydra.run.dir")]

    def life() -> Life:
        outcome = yield calling(home, *command)
        assert (outcome.code, outcome.err) == (0, "")

    side_by_side(life() for _ in range(2))
    assert len(list(home.glob("outputs/runs/quickdraw/*/result.json"))) == 2


def test_an_ascii_locale(home: Path, undisturbed: dict[str, Any]) -> None:
    (home / "data").rename(home / "Zoë")
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, ROOT / "run.py", *TINY, "data.root='Zoë'", "hydra.run.dir='größe'"]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ending(home / "größe")["weights"] == undisturbed["weights"]


# Weights


def test_weights_that_are_a_hostile_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save({"conv1.weight": MakesAFolder()}, buffer)
    for data in (pickle.dumps(MakesAFolder()), buffer.getvalue()):
        Path("x_net.pth").write_bytes(data)
        description = {"classes": ["a", "b"], "model": "quickdraw.model.convnet.ConvNet"}
        Path("x_net.json").write_text(json.dumps(description | {"sha256": "0" * 64}))
        with pytest.raises(WeightsError, match="does not match the sha256"):
            load_weights("x_net.pth")
        Path("x_net.json").write_text(json.dumps(description | {"sha256": hashlib.sha256(data).hexdigest()}))
        with pytest.raises(WeightsError, match="expected weights written by"):
            load_weights("x_net.pth")
        assert not Path("made").exists()
