"""Class files are found in every spelling, and misspelt classes have neighbours."""

from pathlib import Path

import pytest

from quickdraw.data.class_files import find_class_file
from quickdraw.data.names import DEFAULT_CLASSES, download_command, nearest_names

SPELLINGS = [
    "alarm clock.npy",
    "alarm_clock.npy",
    "alarm%20clock.npy",
    "alarm-clock.npy",
    "Alarm Clock.npy",
    "ALARM_CLOCK.NPY",
    "full_numpy_bitmap_alarm clock.npy",
    "full_numpy_bitmap_alarm_clock.npy",
    "full_numpy_bitmap_alarm%20clock.npy",
    "full%2Fnumpy_bitmap%2Falarm%20clock.npy",
    "full_simplified_alarm clock.ndjson",
    "alarm_clock.ndjson",
    "sketchrnn_alarm clock.npz",
    "sketchrnn%2Falarm_clock.npz",
    "alarm%20clock.npz",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_found(tmp_path: Path, spelling: str) -> None:
    (tmp_path / spelling).touch()
    for other in ("clock", "cat", "alarm clocks"):
        (tmp_path / f"{other}{Path(spelling).suffix}").touch()
    ending = Path(spelling).suffix.lower()
    assert find_class_file(tmp_path, "alarm clock", ending) == tmp_path / spelling
    assert all(
        find_class_file(tmp_path, "alarm clock", other) is None for other in {".npy", ".ndjson", ".npz"} - {ending}
    )


def test_the_exact_name_wins_then_the_same_capitals(tmp_path: Path) -> None:
    expected = ["alarm clock.npy", "alarm%20clock.npy", "full_numpy_bitmap_alarm clock.npy", "ALARM CLOCK.npy"]
    for name in expected:
        (tmp_path / name).touch()
    for name in expected:
        assert find_class_file(tmp_path, "alarm clock") == tmp_path / name
        (tmp_path / name).unlink()


@pytest.mark.parametrize("name", [".cat.npy.part", "cat.npy.part", "cat.npy.damaged", "cat", "full_raw_cat.ndjson"])
def test_other_files_are_not_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "cat.npz").mkdir()
    assert [find_class_file(tmp_path, "cat", ending) for ending in (".npy", ".ndjson", ".npz")] == [None] * 3


def test_no_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert find_class_file(tmp_path / "nowhere", "cat") is None
    assert find_class_file(tmp_path / "file", "cat") is None


@pytest.mark.parametrize(
    ("misspelt", "nearest"),
    [("dolfin", "dolphin"), ("alarm_clok", "alarm clock"), ("clock", "alarm clock"), ("Cats", "cat")],
)
def test_the_nearest_name_comes_first(misspelt: str, nearest: str) -> None:
    assert nearest_names(misspelt, DEFAULT_CLASSES)[0] == nearest


def test_nothing_near_is_nothing() -> None:
    assert nearest_names("xylophone", DEFAULT_CLASSES) == []


def test_the_command_can_be_pasted() -> None:
    assert download_command(DEFAULT_CLASSES) == "python -m quickdraw.data.download"
    assert download_command(["alarm clock", "cat"], "other data", "sketchrnn") == (
        'python -m quickdraw.data.download "alarm clock" cat --kind sketchrnn --root "other data"'
    )
