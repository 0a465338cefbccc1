"""The sha256 of a data file, computed once as long as the file's path, size and time of change stay the same."""

import contextlib
import hashlib
import json
from pathlib import Path

from quickdraw.files import write_json


def fingerprint(path: Path, cache: Path) -> str:
    """The sha256 of the file's bytes, in hex, from the folder `cache` where it is known."""
    status = path.stat()
    place = str(path.resolve()).encode(errors="surrogateescape").hex()  # a path may be no text
    key = [place, status.st_size, status.st_mtime_ns]
    entry = cache / "fingerprints" / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(entry.read_bytes())
        if known["file"] == key:
            return str(known["sha256"])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.suppress(OSError):  # without a cache the next start is slower, no more
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_json(entry, {"file": key, "sha256": digest})
    return digest
