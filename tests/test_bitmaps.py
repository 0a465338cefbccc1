"""Class files: found, checked by their headers alone, mapped, and known again at the next start."""

import hashlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.fingerprint import fingerprint
from quickdraw.errors import DataError

CLASSES = ["cat", "moon"]
DRAWINGS = {
    name: np.random.default_rng(number).integers(0, 256, (20 + number, 784), dtype=np.uint8)
    for number, name in enumerate(CLASSES)
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with random drawings: 20 of a cat, 21 of a moon."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, rows in DRAWINGS.items():
        np.save(folder / f"{name}.npy", rows)
    return folder


@pytest.fixture
def opened(root: Path, tmp_path: Path) -> Callable[..., Bitmaps]:
    """Open that folder."""
    return lambda **settings: Bitmaps(root, CLASSES, **({"cache": tmp_path / "cache"} | settings))


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version)
    return buffer.getvalue()


def npz(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, array)
    return buffer.getvalue()


def with_header(entries: str) -> bytes:
    """Return a file of 21 drawings whose header holds these entries."""
    text = f"{{{entries}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + DRAWINGS["moon"].tobytes()


class CreatesFile:
    """A pickle that creates a file where it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, ("was-run",)


GOOD = npy(DRAWINGS["moon"])
BAD = {
    "empty file": (b"", "it ends within its header, after 0 bytes"),
    "truncated header": (GOOD[:50], "it ends within its header, after 50 bytes"),
    "truncated": (GOOD[:-1], r"expected 16,592 bytes for 21 drawings, got 16,591 bytes"),
    "trailing bytes": (GOOD + b"\0", r"expected 16,592 bytes for 21 drawings, got 16,593 bytes"),
    "no drawings": (npy(DRAWINGS["moon"][:0]), "expected drawings, got none"),
    "floats": (npy(DRAWINGS["moon"].astype(np.float32)), r"expected uint8 \[N, 784\], got float32 \[21, 784\]"),
    "signed": (npy(DRAWINGS["moon"].view(np.int8)), r"got int8 \[21, 784\]"),
    "square": (npy(DRAWINGS["moon"].reshape(-1, 28, 28)), r"got uint8 \[21, 28, 28\]"),
    "one drawing, flat": (npy(DRAWINGS["moon"][0]), r"got uint8 \[784\]"),
    "too few pixels": (npy(DRAWINGS["moon"][:, :-1].copy()), r"got uint8 \[21, 783\]"),
    "Fortran order": (npy(np.asfortranarray(DRAWINGS["moon"])), r"got uint8 \[21, 784\] in Fortran order"),
    "npz": (npz(DRAWINGS["moon"]), r"not an \.npy file \(it begins with b'PK"),
    "html": (b"<!DOCTYPE html><title>404</title>" * 9, r"not an \.npy file \(it begins with b'<!DOCTYPE"),
    "pickled objects": (npy(np.array([CreatesFile()] * 21, dtype=object)), r"got object \[21\]"),
    "code in the header": (
        GOOD.replace(b"'descr': '|u1'", b"'descr':os.mkdir('was-run')")[: len(GOOD)],
        r"not an \.npy file \(its header is",
    ),
    "huge header": (
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{}",
        "expected a header of at most 4,096 bytes, got 2,147,483,659",
    ),
    "negative size": (GOOD.replace(b"(21, 784), }", b"(-1, 784), }"), r"got uint8 \[-1, 784\]"),
    **{
        f"shape {shape[:20]}": (with_header(f"'descr': '|u1', 'fortran_order': False, 'shape': {shape}"), words)
        for shape, words in {
            "(1e999, 784)": "its header is",
            "(0x15, 784)": "its header is",
            "(" + "9" * 4301 + ", 784)": "at most 4,096 bytes",
            "(" + "9" * 900 + ", 784)": "its header is",
            "(999999999999999999, 784)": "expected 783,999,999,999,999,999,",
            "(" * 1500 + ")" * 1500: "its header is",
            "((21, 784), (21, 784))": "its header is",
            "(21, 784, -1)": r"got uint8 \[21, 784, -1\]",
            "()": r"got uint8 \[\]",
            "(21 * 784,)": "its header is",
            "(True, 784)": "its header is",
            "{'shape': (21, 784)}": "its header is",
        }.items()
    },
    "an expression": (
        with_header("'descr': '|u1', 'fortran_order': False | True, 'shape': (21, 784)"),
        "its header is",
    ),
    "a small true": (with_header("'descr': '|u1', 'fortran_order': true, 'shape': (21, 784)"), "its header is"),
    "a key too few": (with_header("'descr': '|u1', 'shape': (21, 784)"), "its header is"),
    "a key twice": (with_header("'descr': '|u1', 'descr': '|u1', 'shape': (21, 784)"), "its header is"),
    "another key": (with_header("'descr': '|u1', 'fortran': False, 'shape': (21, 784)"), "its header is"),
    "fields": (with_header("'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (21, 784)"), "its header is"),
    "another version": (GOOD[:6] + b"\x09\x09" + GOOD[8:], "of a known version"),
}


def test_every_spelling_of_a_class_file_is_found(tmp_path: Path) -> None:
    spellings = ("cat.npy", "alarm%20clock.npy", "full_numpy_bitmap_hot air balloon.npy", "Eye.npy", "t_shirt.npy")
    for number, spelling in enumerate(spellings):
        np.save(tmp_path / spelling, np.roll(DRAWINGS["cat"], number, axis=1))
    classes = ["cat", "alarm clock", "hot air balloon", "eye", "t-shirt"]
    data = Bitmaps(tmp_path, classes, cache=tmp_path / "cache")
    assert data.classes == classes
    for number, file in enumerate(data.train.files):
        np.testing.assert_array_equal(file, np.roll(DRAWINGS["cat"], number, axis=1))


def test_all_missing_files_are_listed_with_the_command_that_fetches_them(root: Path) -> None:
    with pytest.raises(DataError) as error:
        Bitmaps(root, ["door", "cat", "alarm clock", "moon"])
    first, remedy = str(error.value).splitlines()
    assert "2 of 4 class files are missing" in first
    assert str(root / "door.npy") in first
    assert str(root / "alarm clock.npy") in first
    assert "cat.npy" not in first
    assert f'python -m quickdraw.data.download door "alarm clock" --root {root} ' in remedy


def test_a_missing_folder_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root=.*nowhere: no such folder; .*data=synthetic"):
        Bitmaps(tmp_path / "nowhere")


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_by_its_path_unread(
    root: Path,
    opened: Callable[..., Bitmaps],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    words: str,
) -> None:
    (root / "moon.npy").write_bytes(content)
    monkeypatch.chdir(root)
    with pytest.raises(DataError, match=words) as error:
        opened()
    complaint, *remedy = str(error.value).splitlines()
    assert complaint.startswith(f"{root / 'moon.npy'}: ")
    assert "cat.npy" not in complaint
    assert "; save " in complaint or complaint.endswith("; copy it or make it again")
    assert len(remedy) <= 1
    for line in remedy:
        assert line.startswith("or fetch again, which keeps the old file as .damaged: ")
        assert line.endswith(f"python -m quickdraw.data.download moon --root {root}")
    assert not (root / "was-run").exists()


def test_all_bad_files_are_listed_at_once(tmp_path: Path) -> None:
    for number, (content, _) in enumerate(BAD.values()):
        (tmp_path / f"class {number}.npy").write_bytes(content)
    with pytest.raises(DataError) as error:
        Bitmaps(tmp_path, [f"class {number}" for number in range(len(BAD))])
    (complaints,) = str(error.value).splitlines()  # there are no such classes to be fetched
    for number in range(len(BAD)):
        assert str(tmp_path / f"class {number}.npy") in complaints


@pytest.mark.parametrize(
    ("name", "content", "fetched"),
    [
        ("moon", GOOD[:-1], True),
        ("moon", BAD["html"][0], True),
        ("moon", b"", True),
        ("my moon", GOOD[:-1], False),  # nobody published it
        ("moon", BAD["square"][0], False),  # somebody's own
        ("moon", BAD["floats"][0], False),
        ("moon", with_header("'descr': '|u1', 'fortran_order': False, 'shape': (999999999, 784)"), False),
    ],
)
def test_only_what_may_be_an_official_file_is_to_be_fetched(
    tmp_path: Path, name: str, content: bytes, fetched: bool
) -> None:
    np.save(tmp_path / "cat.npy", DRAWINGS["cat"])
    (tmp_path / f"{name}.npy").write_bytes(content)
    with pytest.raises(DataError) as error:
        Bitmaps(tmp_path, ["cat", name], cache=tmp_path / "cache")
    assert ("quickdraw.data.download" in str(error.value)) == fetched
    assert "remove" not in str(error.value)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_npy_header_is_read(
    root: Path, opened: Callable[..., Bitmaps], version: tuple[int, int]
) -> None:
    (root / "moon.npy").write_bytes(npy(DRAWINGS["moon"], version))
    np.testing.assert_array_equal(opened().train.files[1], DRAWINGS["moon"])


@pytest.mark.parametrize(
    "entries",
    [
        "'shape': (21, 784), 'fortran_order': False, 'descr': '|u1'",
        '"descr": "<u1", "fortran_order": False, "shape": (21,784)',
        "'descr':'u1','fortran_order':False,'shape':(21,784,)",
    ],
)
def test_a_header_is_read_whoever_wrote_it(root: Path, opened: Callable[..., Bitmaps], entries: str) -> None:
    (root / "moon.npy").write_bytes(with_header(entries))
    np.testing.assert_array_equal(opened().train.files[1], np.load(root / "moon.npy"))


def test_limit_per_class_takes_the_first_rows(opened: Callable[..., Bitmaps]) -> None:
    data = opened(limit_per_class=15)
    assert data.counts()["total"] == 30
    for file, rows in zip(data.train.files, DRAWINGS.values(), strict=True):
        np.testing.assert_array_equal(file, rows[:15])


def test_files_are_mapped_not_copied(root: Path, opened: Callable[..., Bitmaps]) -> None:
    data = opened()
    moons = np.lib.format.open_memmap(root / "moon.npy", mode="r+")
    moons[:] = 51
    moons.flush()
    for batches in (data.train, data.val, data.test):
        images, labels = batches.take(np.flatnonzero(batches.labels() == 1))
        assert labels.tolist() == [1] * len(images)
        assert (images == 0.2).all()
    assert not any(file.flags.writeable for file in data.train.files)


def test_nothing_is_written_beside_the_drawings(root: Path, opened: Callable[..., Bitmaps]) -> None:
    root.chmod(0o555)
    opened()
    root.chmod(0o755)
    assert {path.name for path in root.iterdir()} == {"cat.npy", "moon.npy"}


def test_without_a_cache_folder_everything_works(tmp_path: Path, opened: Callable[..., Bitmaps]) -> None:
    (tmp_path / "file").touch()
    assert opened(cache=tmp_path / "file").fingerprints == opened().fingerprints


def test_the_second_start_reads_no_file_and_needs_no_scikit_learn(
    opened: Callable[..., Bitmaps], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened()
    monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)  # its import fails now
    monkeypatch.setattr(hashlib, "file_digest", None)
    second = opened()
    assert second.fingerprints == first.fingerprints
    for part in ("train", "val", "test"):
        np.testing.assert_array_equal(getattr(second, part).indices, getattr(first, part).indices)


@pytest.mark.parametrize("change", [{"split_seed": 1}, {"limit_per_class": 19}], ids=str)
def test_another_split_is_not_taken_from_the_cache(
    opened: Callable[..., Bitmaps], tmp_path: Path, change: dict[str, int]
) -> None:
    first, other = opened().test.indices.tolist(), opened(**change).test.indices.tolist()
    assert other == opened(**change, cache=tmp_path / "fresh").test.indices.tolist() != first


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"{}", b"[]", b'{"file": null}', b"\x93NUMPY\x01"], ids=repr)
def test_a_damaged_cache_is_made_anew(opened: Callable[..., Bitmaps], tmp_path: Path, content: bytes) -> None:
    first = opened()
    cached = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(cached) == 3
    for path in cached:
        path.write_bytes(content)
    second = opened()
    assert second.fingerprints == first.fingerprints
    np.testing.assert_array_equal(second.test.indices, first.test.indices)


def test_fingerprint_is_the_files_sha256_and_follows_a_change(root: Path, tmp_path: Path) -> None:
    path = root / "cat.npy"
    before = fingerprint(path, tmp_path / "cache")
    assert before == hashlib.sha256(path.read_bytes()).hexdigest()
    status = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert before != fingerprint(path, tmp_path / "cache") == hashlib.sha256(path.read_bytes()).hexdigest()
