"""Get the drawings: `python -m quickdraw.data.download [CLASS ...]`.

Fetches what is missing, several files at once, each whole and checked or not at all. What is there in any spelling is
left alone. Whatever stops it, the same command continues.
"""

import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import urllib3

from quickdraw import console
from quickdraw.data.fetch import official, web
from quickdraw.data.fetch.bars import Bars, megabytes, say
from quickdraw.data.fetch.official import BASE_URL, KINDS, Kind, OfficialFile, Table
from quickdraw.data.fetch.plan import check_room, find_missing, plan, tell_shorter
from quickdraw.data.fetch.transfer import Fetcher, Patience, Stopped, Transfer
from quickdraw.data.names import DEFAULT_CLASSES, find_class_file
from quickdraw.errors import ConfigError, DownloadError

PATIENCE = Patience()
TICK_S = 0.1


def download(
    classes: Iterable[str] = DEFAULT_CLASSES,
    root: str | Path = "data",
    *,
    kind: str = "bitmap",
    limit: int | None = None,
    base_url: str = BASE_URL,
    jobs: int = 4,
    table: Table | None = None,
    patience: Patience = PATIENCE,
) -> list[Path]:
    """Return the files of these classes in `root`, in order, after fetching those that are missing or not whole.

    `limit` takes only the first drawings of each bitmap file. Files are checked against `table` (the official one by
    default, also when another server is named), and against what the server tells where the table tells nothing.
    Every file is tried before this raises: ConfigError for a wrong argument, DownloadError for files that could not be
    fetched. What is finished stays, and what is half-way is continued by the next call.
    """
    wanted, root, host = _kind(kind, limit, jobs), Path(root), web.host_of(base_url)
    table = official.read_table() if table is None else table
    names = official.resolve_classes(classes, official.class_names(table))
    if not find_missing(names, root, wanted):
        say(f"nothing to fetch: {len(names)} of {len(names)} files are in {root}")
    else:
        with _only_one(root):
            missing = find_missing(names, root, wanted)  # again: another download may just have finished them
            transfers = [
                plan(name, table.get((kind, name), OfficialFile()), root, wanted, base_url, limit=limit)
                for name in missing
            ]
            size = megabytes(sum(transfer.needed or 0 for transfer in transfers))
            say(f"fetching {len(missing)} of {len(names)} files ({size}) from {host} into {root}")
            for name, fault in missing.items():
                if fault:
                    say(f"{name}: fetched again, for the file there is not whole: {fault}")
            check_room(root, transfers)
            _run(transfers, base_url, jobs, patience)
            _raise_failures(transfers)
            say(f"done: {len(names)} of {len(names)} files are in {root}")
    paths = [path for name in names if (path := find_class_file(root, name, wanted.ending))]
    if wanted.ending == ".npy":
        tell_shorter(names, paths, limit, table)
    return paths


def _kind(kind: str, limit: int | None, jobs: int) -> Kind:
    if kind not in KINDS:
        raise ConfigError(f"expected one of {', '.join(KINDS)}, came {kind!r}; see --kind")
    if limit is not None and (limit < 1 or kind != "bitmap"):
        raise ConfigError(f"expected a limit of at least 1, and bitmaps, came {limit} of kind {kind}; see --limit")
    if jobs < 1:
        raise ConfigError(f"expected at least 1 job, came {jobs}; see --jobs")
    return KINDS[kind]


@contextmanager
def _only_one(root: Path) -> Iterator[None]:
    """Hold the lock on `root`: two downloads (jobs of a sweep, say) must not write the same partial file."""
    lock = filelock.FileLock(root / ".download.lock")
    try:
        root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            say(f"another download is at work in {root}; waiting for it")
            lock.acquire(poll_interval=TICK_S)
    except OSError as error:
        raise DownloadError(f"{root}: cannot write there ({error.strerror}); name another folder: --root") from error
    try:
        yield
    finally:
        lock.release()


def _run(transfers: list[Transfer], base_url: str, jobs: int, patience: Patience) -> None:
    """Fetch the files with `jobs` threads and show how far they are. Each ends with its `state` and `error` set."""
    timeout = urllib3.Timeout(connect=patience.connect_s, read=patience.read_s)
    stop = threading.Event()
    with web.make_pool(base_url, jobs, timeout) as pool:
        fetcher, pending = Fetcher(pool, patience, stop), deque(transfers)
        # Daemons, so that Ctrl-C need not wait for a silent server: a partial file is good at any moment.
        threads = [
            threading.Thread(target=_work, args=(pending, fetcher, stop), daemon=True)
            for _ in range(min(jobs, len(transfers)))
        ]
        for thread in threads:
            thread.start()
        bars = Bars(transfers)
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(TICK_S)
                    bars.update()
        finally:
            stop.set()
            bars.close()
            for thread in threads:
                thread.join(TICK_S)


def _work(pending: deque[Transfer], fetcher: Fetcher, stop: threading.Event) -> None:
    while pending and not stop.is_set():
        try:
            transfer = pending.popleft()
        except IndexError:
            return  # another thread took the last one
        try:
            fetcher.fetch(transfer)
            transfer.state = "finished"
        except Stopped:
            return
        except BaseException as error:
            transfer.error, transfer.state = error, "failed"
            if isinstance(error, web.HopelessError) or not isinstance(error, DownloadError):
                stop.set()


def _raise_failures(transfers: list[Transfer]) -> None:
    """Raise what failed as one error of at most two lines."""
    errors = {transfer.name: transfer.error for transfer in transfers if transfer.error}
    for error in errors.values():
        if isinstance(error, web.HopelessError) or not isinstance(error, DownloadError):
            raise error
    if errors:
        message, names = str(next(iter(errors.values()))), list(errors)
        if len(names) > 1:
            more = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            message += f"\n{len(names)} of {len(transfers)} files were not fetched: {more}"
        raise DownloadError(message)


def arguments() -> console.Parser:
    """The parser of the command line."""
    parser = console.Parser(
        prog="python -m quickdraw.data.download",
        description="Fetch Quick, Draw! drawings. What is there is kept, and an interrupted download is continued.",
        epilog="The data is made available by Google, Inc. under the Creative Commons Attribution 4.0 licence.",
    )
    parser.add_argument("classes", nargs="*", metavar="CLASS", help=f"default: {', '.join(DEFAULT_CLASSES)}")
    parser.add_argument("--all", action="store_true", help="all 345 classes (39 GB of bitmaps)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N drawings of each class")
    parser.add_argument("--kind", default="bitmap", help="bitmap (.npy), simplified (.ndjson) or sketchrnn (.npz)")
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of the files (default: data)")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="files fetched at once (default: 4)")
    parser.add_argument("--base-url", default=BASE_URL, metavar="URL", help=f"default: {BASE_URL}")
    parser.add_argument(
        "--table",
        type=Path,
        default=official.OFFICIAL_TABLE,
        metavar="TSV",
        help="sizes and MD5 of the files at another base URL (default: the official ones)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 1 error, 130 Ctrl-C, 143 SIGTERM."""
    return console.call(lambda: command(argv), when_stopped="error: stopped; the same command continues")


def command(argv: list[str] | None) -> None:
    """Fetch what the command line names."""
    options = arguments().parse_args(argv)
    table = official.read_table(options.table)
    if options.all and options.classes:
        raise ConfigError(f"expected --all or classes, got both ({', '.join(options.classes)}); drop one")
    classes = official.class_names(table) if options.all else options.classes or DEFAULT_CLASSES
    download(
        classes,
        options.root,
        kind=options.kind,
        limit=options.limit,
        base_url=options.base_url,
        jobs=options.jobs,
        table=table,
    )


if __name__ == "__main__":
    sys.exit(main())
