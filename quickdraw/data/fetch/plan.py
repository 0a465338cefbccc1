"""What a download has to do: which files are missing, from where, and is there room for them."""

import shutil
import sys
from pathlib import Path
from urllib.parse import quote

from quickdraw.data.class_files import BYTES_PER_DRAWING, check_whole, count_drawings, find_class_file
from quickdraw.data.fetch.bars import megabytes, say
from quickdraw.data.fetch.official import Kind, OfficialFile, Table
from quickdraw.data.fetch.transfer import Transfer
from quickdraw.data.names import is_raw
from quickdraw.errors import DataError, DownloadError


def find_missing(names: list[str], root: Path, kind: Kind) -> dict[str, str]:
    """The classes to fetch, each with what is wrong with its file (nothing when there is none)."""
    missing = {}
    for name in names:
        path = find_class_file(root, name, kind.ending)
        try:
            if path is None or is_raw(path):
                missing[name] = ""
            else:
                check_whole(path, kind.ending, every_byte=False)
        except DataError as error:
            missing[name] = str(error)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); give yourself the right to, or move it"
            ) from error
    return missing


def plan(name: str, published: OfficialFile, root: Path, kind: Kind, base_url: str, *, limit: int | None) -> Transfer:
    """The transfer of one class's file. With a limit, the size is a guess until the header was read."""
    needed = published.size
    if limit is not None:
        needed = min(needed or sys.maxsize, 128 + BYTES_PER_DRAWING * limit)
    url = f"{base_url.rstrip('/')}/{kind.folder}/{quote(name)}{kind.ending}"
    return Transfer(name, url, root / f"{name}{kind.ending}", kind, limit, published, needed)


def check_room(root: Path, transfers: list[Transfer]) -> None:
    """Raise DownloadError when the disk cannot take the files: better now than after the first gigabytes."""
    missing = sum(transfer.needed or 0 for transfer in transfers)
    there = sum(part.stat().st_size for part in root.glob(".*.part"))
    free = shutil.disk_usage(root).free
    if missing - there > free:
        raise DownloadError(
            f"{root}: expected {megabytes(missing - there)} of free disk, got {megabytes(free)}; make room, name "
            "another folder with --root, or take a part: --limit 10000"
        )


def say_shorter(names: list[str], paths: list[Path], limit: int | None, table: Table) -> None:
    """Say which files hold fewer drawings than were asked for, from an earlier --limit or by somebody's choice."""
    shorter = []
    for name, path in zip(names, paths, strict=True):
        size = table.get(("bitmap", name), OfficialFile()).size
        asked = min(limit or sys.maxsize, size // BYTES_PER_DRAWING if size else 0)
        if (held := count_drawings(path)) < asked:
            shorter.append(f"{path.name} {held:,} of {asked:,}")
    if shorter:
        named = ", ".join(shorter[:3])
        if len(shorter) > 3:
            named += f" and {len(shorter) - 3} more"
        say(f"kept, with fewer drawings than asked for: {named}; to fetch all, move them away")
