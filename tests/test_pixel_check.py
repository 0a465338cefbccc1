"""Files of the right type whose numbers mean something else are refused with what to save instead."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quickdraw import evaluate
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.class_files import open_class_file, open_class_files
from quickdraw.data.doodles import draw_class
from quickdraw.data.pixel_check import pixel_fault
from quickdraw.errors import DataError
from quickdraw.explore.drawings import file_table
from tests.support.program import Outcome, call

DOORS = draw_class("door", 40, seed=3)
MOONS = draw_class("moon", 30, seed=4)
MIXED = np.where(np.arange(40)[:, None] % 3 == 0, 255 - DOORS, DOORS)
FRAMED = 255 - DOORS.reshape(-1, 28, 28)
FRAMED[:, [0, -1]] = FRAMED[:, :, [0, -1]] = 0


def small(top: int) -> np.ndarray:
    return np.rint(DOORS * (top / 255)).astype(np.uint8)


# What a file holds, how it is complained of, and whether the advice gives the drawings back exactly.
WRONG: dict[str, tuple[np.ndarray, str, bool]] = {
    "white paper": (255 - DOORS, "got dark ink on white paper; save 255 - a", True),
    "grey ink on off-white paper": (250 - DOORS // 2, "got dark ink on white paper; save 255 - a", False),
    "white paper in a black frame": (FRAMED.reshape(-1, 784), "got dark ink on white paper", False),
    "white paper in some": (MIXED, r"in 14 of 40 drawings looked at; save np\.where", True),
    "0 and 1": ((DOORS > 127).astype(np.uint8), r"got at most 1; save a \* 255", False),
    "0 and 1 on white": ((DOORS < 128).astype(np.uint8), r"got at most 1 on white paper; save \(1 - a\) \* 255", False),
    "16 levels": (small(15), r"got at most 15; save a \* 17", False),
    "percent": (small(100), r"got at most 100; save \(a \* \(255 / 100\)\)", False),
    "grey paper": (np.maximum(DOORS, 40), "expected paper of 0, got 40; save np.maximum", False),
    "blank": (DOORS * 0 + np.uint8(0), "got blank paper in every drawing", False),
    "images": (DOORS.reshape(-1, 28, 28), r"save a\.reshape\(len\(a\), 784\)", True),
    "images with a channel": (DOORS.reshape(-1, 28, 28, 1), r"save a\.reshape\(len\(a\), 784\)", True),
    "columns": (np.ascontiguousarray(DOORS.T), r"save np\.ascontiguousarray\(a\.T\)", True),
    "Fortran order": (np.asfortranarray(DOORS), r"save np\.ascontiguousarray\(a\)", True),
    "floats up to 1": (DOORS / np.float32(255), r"save \(a \* 255\.0\)\.round\(\)", True),
    "floats up to 255": (DOORS.astype(np.float64), r"save a\.round\(\)\.astype\(np\.uint8\)", True),
    "images of integers": (
        DOORS.reshape(-1, 28, 28).astype(np.int64),
        r"save a\.reshape\(len\(a\), 784\)\.round",
        True,
    ),
    "truth values": (DOORS > 127, r"save \(a \* 255\.0\)", False),
    "signed": (DOORS.view(np.int8), r"save a\.view\(np\.uint8\)", True),
}


@pytest.mark.parametrize(("array", "words", "exact"), WRONG.values(), ids=WRONG)
def test_the_advice_makes_drawings_of_the_file(tmp_path: Path, array: np.ndarray, words: str, exact: bool) -> None:
    path = tmp_path / "my door.npy"
    np.save(path, array)
    with pytest.raises(DataError, match=words) as error:
        open_class_file(path)
    message = str(error.value)
    assert message.startswith(f"{path}: expected ")
    assert "\n" not in message
    advice = re.search(r"; save (.*), where a is the file's array$", message)
    if advice is None:
        assert message.endswith("make the file again")
        return
    made = array
    while advice:  # what is of another type, or has white paper, may be faint as well
        made = computed(advice[1], made)
        np.save(path, made)
        advice = re.search(r"; save (.*), where", complaint(path))
    assert complaint(path) == ""
    if exact:
        np.testing.assert_array_equal(made, DOORS)


def computed(expression: str, array: np.ndarray) -> np.ndarray:
    result: np.ndarray = eval(expression, {"np": np, "a": array, "len": len})  # as a user would
    return result


def complaint(path: Path) -> str:
    try:
        open_class_file(path)
    except DataError as error:
        return str(error)
    return ""


def test_one_class_with_fainter_ink_than_the_others_is_refused(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.npy" for name in ("moon", "door", "cat")}
    np.save(paths["moon"], MOONS)
    np.save(paths["door"], small(150))
    np.save(paths["cat"], draw_class("cat", 9, seed=0))
    with pytest.raises(
        DataError, match=r"expected ink of up to 255, as in the other classes, got at most 150; save"
    ) as e:
        open_class_files(tmp_path, paths)
    assert str(e.value).startswith(str(paths["door"]))
    assert "moon.npy" not in str(e.value)


def test_a_class_whose_ink_is_a_little_fainter_is_left_alone(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.npy" for name in ("moon", "door")}
    np.save(paths["moon"], MOONS)
    np.save(paths["door"], small(200))
    assert len(open_class_files(tmp_path, paths)) == 2


def test_real_drawings_raise_no_alarm(real_drawings: Path) -> None:
    for folder in ("bitmap", "bitmap_other", "bitmap_345", "strokes_rendered"):
        paths = {path.stem: path for path in sorted((real_drawings / folder).glob("*.npy"))}
        assert len(open_class_files(real_drawings, paths)) == len(paths) > 0


@pytest.mark.parametrize("rows", [1, 2, 7, 5000])
def test_few_drawings_and_many_are_looked_at(rows: int) -> None:
    many = np.resize(DOORS, (rows, 784))
    assert pixel_fault(many) == ""
    assert pixel_fault(255 - many) != ""


def test_noise_and_drawings_up_to_the_edge_are_left_alone() -> None:
    assert pixel_fault(np.random.default_rng(0).integers(0, 256, (30, 784), dtype=np.uint8)) == ""
    frames = np.full((20, 28, 28), 255, np.uint8)
    frames[:, 2:-2, 2:-2] = 0
    assert pixel_fault(frames.reshape(-1, 784)) == ""


def inverted(folder: Path) -> Path:
    folder.mkdir()
    np.save(folder / "cat.npy", draw_class("cat", 20, seed=0))
    np.save(folder / "moon.npy", MOONS)
    np.save(folder / "door.npy", 255 - DOORS)
    return folder


EVERY_WAY: dict[str, Callable[[Path, Path], object]] = {
    "train": lambda root, run: Bitmaps(root, ["cat", "moon", "door"], cache=root / "cache"),
    "evaluate": lambda root, run: evaluate.evaluate(run, evaluate.read_settings([f"data.root={root}"])),
    "look": lambda root, run: file_table({"door": root / "door.npy"}),
}


@pytest.mark.parametrize("way", EVERY_WAY.values(), ids=EVERY_WAY)
def test_every_way_in_looks(way: Callable[[Path, Path], object], tmp_path: Path, finished: Outcome) -> None:
    root = inverted(tmp_path / "data")
    with pytest.raises(DataError, match=r"door\.npy: expected ink of 255 on paper of 0, got dark ink") as error:
        way(root, finished.run)
    assert "download" not in str(error.value)


def test_a_run_ends_before_its_first_step(tmp_path: Path) -> None:
    inverted(tmp_path / "data")
    outcome = call(tmp_path, "data.classes=[cat,moon,door]", "trainer=smoke", "threads=1")
    assert outcome.code == 1
    assert outcome.err.startswith(
        "error: data/door.npy: expected ink of 255 on paper of 0, got dark ink on white paper; "
    )
    assert len(outcome.err.splitlines()) == 1
    assert not list(tmp_path.rglob("metrics.csv"))
