"""Fetch the files that are missing, several at once, with a lock on their folder and bars on the terminal."""

import threading
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import urllib3

from quickdraw.data.class_files import MOST_NAMED, find_class_file
from quickdraw.data.fetch import official, web
from quickdraw.data.fetch.bars import Bars, megabytes, say
from quickdraw.data.fetch.official import BASE_URL, KINDS, Kind, OfficialFile, Table
from quickdraw.data.fetch.plan import check_room, find_missing, plan, say_shorter
from quickdraw.data.fetch.transfer import Cancelled, Fetcher, RetryPolicy, Transfer
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.errors import ConfigError, DownloadError
from quickdraw.locks import take_lock

RETRY_POLICY = RetryPolicy()
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
    policy: RetryPolicy = RETRY_POLICY,
) -> list[Path]:
    """The files of these classes in `root`, in order, after fetching those that are missing or not whole.

    `limit` takes only the first drawings of each bitmap file. Files are checked against `table` (the official one by
    default, also when another server is named), and against what the server says where the table says nothing.
    Every file is tried before this raises: ConfigError for a wrong argument, DownloadError for files that could not be
    fetched. What is finished stays, and what is half-way is continued by the next call.
    """
    wanted, root, host = _kind(kind, limit, jobs), Path(root), web.host_of(base_url)
    if table is None:
        table = official.read_table()
    names = official.resolve_classes(classes, official.class_names(table))
    if not find_missing(names, root, wanted):
        say(f"nothing to fetch: {len(names)} of {len(names)} files are in {root}")
    else:
        with _lock(root):
            # Once more: another download may just have finished them.
            missing = find_missing(names, root, wanted)
            transfers = []
            for name in missing:
                published = table.get((kind, name), OfficialFile())
                transfers.append(plan(name, published, root, wanted, base_url, limit=limit))
            size = megabytes(sum(transfer.needed or 0 for transfer in transfers))
            say(f"fetching {len(missing)} of {len(names)} files ({size}) from {host} into {root}")
            for name, fault in missing.items():
                if fault:
                    say(f"{name}: fetched again, because the file there is not whole: {fault}")
            check_room(root, transfers)
            _run(transfers, base_url, jobs, policy)
            _raise_failures(transfers)
            say(f"done: {len(names)} of {len(names)} files are in {root}")
    paths = [path for name in names if (path := find_class_file(root, name, wanted.ending))]
    if wanted.ending == ".npy":
        say_shorter(names, paths, limit, table)
    return paths


def _kind(kind: str, limit: int | None, jobs: int) -> Kind:
    if kind not in KINDS:
        raise ConfigError(f"expected one of {', '.join(KINDS)}, got {kind!r}; see --kind")
    if limit is not None and (limit < 1 or kind != "bitmap"):
        raise ConfigError(f"expected a limit of at least 1, and bitmaps, got {limit} of kind {kind}; see --limit")
    if jobs < 1:
        raise ConfigError(f"expected at least 1 job, got {jobs}; see --jobs")
    return KINDS[kind]


def _lock(root: Path) -> AbstractContextManager[Any]:
    """Take the lock on `root`: two downloads (jobs of a sweep, say) must not write the same partial file."""
    try:
        return take_lock(root / ".download.lock", lambda: say(f"another download is at work in {root}; waiting for it"))
    except OSError as error:
        raise DownloadError(f"{root}: cannot write there ({error.strerror}); name another folder: --root") from error


def _run(transfers: list[Transfer], base_url: str, jobs: int, policy: RetryPolicy) -> None:
    """Fetch the files with `jobs` threads and show how far they are. Each ends with its `state` and `error` set."""
    timeout = urllib3.Timeout(connect=policy.connect_s, read=policy.read_s)
    stop = threading.Event()
    with web.make_pool(base_url, jobs, timeout) as pool:
        fetcher, pending = Fetcher(pool, policy, stop), deque(transfers)
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
        except Cancelled:
            return
        except BaseException as error:
            transfer.error, transfer.state = error, "failed"
            if _ends_all(error):
                stop.set()


def _raise_failures(transfers: list[Transfer]) -> None:
    """Raise what failed as one error of at most two lines."""
    errors = {transfer.name: transfer.error for transfer in transfers if transfer.error}
    for error in errors.values():
        if _ends_all(error):
            raise error
    if errors:
        message, names = str(next(iter(errors.values()))), list(errors)
        if len(names) > 1:
            message += f"\n{len(names)} of {len(transfers)} files were not fetched: {', '.join(names[:MOST_NAMED])}"
        if len(names) > MOST_NAMED:
            message += f" and {len(names) - MOST_NAMED} more"
        raise DownloadError(message)


def _ends_all(error: BaseException) -> bool:
    """Whether the other files would fail for the same reason, or the program is at fault."""
    return isinstance(error, web.FatalError) or not isinstance(error, DownloadError)
