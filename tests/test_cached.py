"""No file of the cache is believed: one that changed is made anew, with a line."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from quickdraw import files
from quickdraw.data import cached, fingerprint
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.data.dataset import FileDataset
from quickdraw.data.doodles import draw
from quickdraw.data.fingerprint import known_files
from quickdraw.data.rendering import stroke_files, workers
from quickdraw.data.strokes import Strokes
from quickdraw.data.synthetic import Synthetic
from quickdraw.errors import RunError
from quickdraw.run.checkpoint import Checkpoints
from quickdraw.run.folder import RunFolder
from quickdraw.state import Position, Snapshot
from tests.support.program import Outcome

CLASSES = ["cat", "moon"]
Open = Callable[[Path, Path], FileDataset]

KINDS: dict[str, Open] = {
    "bitmaps": lambda root, cache: Bitmaps(root, CLASSES, cache=cache),
    "strokes": lambda root, cache: Strokes(root, CLASSES, cache=cache),
    "synthetic": lambda root, cache: Synthetic(per_class=20, classes=CLASSES, cache=cache),
}

VALUES = {"position": asdict(Position()), "optimizer": []}  # of a training that did not begin


@pytest.fixture
def root(tmp_path: Path, drawings: Path) -> Path:
    """A folder with the drawings of two classes, as bitmaps and as strokes."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number, name in enumerate(CLASSES):
        (folder / f"{name}.npy").write_bytes((drawings / f"{name}.npy").read_bytes())
        lines = [json.dumps({"drawing": draw(name, np.random.default_rng([number, row]))}) for row in range(30)]
        (folder / f"{name}.ndjson").write_text("\n".join(lines))
    return folder


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def content(data: FileDataset) -> list[bytes]:
    """Everything that a training sees of a data set."""
    indices = [getattr(data, split).indices.tobytes() for split in ("train", "val", "test")]
    return [*(file.tobytes() for file in data.train.files), *indices, repr(data.fingerprints).encode()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", [0.0, 0.4, 0.7, 0.99])
def test_a_changed_byte_in_any_file_of_the_cache_changes_nothing(
    kind: str, where: float, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    expected = content(KINDS[kind](root, cache))
    files = [path for path in cache.rglob("*") if path.is_file() and path.name != ".lock"]
    assert len(files) >= 3
    for path in files:
        good = path.read_bytes()
        path.write_bytes(flipped(good, int(where * len(good))))
        caplog.clear()
        assert content(KINDS[kind](root, cache)) == expected
        assert "is not as it was written; it is made anew" in caplog.text
        assert "cache" in caplog.text
        caplog.clear()
        assert content(KINDS[kind](root, cache)) == expected
        assert caplog.text == ""


def test_a_whole_cache_is_believed_and_nothing_is_printed(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    expected = [content(make(root, tmp_path / "cache")) for make in KINDS.values()]
    monkeypatch.setattr(fingerprint.hashlib, "file_digest", None)  # no file is read whole again
    assert [content(make(root, tmp_path / "cache")) for make in KINDS.values()] == expected
    assert caplog.text == ""


def test_a_damaged_part_of_a_rendering_is_rendered_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = content(Strokes(root, CLASSES, cache=tmp_path / "undisturbed"))
    monkeypatch.setattr(stroke_files, "CHUNK", 10)
    rendered = workers.rasterise_all

    def stopped(drawings: list[object]) -> np.ndarray:
        if len(list(tmp_path.rglob("*.parts/0*"))) == 2:
            raise KeyboardInterrupt
        return rendered(drawings)  # type: ignore[arg-type]

    monkeypatch.setattr(workers, "rasterise_all", stopped)
    with pytest.raises(KeyboardInterrupt):
        Strokes(root, CLASSES, cache=tmp_path / "cache")
    monkeypatch.setattr(workers, "rasterise_all", rendered)
    part, *_ = sorted((tmp_path / "cache").rglob("*.parts/0*"))
    part.write_bytes(flipped(part.read_bytes(), 5000))
    assert content(Strokes(root, CLASSES, cache=tmp_path / "cache")) == expected


def test_a_fingerprint_that_changed_shows_nobody_a_file(root: Path, tmp_path: Path) -> None:
    known = known_files(make_cache(root, tmp_path))
    assert {path.name for path in known.values()} == {"cat.npy", "moon.npy"}
    for entry in (tmp_path / "cache" / "fingerprints").iterdir():
        entry.write_bytes(flipped(entry.read_bytes(), -40))
    assert known_files(tmp_path / "cache") == {}


def make_cache(root: Path, tmp_path: Path) -> Path:
    Bitmaps(root, CLASSES, cache=tmp_path / "cache")
    return tmp_path / "cache"


@pytest.mark.parametrize("data", [b"", b"1", bytes(32), bytes(99)], ids=len)
def test_what_carries_no_digest_is_not_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    assert cached.read(tmp_path / "file") is None
    (tmp_path / "file").write_bytes(cached.sealed(data))
    assert cached.read(tmp_path / "file") == data
    assert cached.read(tmp_path / "nothing") is None


def test_the_splits_digest_follows_what_each_split_holds(root: Path, tmp_path: Path) -> None:
    first = Bitmaps(root, CLASSES, cache=tmp_path / "cache")
    assert Bitmaps(root, CLASSES, cache=tmp_path / "cache").split_digest == first.split_digest
    assert Bitmaps(root, CLASSES, split_seed=1, cache=tmp_path / "cache").split_digest != first.split_digest
    changed = Bitmaps(root, CLASSES, cache=tmp_path / "cache")
    changed.train.indices, changed.val.indices = changed.val.indices, changed.train.indices
    assert changed.split_digest != first.split_digest


def test_a_run_writes_its_splits_digest_down(finished: Outcome) -> None:
    (weights,) = (finished.run / "weights").glob("*.json")
    (start,) = json.loads((finished.run / "provenance.json").read_text())["starts"]
    classes = ["cat", "moon", "door"]
    split = Bitmaps(finished.folder / "data", classes, cache=finished.folder / "other").split_digest
    assert json.loads(weights.read_text())["split"] == start["split"] == split


def test_a_run_is_continued_on_its_own_split_alone_and_an_old_one_as_ever(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.begin({"seed": 0}, [])
    facts = {"fingerprints": {"cat": "1"}, "environment": {"versions": {}}}
    Checkpoints(run, facts | {"split": "a"}).save(1, Snapshot({"w": torch.zeros(1)}, VALUES))
    assert Checkpoints(run, facts | {"split": "a"}).load()
    with pytest.raises(RunError, match="train, val and test hold other drawings than before; train a new run"):
        Checkpoints(run, facts | {"split": "b"}).load()
    Checkpoints(run, facts).save(2, Snapshot({"w": torch.zeros(1)}, VALUES))
    assert Checkpoints(run, facts | {"split": "b"}).load()


def test_what_is_kept_is_read_again_whatever_its_size(tmp_path: Path) -> None:
    content = bytes(files.LARGEST + 1)
    cached.keep(tmp_path / "of/a/class", content)
    assert cached.read(tmp_path / "of/a/class") == content


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cached.keep(tmp_path / "file/below", b"content")
    assert (tmp_path / "file").read_bytes() == b""
