"""The sha256 of a data file, computed once as long as the file's path, size and time of change stay the same."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from quickdraw.data import cached
from quickdraw.files import atomic_write, read_bounded

ENDING = ".fingerprint"


def fingerprint(path: Path, cache: Path) -> str:
    """The sha256 of the file's bytes, in hex, from the folder `cache` where it is known."""
    place = str(path.resolve()).encode(errors="surrogateescape").hex()  # a path may be no text
    key = [place, *stamp(path)]
    entry = cache / "fingerprints" / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}{ENDING}"
    known = decoded(cached.read(entry))
    if known.get("file") == key:
        return str(known["sha256"])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    cached.keep(entry, json.dumps({"file": key, "sha256": digest}).encode())
    return digest


def known_files(cache: Path) -> dict[str, Path]:
    """The files that the cache has a sha256 of, by it, as far as they are still as they were."""
    found: dict[str, Path] = {}
    for entry in sorted((cache / "fingerprints").glob(f"*{ENDING}")):
        known = decoded(cached.read(entry))
        with contextlib.suppress(OSError, LookupError):
            place, *then = known["file"]
            path = Path(bytes.fromhex(place).decode(errors="surrogateescape"))
            if stamp(path) == then:
                found[known["sha256"]] = path
    return found


def stamp(path: Path) -> list[int]:
    """A file's size and time of change."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def decoded(entry: bytes | None) -> dict[str, Any]:
    """An entry of the cache; empty where there is none."""
    return json.loads(entry) if entry else {}


def write_noted(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file of the cache and its sha256 beside it, by which `is_as_written` knows it.

    Prints a line where it replaces one that is not as it was written.
    """
    digest = hashlib.sha256()

    def digested() -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    if note_of(path).exists():
        cached.say_damaged(path)
    atomic_write(path, digested())
    atomic_write(note_of(path), digest.hexdigest().encode())


def is_as_written(path: Path, cache: Path) -> bool:
    """Whether a file that `write_noted` wrote is there, and the same.

    It is read again only where its size or time of change is another one than at the last start.
    """
    try:
        return read_bounded(note_of(path)).decode(errors="replace") == fingerprint(path, cache)
    except (OSError, ValueError):
        return False


def note_of(path: Path) -> Path:
    return path.with_suffix(".sha256")
