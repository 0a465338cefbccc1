"""Strokes become bitmaps once: on all cores, in parts that survive a kill, into one whole file a source.

A part is the drawings of one chunk. It is written whole or not at all by the process that rendered it; when all parts
of a file are there, they are joined and removed. So whatever stops the rendering, the next start continues.
"""

import hashlib
import json
import logging
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from quickdraw.cores import usable_cores
from quickdraw.data.class_files import BYTES_PER_DRAWING, write_bitmap_header
from quickdraw.data.fingerprint import fingerprint, is_as_written, write_noted
from quickdraw.data.rendering.stroke_files import CHUNK, Chunk, StrokeFile
from quickdraw.data.rendering.workers import workers
from quickdraw.errors import DataError
from quickdraw.files import remove_leftovers
from quickdraw.locks import take_lock

PROGRAM = ("rasterise.py", "stroke_files.py", "pickled.py")  # they decide how a drawing looks
DRAWINGS_PER_PROCESS = 2 * CHUNK  # fewer are rendered before another process has imported numpy

log = logging.getLogger("quickdraw")


def rendered(files: Sequence[StrokeFile], limit: int | None, cache: Path) -> list[Path]:
    """Each file's drawings as a file uint8 [N, 784] in the folder `cache`, rendered where it is not there yet.

    N is at most `limit`. Raises DataError for what is no drawing or a cache that cannot be used.
    """
    places = [cache / "strokes" / f"{key(file, cache)}.npy" for file in files]
    if not all(is_as_written(place, cache) for place in places):
        with take_turn(cache / "strokes"):  # and look again: another run may have rendered them
            sources = dict(zip(places, files, strict=True))
            missing = {place: file for place, file in sources.items() if not is_as_written(place, cache)}
            if missing:
                render(list(missing.values()), list(missing), limit)
    return places


def key(file: StrokeFile, cache: Path) -> str:
    """32 hex digits of all that decides a file's bitmaps: its bytes, its options, and the program."""
    program = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in PROGRAM]
    text = json.dumps([fingerprint(file.path, cache), file.options, program])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def take_turn(folder: Path) -> AbstractContextManager[Any]:
    """Take the lock on `folder`: the jobs of a sweep start together and need the same bitmaps."""
    try:
        return take_lock(folder / ".lock", lambda: log.info("another run is rendering the strokes; waiting for it"))
    except OSError as error:
        raise DataError(
            f"{folder}: cannot keep drawings there ({error.strerror}); choose another folder: data.cache=FOLDER"
        ) from error


def render(files: Sequence[StrokeFile], places: Sequence[Path], limit: int | None) -> None:
    """Render each file into its place."""
    # What there is to do
    total = sum(file.count() for file in files)
    log.info("rendering up to %s drawings of %d files, once: later starts find them", f"{total:,}", len(files))
    folders = [place.with_suffix(".parts") for place in places]
    counts: list[list[int]] = [[] for _ in files]  # the drawings of each part, as they become known

    def parts() -> Iterator[tuple[int, Chunk | None, Path]]:
        """Yield the work in order: the chunks of each file, and None after its last."""
        for index, (file, folder) in enumerate(zip(files, folders, strict=True)):
            folder.mkdir(exist_ok=True)
            remove_leftovers(folder)
            for number, chunk in enumerate(file.chunks()):
                if limit and sum(counts[index]) >= limit:
                    break
                yield index, chunk, folder / f"{number:06}"
            yield index, None, folder

    # It is done by as many processes as are worth their start
    with (
        workers(min(usable_cores(), 1 + total // DRAWINGS_PER_PROCESS)) as submit,
        tqdm(desc="rendering", total=total, unit="drawing", unit_scale=True, disable=None) as bar,
    ):
        for index, chunk, path, count in in_order(parts(), submit):
            if chunk is None:
                join(files[index].path, path, counts[index], places[index], limit)
            else:
                counts[index].append(count)
                bar.update(count)


def in_order(
    parts: Iterator[tuple[int, Chunk | None, Path]], submit: Callable[[Chunk, Path], "Future[int]"]
) -> Iterator[tuple[int, Chunk | None, Path, int]]:
    """Yield each part, once it is done, with its number of drawings.

    A few are under way at once: enough for all cores, few enough to stay small in memory.
    """
    ahead: deque[tuple[int, Chunk | None, Path, Future[int]]] = deque()
    nothing: Future[int] = Future()
    nothing.set_result(0)
    for index, chunk, path in parts:
        ahead.append((index, chunk, path, submit(chunk, path) if chunk else nothing))
        while len(ahead) > 2 * usable_cores():
            index, chunk, path, future = ahead.popleft()
            yield index, chunk, path, future.result()
    for index, chunk, path, future in ahead:
        yield index, chunk, path, future.result()


def join(source: Path, folder: Path, counts: list[int], place: Path, limit: int | None) -> None:
    """Write the first `limit` drawings of all parts in `folder` to `place`, whole or not at all; remove the parts."""
    rows = min(sum(counts), limit or sum(counts))
    if not rows:
        raise DataError(f"{source}: expected drawings, got none that count")

    def content() -> Iterator[bytes]:
        yield write_bitmap_header(128, rows)
        left = rows
        for number, count in enumerate(counts):
            taken = min(count, left)
            yield (folder / f"{number:06}").read_bytes()[: taken * BYTES_PER_DRAWING]
            left -= taken

    write_noted(place, content())
    shutil.rmtree(folder, ignore_errors=True)  # the whole file is there, and counts
