"""Checkpoints: what resumes a run. One safetensors file each, checked to the last bit, the newest two kept.

A file holds named tensors and, in the safetensors header, one JSON value and the sha256 of the whole file (taken
with zeros in the digest's own place). Reading runs nothing that the file says; a file with one wrong bit is refused.
"""

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from quickdraw.errors import RunError, WeightsError
from quickdraw.files import atomic_write, make_folder, parse_json, read_bounded
from quickdraw.hardware import environment_changes
from quickdraw.records import checkpoint_complaint
from quickdraw.run.folder import RunFolder
from quickdraw.state import Snapshot

log = logging.getLogger(__name__)

FORMAT = 2  # 2: with the norms of the gradients
KEPT = 2
BLANK = "0" * 64
DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')


class Checkpoints:
    """The checkpoints of one run, named by the training steps done: `00000123.safetensors`.

    `facts` go into each of them: `fingerprints` of the data, the digest of its `split`,
    and `environment` (device, threads, versions, ...).
    """

    def __init__(self, run: RunFolder, facts: Mapping[str, Any]) -> None:
        self.run = run
        self.folder = run.path / "checkpoint"
        self.facts = facts

    def save(self, step: int, snapshot: Snapshot) -> None:
        """Write a checkpoint after `step` steps, then remove all but the newest two."""
        data = encode(snapshot.tensors, {"training": snapshot.values, "facts": self.facts})
        make_folder(self.folder)
        atomic_write(self.folder / f"{step:08d}.safetensors", data)
        for old in self.paths()[KEPT:]:
            old.unlink()
        self.run.update(epoch=len(snapshot.history), step=step)

    def load(self) -> Snapshot | None:
        """The snapshot in the newest whole checkpoint, or None when there has never been one.

        Warns of each newer one that is damaged, and of what differs in the environment and may change bits. Raises
        WeightsError when all are damaged: starting from zero without a word would hide the loss. Raises RunError when
        the data changed since.
        """
        damaged: dict[Path, str] = {}
        for path in self.paths():
            try:
                tensors, value = decode(read_bounded(path, most=math.inf))
                check_value(value)
            except (OSError, ValueError, WeightsError) as error:
                damaged[path] = f"{path.name}: {error}"
                continue
            self._compare(value["facts"])
            for other, complaint in damaged.items():
                other.rename(other.with_suffix(".damaged"))  # otherwise it would count as one of the newest two
                self.run.warn(f"{complaint}; falling back to the checkpoint before it")
            log.info("continuing after step %d", int(path.stem))
            return Snapshot(tensors, value["training"])
        if damaged:
            raise WeightsError(
                f"{self.folder}: no checkpoint can be read: {'; '.join(damaged.values())}; restore one from a backup, "
                "or remove that folder to train this run again from step 0"
            )
        if self.run.continued:
            log.info("no checkpoint yet: starting at step 0")
        return None

    def _compare(self, facts: Mapping[str, Any]) -> None:
        before = facts["fingerprints"]
        changed = [name for name, digest in self.facts["fingerprints"].items() if before.get(name) != digest]
        if changed:
            raise RunError(
                f"{self.folder}: the drawings of {', '.join(changed)} changed since this run was saved; "
                "bring the old files back, or train a new run"
            )
        split = self.facts.get("split")
        if facts.get("split", split) != split:  # an older checkpoint has none
            raise RunError(f"{self.folder}: train, val and test hold other drawings than before; train a new run")
        for line in environment_changes(facts["environment"], self.facts["environment"]):
            self.run.warn(f"{line}: the run may end with other bits than it would have")

    def paths(self) -> list[Path]:
        """The checkpoint files, newest first."""
        return sorted(self.folder.glob("[0-9]" * 8 + ".safetensors"), reverse=True)


def encode(tensors: Mapping[str, Tensor], state: Any) -> bytes:
    """The bytes of a checkpoint file with these tensors and this JSON value."""
    header = {"format": str(FORMAT), "state": json.dumps(state, allow_nan=False), "sha256": BLANK}
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata=header)
    start, end = digest_place(data)
    return data[:start] + hashlib.sha256(data).hexdigest().encode() + data[end:]


def decode(data: bytes) -> tuple[dict[str, Tensor], Any]:
    """Tensors and state of a checkpoint file's bytes; raises WeightsError if one bit is not as written."""
    start, end = digest_place(data)
    blanked = data[:start] + BLANK.encode() + data[end:]
    if hashlib.sha256(blanked).hexdigest().encode() != data[start:end]:
        raise WeightsError("damaged: its sha256 does not match")
    try:
        header = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        if header["format"] != str(FORMAT):
            raise WeightsError(f"of format {header['format']}, written by another version; this one reads {FORMAT}")
        return load(data), parse_json(header["state"])
    except (SafetensorError, ValueError, LookupError, TypeError) as error:
        raise WeightsError("not a checkpoint of ours, although its sha256 is right") from error


def digest_place(data: bytes) -> tuple[int, int]:
    """The place of the digest's 64 hex digits, start and end; raises WeightsError when there is none."""
    header_size = int.from_bytes(data[:8], "little")
    found = DIGEST.search(data, 8, 8 + min(header_size, len(data)))
    if not found:
        raise WeightsError("damaged, or not a checkpoint: it holds no sha256")
    return found.span(1)


def check_value(value: Any) -> None:
    """Raise WeightsError if the plain values of a checkpoint make no sense; its tensors are checked by `state`."""
    complaint = checkpoint_complaint(value)
    if complaint:
        raise WeightsError(f"not a checkpoint of ours, although its sha256 is right: {complaint}")
