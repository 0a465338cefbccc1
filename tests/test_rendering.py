"""`data=strokes`: rendered once, on all cores, whatever stops it, and then served as bitmaps are."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.dataset import Dataset
from quickdraw.data.doodles import draw
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.data.rendering import render, stroke_files, workers
from quickdraw.data.rendering.rasterise import rasterise_all
from quickdraw.data.strokes import Strokes
from quickdraw.errors import DataError, RunError
from tests.support.program import ROOT, call
from tests.support.sketchrnn import offsets_of, write_sketchrnn

CLASSES = ["cat", "moon"]
COUNT = 40
DRAWINGS = {
    name: [draw(name, np.random.default_rng([number, row])) for row in range(COUNT)]
    for number, name in enumerate(CLASSES)
}
IMAGES = {name: rasterise_all(drawings).reshape(-1, 784) for name, drawings in DRAWINGS.items()}
SIZES = (28, 6, 6)  # of train, valid and test in a sketchrnn file


def write_ndjson(path: Path, drawings: list[list[list[list[int]]]]) -> None:
    lines = [json.dumps({"recognized": row % 4 > 0, "drawing": each}) for row, each in enumerate(drawings)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with cat.ndjson and moon.npz."""
    folder = tmp_path / "strokes"
    folder.mkdir()
    write_ndjson(folder / "cat.ndjson", DRAWINGS["cat"])
    write_sketchrnn(folder / "moon.npz", [offsets_of(each) for each in DRAWINGS["moon"]], SIZES)
    return folder


@pytest.fixture
def opened(root: Path, tmp_path: Path) -> Callable[..., Strokes]:
    """Open that folder."""
    return lambda **settings: Strokes(**({"root": root, "classes": CLASSES, "cache": tmp_path / "cache"} | settings))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The parts that were rendered, in chunks of 10 drawings."""
    noted: list[Path] = []
    monkeypatch.setattr(stroke_files, "CHUNK", 10)
    monkeypatch.setattr(workers, "rasterise_all", lambda drawings: noted.append(Path()) or rasterise_all(drawings))
    return noted


def files(data: Dataset) -> list[np.ndarray]:
    return list(data.train.files)


def test_a_mix_of_files_is_rendered_as_rasterise_does_and_split_as_bitmaps_are(
    opened: Callable[..., Strokes], tmp_path: Path
) -> None:
    data = opened()
    for rows, images in zip(files(data), IMAGES.values(), strict=True):
        np.testing.assert_array_equal(rows, images)
    for name, images in IMAGES.items():
        np.save(tmp_path / f"{name}.npy", images)
    bitmaps = Bitmaps(tmp_path, CLASSES, cache=tmp_path / "other")
    for part in ("train", "val", "test"):
        np.testing.assert_array_equal(getattr(data, part).indices, getattr(bitmaps, part).indices)
    assert data.fingerprints == bitmaps.fingerprints


def test_real_strokes_are_split_as_their_official_bitmaps_and_look_like_them(
    real_drawings: Path, tmp_path: Path
) -> None:
    strokes = Strokes(real_drawings / "strokes", DEFAULT_CLASSES, cache=tmp_path)
    bitmaps = Bitmaps(real_drawings / "strokes_rendered", DEFAULT_CLASSES, cache=tmp_path)
    np.testing.assert_array_equal(strokes.test.indices, bitmaps.test.indices)
    difference = [np.abs(a.astype(int) - b).mean() for a, b in zip(files(strokes), files(bitmaps), strict=True)]
    assert np.mean(difference) < 0.2  # grey levels; measured: 0.16


def test_the_second_start_reads_no_strokes(opened: Callable[..., Strokes], monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened()
    for reader in (stroke_files.Simplified, stroke_files.SketchRnn):
        monkeypatch.setattr(reader, "chunks", None)
    second = opened()
    for one, other in zip(files(first), files(second), strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(isinstance(rows.base, np.memmap) for rows in files(second))


def test_recognized_only_and_limits_take_what_they_say(opened: Callable[..., Strokes]) -> None:
    cat, moon = files(opened(recognized_only=True))
    np.testing.assert_array_equal(cat, IMAGES["cat"][np.arange(COUNT) % 4 > 0])
    assert len(moon) == COUNT
    for limit in (10, 25):
        cat, moon = files(opened(recognized_only=True, limit_per_class=limit))
        np.testing.assert_array_equal(cat, IMAGES["cat"][np.arange(COUNT) % 4 > 0][:limit])
        np.testing.assert_array_equal(moon, IMAGES["moon"][:limit])


def test_own_split_is_the_files_own(root: Path, opened: Callable[..., Strokes]) -> None:
    write_sketchrnn(root / "cat.npz", [offsets_of(each) for each in DRAWINGS["cat"]], SIZES)
    data = opened(own_split=True)
    rows = np.arange(2 * COUNT).reshape(2, COUNT)
    assert data.train.indices.tolist() == rows[:, :28].ravel().tolist()
    assert data.val.indices.tolist() == rows[:, 28:34].ravel().tolist()
    assert data.test.indices.tolist() == rows[:, 34:].ravel().tolist()
    assert opened(own_split=True, limit_per_class=20).counts() == {
        "train": 28, "val": 6, "test": 6, "total": 40, "copies": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("limit", "sizes"), [(25, (18, 4, 4)), (12, (9, 2, 2)), (20, (14, 3, 3))])
def test_of_an_own_split_a_limit_takes_shares_rounded_up(
    root: Path, opened: Callable[..., Strokes], limit: int, sizes: tuple[int, ...]
) -> None:
    write_sketchrnn(root / "cat.npz", [offsets_of(each) for each in DRAWINGS["cat"]], SIZES)
    data = opened(own_split=True, limit_per_class=limit)
    counts = data.counts()
    assert tuple(counts[split] for split in ("train", "val", "test")) == tuple(2 * size for size in sizes)
    starts = (0, 28, 34)
    rows = np.concatenate([np.arange(start, start + size) for start, size in zip(starts, sizes, strict=True)])
    for file, images in zip(files(data), IMAGES.values(), strict=True):
        np.testing.assert_array_equal(file, images[rows])


def test_both_splits_of_the_same_files_are_served_from_one_cache(root: Path, opened: Callable[..., Strokes]) -> None:
    write_sketchrnn(root / "cat.npz", [offsets_of(each) for each in DRAWINGS["cat"]], SIZES)
    (root / "cat.ndjson").unlink()
    first = {own: opened(own_split=own).test.indices.tolist() for own in (True, False)}
    again = {own: opened(own_split=own).test.indices.tolist() for own in (True, False)}
    assert again == first
    assert first[True] == [*range(34, 40), *range(74, 80)] != first[False]


def test_a_copy_leaves_its_own_split_for_that_of_the_first(root: Path, opened: Callable[..., Strokes]) -> None:
    drawings = [offsets_of(each) for each in DRAWINGS["cat"]]
    drawings[39] = drawings[3]  # a test drawing that is one of train
    write_sketchrnn(root / "cat.npz", drawings, SIZES)
    data = opened(own_split=True)
    assert 39 in data.train.indices
    assert data.copies == 1


def test_own_split_wants_sketchrnn_files(opened: Callable[..., Strokes], root: Path) -> None:
    with pytest.raises(DataError) as error:
        opened(own_split=True)
    assert f"1 of 2 class files are missing: {root / 'cat.npz'}" in str(error.value)
    assert "--kind sketchrnn" in str(error.value)


def test_missing_files_are_listed_with_the_command_that_fetches_them(opened: Callable[..., Strokes]) -> None:
    with pytest.raises(DataError) as error:
        opened(classes=["cat", "door", "eye"])
    assert "2 of 3 class files are missing" in str(error.value)
    assert "door.ndjson or .npz" in str(error.value)
    assert "python -m quickdraw.data.download door eye --kind simplified --root" in str(error.value)


def test_what_was_rendered_before_a_kill_is_not_rendered_again(
    opened: Callable[..., Strokes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[Path]
) -> None:
    def stopped(path: Path, data: bytes) -> None:
        if len(calls) == 6:
            raise KeyboardInterrupt
        write(path, data)
        parts.append(path)

    parts: list[Path] = []
    write = workers.atomic_write
    monkeypatch.setattr(workers, "atomic_write", stopped)
    with pytest.raises(KeyboardInterrupt):
        opened()
    assert len(parts) >= 5
    monkeypatch.setattr(workers, "atomic_write", write)
    calls.clear()
    data = opened()
    assert len(calls) == 9 - len(parts)  # of 4 + 5: the npz's three lists have parts of their own
    for rows, images in zip(files(data), IMAGES.values(), strict=True):
        np.testing.assert_array_equal(rows, images)
    left = {path.suffix for path in (tmp_path / "cache" / "strokes").iterdir()}
    assert left == {".npy", ".sha256", ""}  # the whole files, what they are known by, and the lock


def test_many_processes_render_the_same_bytes(
    opened: Callable[..., Strokes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened()
    monkeypatch.setattr(stroke_files, "CHUNK", 10)
    monkeypatch.setattr(render, "usable_cores", lambda: 2)
    monkeypatch.setattr(render, "DRAWINGS_PER_PROCESS", 1)
    monkeypatch.setattr(workers, "render_chunk", None)  # it is another process's
    many = opened(cache=tmp_path / "many")
    assert many.fingerprints == one.fingerprints


@pytest.mark.parametrize("processes", [1, 2])
def test_a_bad_drawing_is_told_by_file_and_line(
    root: Path, opened: Callable[..., Strokes], monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(render, "usable_cores", lambda: processes)
    monkeypatch.setattr(render, "DRAWINGS_PER_PROCESS", 1)
    with (root / "cat.ndjson").open("a") as file:
        file.write('{"drawing": [[[0, 300], [0, 1]]]}\n')
    with pytest.raises(DataError, match=r"cat\.ndjson, line 41: expected strokes in 0\.\.255, got 0\.\.300"):
        opened()


def test_a_process_that_is_killed_is_told_and_nothing_hangs(root: Path, tmp_path: Path) -> None:
    worker = workers.Worker()
    worker.process.kill()
    (chunk,) = stroke_files.Simplified(root / "cat.ndjson", None, False).chunks()
    with pytest.raises(RunError, match=r"ended with -9.*the same command continues"):
        worker(chunk, tmp_path / "part.npy")
    worker.close()


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Linux does")
def test_processes_end_with_the_one_that_started_them() -> None:
    start = "from quickdraw.data.rendering.workers import Worker; Worker()"
    program = f"import os, signal; {start}; os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=False
    )  # which returns when all who hold its standard error have ended
    assert killed.returncode == -9
    assert killed.stderr == b""


def test_a_file_that_changed_is_rendered_anew(root: Path, opened: Callable[..., Strokes]) -> None:
    opened()
    write_ndjson(root / "cat.ndjson", DRAWINGS["cat"][::-1])
    np.testing.assert_array_equal(files(opened())[0], IMAGES["cat"][::-1])


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\x93NUMPY\x01"], ids=repr)
def test_a_damaged_rendering_is_made_anew(opened: Callable[..., Strokes], tmp_path: Path, content: bytes) -> None:
    opened()
    for path in (tmp_path / "cache" / "strokes").glob("*.npy"):
        path.write_bytes(content)
    np.testing.assert_array_equal(files(opened())[0], IMAGES["cat"])


def test_a_file_without_a_drawing_is_refused(root: Path, opened: Callable[..., Strokes]) -> None:
    (root / "cat.ndjson").write_text("\n")
    with pytest.raises(DataError, match=r"cat\.ndjson: expected drawings, got none"):
        opened()


def test_a_cache_that_cannot_be_used_is_told_with_the_key_that_moves_it(
    opened: Callable[..., Strokes], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/strokes: cannot keep drawings there .*data\.cache=FOLDER"):
        opened(cache=tmp_path / "file")


def test_a_run_trains_from_strokes(root: Path, tmp_path: Path) -> None:
    outcome = call(
        tmp_path, "data=strokes", f"data.root={root}", "data.classes=[cat,moon]", "trainer=smoke", "threads=1"
    )
    assert outcome.code == 0, outcome.err
    assert "80 drawings of 2 classes: 56 train, 12 val, 12 test" in outcome.out


@pytest.mark.parametrize("top", [1.0, 27.0])
def test_drawings_in_other_units_are_refused_with_the_factor(
    root: Path, opened: Callable[..., Strokes], top: float
) -> None:
    small = []
    for drawing in DRAWINGS["cat"]:
        largest = max(max(*x, *y) for x, y in drawing)
        small.append([[[value * top / largest for value in axis] for axis in stroke] for stroke in drawing])
    write_ndjson(root / "cat.ndjson", small)
    words = rf"cat\.ndjson, line 1: expected strokes in 0\.\.255, got none above {top:g} in 40 drawings; multiply .* by"
    with pytest.raises(DataError, match=words):
        opened()


def test_a_last_drawing_that_is_a_dot_is_one(root: Path, opened: Callable[..., Strokes], calls: list[Path]) -> None:
    write_ndjson(root / "cat.ndjson", [*DRAWINGS["cat"], [[[7], [7]]]])
    assert len(opened().train.files[0]) == 41
