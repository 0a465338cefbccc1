"""A checkpoint file is accepted as it was written, to the last bit, or not at all."""

from pathlib import Path
from typing import Any

import pytest
import torch

from quickdraw.errors import RunError, WeightsError
from quickdraw.run import checkpoint
from quickdraw.run.checkpoint import Checkpoints, decode, encode
from quickdraw.run.folder import RunFolder
from quickdraw.state import Snapshot

TENSORS = {"net/weight": torch.arange(60.0).reshape(20, 3), "correct": torch.tensor([3, 4])}
STATE: dict[str, Any] = {"training": {"position": {"epoch": 1}, "loss": 0.1 + 0.2}, "facts": {"name": "Überläufe"}}


def test_what_is_encoded_is_decoded_to_the_last_bit() -> None:
    tensors, state = decode(encode(TENSORS, STATE))
    assert state == STATE
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())


def test_no_flipped_bit_is_accepted() -> None:
    data = encode(TENSORS, STATE)
    assert 8 * len(data) > 4000
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WeightsError):
            decode(bytes(flipped))


def test_no_truncation_is_accepted() -> None:
    data = encode(TENSORS, STATE)
    for length in range(len(data)):
        with pytest.raises(WeightsError):
            decode(data[:length])


def test_no_trailing_byte_is_accepted() -> None:
    with pytest.raises(WeightsError):
        decode(encode(TENSORS, STATE) + b"\0")


def test_a_file_with_a_right_digest_and_another_content_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", 7)
    newer = encode(TENSORS, STATE)
    monkeypatch.undo()
    with pytest.raises(WeightsError, match="of format 7, written by another version; this one reads 2"):
        decode(newer)


@pytest.mark.parametrize("header", [b'{"a":0,', b"[" * 3000, b'{"__metadata__":5,', b"\xff"])
def test_a_file_made_to_have_a_right_digest_gives_no_other_error(header: bytes) -> None:
    import hashlib

    header += b'"sha256":"' + checkpoint.BLANK.encode() + b'"'
    data = len(header).to_bytes(8, "little") + header
    digest = hashlib.sha256(data).hexdigest().encode()
    with pytest.raises(WeightsError):
        decode(data.replace(checkpoint.BLANK.encode(), digest))


POSITION = {"epoch": 0, "step": 1, "epoch_s": 0.5, "best_epoch": -1, "history": []}
SNAPSHOT = Snapshot({"net/weight": torch.ones(1)}, {"position": POSITION, "optimizer": []})
FACTS: dict[str, Any] = {"fingerprints": {"cat": "c"}, "environment": {}, "split": "a digest"}


def saved(folder: Path, steps: int, facts: dict[str, Any]) -> Checkpoints:
    """The checkpoints of a run that was saved after each of some steps."""
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    run.begin({}, [])
    checkpoints = Checkpoints(run, facts)
    for step in range(1, steps + 1):
        checkpoints.save(step, SNAPSHOT)
    return checkpoints


def test_the_newest_two_are_kept_and_a_damaged_one_is_put_aside(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 4, FACTS)
    assert [path.stem for path in checkpoints.paths()] == ["00000004", "00000003"]
    checkpoints.paths()[0].write_bytes(b"torn")
    assert checkpoints.load() == SNAPSHOT
    assert [path.stem for path in checkpoints.paths()] == ["00000003"]
    assert [path.name for path in checkpoints.folder.glob("*.damaged")] == ["00000004.damaged"]


def test_another_split_is_refused_and_none_in_an_older_checkpoint_is_not(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, FACTS)
    checkpoints.facts = FACTS | {"split": "another"}
    with pytest.raises(RunError, match="train, val and test hold other drawings than before"):
        checkpoints.load()
    older = saved(tmp_path / "older", 1, {key: FACTS[key] for key in ("fingerprints", "environment")})
    older.facts = FACTS
    assert older.load() == SNAPSHOT
