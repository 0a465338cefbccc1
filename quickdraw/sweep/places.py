"""Where each job of a sweep lies: one folder for the same settings, decided once, whoever asks first."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from quickdraw.errors import ConfigError
from quickdraw.locks import take_lock
from quickdraw.run.listing import read_run
from quickdraw.settings import OUTPUT_KEYS, differences
from quickdraw.sweep.job import Job, changed_settings

FILE = ".places"
DIGEST = re.compile(r"-([0-9a-f]{16})$")
LARGEST = 32_000_000  # bytes: the notes of 200,000 jobs
OLD_DIGITS = 8  # the hashes of an earlier version, which may mean two settings


class Places:
    """The folders of a sweep's jobs, found by the hash at the end of their names.

    `.places` in the sweep's folder notes each, a line a job. So of two sweeps that are typed otherwise and started
    together, the second finds what the first decided. Nothing is noted unless `keep`.
    """

    def __init__(self, sweep: Path, keep: bool) -> None:
        self.sweep = sweep
        self.keep = keep
        self.decided: dict[str, Path] = {}  # what is noted, by hash and the folder that it is in
        self.read = 0  # so many bytes of the notes are in `decided`
        self.listed: dict[Path, dict[str, str]] = {}  # the names in a folder, by the digits at their ends

    def folder(self, wished: Path, settings: Mapping[str, Any]) -> Path:
        """The folder of the job with these settings; raises ConfigError if it lies outside the sweep's."""
        inside = Path(os.path.relpath(wished, self.sweep))
        if inside.parts[:1] in ((), ("..",)):
            raise ConfigError(f"hydra.sweep.subdir: expected a folder below {self.sweep}, got {wished}")
        wished = self.sweep / inside
        found = DIGEST.search(wished.name)
        if not found:
            return wished  # a name of the user's own
        digest = found[1]
        if not self.keep:
            self._catch_up()
            return self.decided.get(self._key(wished, digest)) or self._found(wished, digest, settings)
        with take_lock(self.sweep / ".places.lock"):
            self._catch_up()
            key = self._key(wished, digest)
            if key not in self.decided:
                self._note(self._found(wished, digest, settings), digest)
            return self.decided[key]

    def _key(self, place: Path, digest: str) -> str:
        return f"{place.parent.relative_to(self.sweep).as_posix()}/{digest}"

    def _catch_up(self) -> None:
        """Take in what was noted since; a line that is not whole, or names no folder of its hash, says nothing."""
        path = self.sweep / FILE
        if not path.exists():
            return
        if not path.is_file():  # a pipe would be waited for
            raise ConfigError(f"{path}: expected a file, got a folder or a device; move it away")
        size = path.stat().st_size
        if size > LARGEST:
            raise ConfigError(f"{path}: expected notes of at most {LARGEST:,} bytes, got {size:,}; move it away")
        with path.open("rb") as file:
            file.seek(self.read)
            new = file.read()
        self.read += len(new)
        for line in new.decode(errors="replace").replace("\0", "/..").splitlines():
            digest, _, name = line.partition(" ")
            place = Path(name)
            if ".." not in place.parts and not place.is_absolute() and is_named_by(place.name, digest):
                self.decided.setdefault(self._key(self.sweep / place, digest), self.sweep / place)

    def _note(self, place: Path, digest: str) -> None:
        self.decided[self._key(place, digest)] = place
        with (self.sweep / FILE).open("ab") as file:  # a new line first: a process may have been killed in the last one
            file.write(f"\n{digest} {place.relative_to(self.sweep).as_posix()}\n".encode())

    def _found(self, wished: Path, digest: str, settings: Mapping[str, Any]) -> Path:
        """A folder that another command or an earlier version made for these settings; otherwise the wished one."""
        if wished.parent not in self.listed:
            names = [path.name for path in sorted(wished.parent.glob("*-*"), reverse=True)]
            self.listed[wished.parent] = {name.rpartition("-")[2]: name for name in names}
        names_by_end = self.listed[wished.parent]
        if digest in names_by_end:
            return wished.with_name(names_by_end[digest])
        old = names_by_end.get(digest[:OLD_DIGITS])
        if old and not changed_settings(read_run(wished.with_name(old)), settings):
            return wished.with_name(old)
        return wished


def is_named_by(name: str, digest: str) -> bool:
    """Whether a folder's name ends with a hash, in full or as an earlier version wrote it."""
    return bool(DIGEST.search(f"-{digest}")) and name.endswith((f"-{digest}", f"-{digest[:OLD_DIGITS]}"))


def check_folders(jobs: Iterable[Job]) -> None:
    """Raise ConfigError, naming two of them, if jobs with different settings share a folder."""
    first: dict[Path, Job] = {}
    for job in jobs:
        other = first.setdefault(job.folder, job)
        if differences(other.config, job.config, ignored=OUTPUT_KEYS):
            raise ConfigError(
                f"hydra.sweep.subdir: expected a folder for each job, got {job.folder} for two: "
                f"{' '.join(other.overrides)} and {' '.join(job.overrides)}; name in it what varies, or leave it out"
            )
