"""Class files are found in every spelling, and misspelt classes have neighbours."""

import shutil
import unicodedata
from pathlib import Path

import pytest

from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.class_files import find_class_file
from quickdraw.data.fetch.official import KINDS
from quickdraw.data.fetch.plan import find_missing
from quickdraw.data.names import DEFAULT_CLASSES, download_command, nearest_names
from quickdraw.errors import DataError

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
    "alarm clock (1).npy",
    "alarm_clock(12).npy",
    "full_simplified_alarm clock (2).ndjson",
    "full_raw_alarm clock.ndjson",
    "full%2Fraw%2Falarm%20clock.ndjson",
    "alarm clock.full.npz",
    "sketchrnn_alarm clock.full.npz",
    "sketchrnn%2Falarm_clock.full (1).npz",
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


@pytest.mark.parametrize(
    "name", [".cat.npy.part", "cat.npy.part", "cat.npy.damaged", "cat", "cat.full.npy", "cat (a).npy"]
)
def test_other_files_are_not_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "cat.npz").mkdir()
    assert [find_class_file(tmp_path, "cat", ending) for ending in (".npy", ".ndjson", ".npz")] == [None] * 3


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_however_its_accents_are_written(tmp_path: Path, form: str) -> None:
    (tmp_path / f"{unicodedata.normalize(form, 'Crème Brûlée')}.npy").touch()
    for wanted in ("NFC", "NFD"):
        assert find_class_file(tmp_path, unicodedata.normalize(wanted, "crème brûlée"))


def test_what_is_simplified_comes_before_what_is_raw_and_the_first_copy_before_others(tmp_path: Path) -> None:
    expected = ["Cat.ndjson", "full_simplified_Cat (10).ndjson", "full_raw_cat.ndjson"]
    for name in expected:
        (tmp_path / name).touch()
    for name in expected:
        assert find_class_file(tmp_path, "cat", ".ndjson") == tmp_path / name
        (tmp_path / name).unlink()


def test_raw_strokes_are_not_what_a_download_of_simplified_ones_wants(tmp_path: Path) -> None:
    (tmp_path / "full_raw_cat.ndjson").write_text("{}")
    assert find_missing(["cat"], tmp_path, KINDS["simplified"]) == {"cat": ""}


@pytest.mark.parametrize("how", ["spelt twice", "link", "second name", "copy"])
def test_one_file_for_two_classes_is_refused(drawings: Path, tmp_path: Path, how: str) -> None:
    shutil.copy(drawings / "cat.npy", tmp_path / "alarm clock.npy")
    classes = ["alarm clock", "alarm_clock" if how == "spelt twice" else "dog"]
    if how == "link":
        (tmp_path / "dog.npy").symlink_to("alarm clock.npy")
    elif how == "second name":
        (tmp_path / "dog.npy").hardlink_to(tmp_path / "alarm clock.npy")
    elif how == "copy":
        shutil.copy(drawings / "cat.npy", tmp_path / "dog.npy")
    with pytest.raises(DataError, match=r"^data\.classes: expected .* got .*alarm clock.* out$") as error:
        Bitmaps(tmp_path, classes, cache=tmp_path / "cache")
    assert classes[1] in str(error.value)


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
