"""Files of strokes are read in pieces, checked, and complained of by file and place."""

import itertools
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickdraw.data.doodles import draw
from quickdraw.data.rendering import stroke_files
from quickdraw.data.rendering.rasterise import Drawing, rasterise
from quickdraw.data.rendering.stroke_files import Simplified, SketchRnn, StrokeFile, strokes_of
from quickdraw.errors import DataError
from tests.support.sketchrnn import PICKLERS, header, object_array, offsets_of, python2, write_npz, write_sketchrnn

DRAWINGS = [draw("cat", np.random.default_rng(number)) for number in range(12)]
RECORDS = [{"word": "cat", "recognized": number % 3 > 0, "drawing": each} for number, each in enumerate(DRAWINGS)]
OFFSETS = [offsets_of(drawing) for drawing in DRAWINGS]
SIZES = (8, 2, 2)


def drawings_of(file: StrokeFile) -> list[Drawing]:
    """Return all of a file's drawings, each chunk sent to another process and back."""
    return [each for chunk in file.chunks() for each in pickle.loads(pickle.dumps(chunk)).read().values()]


@pytest.fixture
def ndjson(tmp_path: Path) -> Path:
    """Twelve cats, of which every third is not recognised."""
    path = tmp_path / "cat.ndjson"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    return path


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """The same cats, 8 for train, 2 for valid, 2 for test."""
    path = tmp_path / "cat.npz"
    write_sketchrnn(path, OFFSETS, SIZES)
    return path


@pytest.mark.parametrize("size", [1, 5, 12, 2048])
def test_a_file_is_read_whole_in_chunks_of_any_size(
    ndjson: Path, npz: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(stroke_files, "CHUNK", size)
    for file in (Simplified(ndjson, None, False), SketchRnn(npz, None, False)):
        assert drawings_of(file) == DRAWINGS
        assert file.count() == 12


def test_only_recognised_drawings_are_read_on_demand(ndjson: Path) -> None:
    expected = [record["drawing"] for record in RECORDS if record["recognized"]]
    assert drawings_of(Simplified(ndjson, None, recognized_only=True)) == expected


@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n", "\r\n"], ids=repr)
def test_lines_end_as_they_like_and_empty_ones_are_passed_over(tmp_path: Path, end: str) -> None:
    path = tmp_path / "cat.ndjson"
    path.write_bytes(("\r\n\n".join(map(json.dumps, RECORDS)) + end).encode())
    assert drawings_of(Simplified(path, None, False)) == DRAWINGS


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"cat", "expected a JSON object, got 'cat'"),
        (b'{"drawing": [', "expected a JSON object"),
        (b"[]", 'expected a JSON object with a "drawing"'),
        (b"null", 'expected a JSON object with a "drawing"'),
        (b'{"word": "cat"}', 'expected a JSON object with a "drawing"'),
        (b'{"drawing": [], "recognized": "yes"}', 'expected "recognized" to be true or false'),
        (b"\xff\xfe", "expected a JSON object"),
        (b"[" * 100_000, "expected a JSON object"),
        (b'{"drawing": [[[' + b"9" * 10_000 + b"], [1]]]}", "expected a JSON object"),
        (b" " * 2**20, "expected a drawing, got over 1,048,576 bytes"),
    ],
    ids=range(10),
)
def test_a_bad_line_is_told_by_file_and_number(ndjson: Path, line: bytes, words: str) -> None:
    ndjson.write_bytes(ndjson.read_bytes() + line + b"\n")
    with pytest.raises(DataError) as error:
        drawings_of(Simplified(ndjson, None, recognized_only=True))
    assert str(error.value).startswith(f"{ndjson}, line 13: {words}")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("pickler", PICKLERS.values(), ids=PICKLERS)
def test_sketchrnn_files_hold_the_same_drawings_whoever_wrote_them(
    tmp_path: Path, pickler: Callable[[np.ndarray], bytes]
) -> None:
    write_sketchrnn(tmp_path / "cat.npz", OFFSETS, SIZES, pickler)
    assert drawings_of(SketchRnn(tmp_path / "cat.npz", None, False)) == DRAWINGS


def test_what_numpy_saves_today_is_read(tmp_path: Path) -> None:
    lists = {name: object_array(OFFSETS[:4]) for name in ("train", "valid", "test")}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "cat.npz", **lists)
        assert drawings_of(SketchRnn(tmp_path / "cat.npz", None, False)) == DRAWINGS[:4] * 3


def test_a_header_of_python_2_is_read_without_a_warning(npz: Path) -> None:
    content = header(2, shape="({}L,)") + python2(object_array(OFFSETS[:2]))
    write_npz(npz, dict.fromkeys(("train", "valid", "test"), content))
    assert SketchRnn(npz, None, False).sizes == [2, 2, 2]


@pytest.mark.parametrize(
    ("limit", "own_split", "sizes"),
    [
        (None, False, [8, 2, 2]),
        (9, False, [8, 1, 0]),
        (3, False, [3, 0, 0]),
        (99, False, [8, 2, 2]),
        (None, True, [8, 2, 2]),
        (6, True, [4, 1, 1]),
        (1, True, [1, 1, 1]),
        (99, True, [8, 2, 2]),
    ],
)
def test_a_limit_takes_the_first_or_of_each_list_its_share(
    npz: Path, limit: int | None, own_split: bool, sizes: list[int]
) -> None:
    file = SketchRnn(npz, limit, own_split)
    assert file.sizes == sizes
    starts = (0, 8, 10)
    assert drawings_of(file) == [
        drawing for start, size in zip(starts, sizes, strict=True) for drawing in DRAWINGS[start : start + size]
    ]


BOMB = header(5) + bytes(2**20)
BAD = {
    "no zip": (b"PK" + bytes(50), "expected an npz with the lists train, valid, test"),
    "html": (b"<!DOCTYPE html>", "expected an npz"),
    "a list missing": ({"train": b"", "valid": b""}, "expected an npz"),
    "no header": ({"train": b"x" * 200}, "cannot read train"),
    "numbers": ({"train": header(5, descr="<i2")}, r"expected object [N]"),
    "two dimensions": ({"train": header(5, "({}, 3)")}, r"got object [5, 3]"),
    "code in the header": ({"train": header(5, "__import__('os').mkdir('was-run')")}, "cannot read train"),
    "no pickle": ({"train": header(5) + b"cat"}, "train: expected pickled int16 arrays"),
    "another pickle": ({"train": header(1) + pickle.dumps(Path)}, "it was not run"),
    "another count": ({"train": header(3) + python2(object_array(OFFSETS[:2]))}, "expected a list of 3"),
    "a bomb": ({"train": BOMB}, "in up to 1,048,576 bytes"),
    "a pen of 2": ({"train": header(1) + python2(object_array([OFFSETS[0] * 2]))}, "expected 0 or 1 for the pen"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
def test_a_bad_npz_is_told_by_its_path_and_not_run(
    npz: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | dict[str, bytes], words: str
) -> None:
    monkeypatch.chdir(npz.parent)
    monkeypatch.setattr(stroke_files, "LARGEST_MEMBER", 2**20)
    if isinstance(content, bytes):
        npz.write_bytes(content)
    else:
        good = header(2) + python2(object_array(OFFSETS[:2]))
        write_npz(npz, {"valid": good} | ({"test": good} if len(content) == 1 else {}) | content)
    with pytest.raises(DataError) as error:
        drawings_of(SketchRnn(npz, None, False))
    assert words in str(error.value)
    assert str(error.value).startswith(str(npz))
    assert "\n" not in str(error.value)
    assert not Path("was-run").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_STORED])
def test_a_damaged_npz_is_refused(npz: Path, method: int) -> None:
    with zipfile.ZipFile(npz, "w", method) as archive:
        for name in ("train", "valid", "test"):
            archive.writestr(f"{name}.npy", header(12) + python2(object_array(OFFSETS)))
    content = bytearray(npz.read_bytes())
    content[len(content) // 6] ^= 1
    npz.write_bytes(content)
    with pytest.raises(DataError, match="cannot read train"):
        drawings_of(SketchRnn(npz, None, False))


offsets = st.lists(
    st.tuples(st.integers(-(2**15), 2**15 - 1), st.integers(-(2**15), 2**15 - 1), st.integers(0, 1)), max_size=20
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(offsets=offsets)
def test_offsets_become_strokes_in_the_box_with_their_shape(offsets: list[tuple[int, int, int]]) -> None:
    array = np.array(offsets, np.int16).reshape(-1, 3)
    strokes = strokes_of(array)
    points = np.concatenate([np.array(stroke).T for stroke in strokes] or [np.zeros((0, 2))])
    assert len(points) == len(offsets)
    if offsets:
        assert points.min() == 0
        assert points.max() <= 255
        assert len(strokes) == sum(pen for _, _, pen in offsets[:-1]) + 1
        steps = np.diff(points, axis=0)
        scale = min(1.0, 255 / max(1, np.ptp(np.cumsum(array[:, :2], axis=0, dtype=int), axis=0).max()))
        np.testing.assert_allclose(steps, array[1:, :2] * scale, atol=1e-6)


def test_a_small_drawing_of_offsets_keeps_its_size() -> None:
    assert strokes_of(np.array([[5, 5, 0], [100, 50, 1]], np.int16)) == [[[0, 100], [0, 50]]]


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_last_line_counts_with_or_without_an_end(tmp_path: Path, end: str) -> None:
    path = tmp_path / "cat.ndjson"
    path.write_text('{"drawing": []}\n{"drawing": []}' + end)
    assert Simplified(path, None, recognized_only=False).count() == 2


def test_raw_strokes_are_moved_and_scaled_into_the_box(ndjson: Path) -> None:
    raw = []
    for drawing in DRAWINGS:
        time = itertools.count(0, 16)
        for x, y in drawing:
            raw.append([[v * 2.5 - 300 for v in x], [v * 2.5 + 40 for v in y], [next(time) for _ in x]])
        ndjson.write_text(json.dumps({"drawing": raw}) + "\n")
        (got,) = drawings_of(Simplified(ndjson, None, False))
        points = np.concatenate([np.array(stroke[:2], dtype=float) for stroke in got], axis=1)
        wanted = np.concatenate([np.array(stroke, dtype=float) for stroke in drawing], axis=1)
        wanted = (wanted - wanted.min(axis=1, keepdims=True)) * 255 / np.ptp(wanted, axis=1).max()
        np.testing.assert_allclose(points, wanted, atol=1e-6)
        assert rasterise(got).any()
        raw.clear()


@pytest.mark.parametrize(
    "drawing",
    [
        [[[1, True], [2, 3], [0, 1]]],
        [[["1", "2"], [2, 3], [0, 1]]],
        [[[1, 10**400], [2, 3], [0, 1]]],
        [[[5, 1], [2, 3], [9, 1]]],  # points
        [[[], [], []]],
        [[1, 2, 3]],
        [[None, None, None]],
    ],
)
def test_raw_strokes_that_are_none_are_left_to_the_check_that_all_pass(ndjson: Path, drawing: Any) -> None:
    ndjson.write_text(json.dumps({"drawing": drawing}))
    (got,) = drawings_of(Simplified(ndjson, None, False))
    if drawing[0][0] == []:
        assert not rasterise(got).any()
    else:
        with pytest.raises(DataError, match="expected"):
            rasterise(got)
