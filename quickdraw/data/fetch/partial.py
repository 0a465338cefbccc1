"""The bytes of a file that is on its way, hidden until it is whole, and what they are a part of."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from quickdraw.files import sync_folder, write_json


@dataclass(frozen=True)
class Origin:
    """What the bytes of a partial file are a part of."""

    url: str
    limit: int | None
    size: int  # of the file on the server
    needed: int  # of these
    validator: str | None  # lets the server tell whether it still is the same file
    md5: str | None  # of the needed bytes

    @property
    def continuable(self) -> bool:
        """With neither validator nor MD5, nobody would notice that the rest is of a newer file."""
        return bool(self.validator or self.md5)


class Partial:
    """The bytes so far in `.cat.npy.part`, and their Origin in a note beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path.with_name(f".{path.name}.part")
        self.note = path.with_name(f".{path.name}.part.json")
        self.origin: Origin | None = None

    def size(self) -> int:
        return self.data.stat().st_size if self.data.exists() else 0

    def load(self, url: str, limit: int | None) -> None:
        """Take up what an earlier process left, if it belongs to this url and limit, and otherwise discard it."""
        with suppress(FileNotFoundError, ValueError, TypeError):
            origin = Origin(**json.loads(self.note.read_text(encoding="utf-8")))
            if (origin.url, origin.limit) == (url, limit) and origin.continuable:
                self.origin = origin
        if self.origin is None or not 0 < self.size() <= self.origin.needed:
            self.discard()

    def begin(self, origin: Origin) -> None:
        """Start anew. The note is on the disk before any byte is."""
        self.discard()
        write_json(self.note, asdict(origin))
        self.origin = origin

    def discard(self) -> None:
        self.origin = None
        self.data.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def publish(self) -> None:
        """Make the file visible under its name.

        A file that has this name already is not whole, or nothing would have been fetched. It may still be somebody's
        work, so it is kept as `<name>.damaged`.
        """
        with open(self.data, "rb+") as file:
            os.fsync(file.fileno())
        if self.path.exists():
            os.replace(self.path, self.path.with_name(f"{self.path.name}.damaged"))
        os.replace(self.data, self.path)
        self.note.unlink(missing_ok=True)
        sync_folder(self.path.parent)
