"""Fetch one file so that it ends well: whole and checked under its own name, or not there at all.

The bytes so far lie in a hidden partial file, with a note beside it of what they are a part of. A lost
connection, a killed process or a busy server costs a wait; the next attempt asks for the rest only.
"""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import urllib3

from quickdraw.data.class_files import BYTES_PER_DRAWING, check_whole, read_bitmap_header, write_bitmap_header
from quickdraw.data.fetch import web
from quickdraw.data.fetch.official import Kind, OfficialFile
from quickdraw.data.fetch.partial import Origin, Partial
from quickdraw.data.fetch.web import Answer, FatalError, TransientError, WrongBytesError
from quickdraw.errors import DataError, DownloadError

CHUNK = 1 << 18


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """All transfers were asked to end."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often is tried again, and after which wait: from `base_s` doubled up to `longest_s`, with jitter."""

    tries: int = 8  # in a row without a new byte
    first_tries: int = 3  # the same while the server never answered: no network should show soon
    wrong_tries: int = 3  # files that turned out wrong
    base_s: float = 0.25
    longest_s: float = 30.0
    retry_after_s: float = 120.0  # a server that wants a longer pause gets it from the user
    connect_s: float = 10.0
    read_s: float = 30.0
    slowest_bytes_per_s: float = 500.0  # a server that sends less over a window is as good as silent
    window_s: float = 60.0


class Pace:
    """How fast bytes arrive: `note` raises TransientError when they do so too slowly over a window."""

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float]) -> None:
        self.policy = policy
        self.clock = clock
        self.since, self.arrived = clock(), 0

    def note(self, count: int) -> None:
        """Count bytes that have just arrived."""
        self.arrived += count
        passed = self.clock() - self.since
        if passed < self.policy.window_s:
            return
        if self.arrived < self.policy.slowest_bytes_per_s * passed:
            raise TransientError(f"only {self.arrived:,} bytes arrived in {passed:.0f} s", too_slow=True)
        self.since, self.arrived = self.clock(), 0


@dataclass
class Transfer:
    """One file on its way: what is wanted, and how far it is (written by one thread, shown by another)."""

    name: str
    url: str
    path: Path
    kind: Kind
    limit: int | None  # only so many first drawings of a bitmap file
    official: OfficialFile
    needed: int | None  # bytes of the finished file, as far as it is known
    done: int = 0
    resumed: int = 0  # of these, what was there at the start
    problem: str = ""  # why it waits for its next try
    state: str = "waiting"  # running, finished, failed
    error: BaseException | None = None


class Fetcher:
    """Fetches files from one server, for several threads at once."""

    def __init__(
        self,
        pool: urllib3.PoolManager,
        policy: RetryPolicy,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.pool = pool
        self.policy = policy
        self.stop = stop
        self.reached = False  # has the server ever answered?

    def fetch(self, transfer: Transfer) -> None:
        """Fetch one file, whole and checked. Raises DownloadError, or Cancelled soon after `stop` is set."""
        partial = Partial(transfer.path)
        try:
            self._fetch(transfer, partial)
        except OSError as error:
            raise FatalError(
                f"{transfer.path.parent}: cannot write {transfer.path.name} ({error.strerror}); make room or name "
                "another folder with --root, then run the same command again: it continues"
            ) from error

    def _fetch(self, transfer: Transfer, partial: Partial) -> None:
        partial.load(transfer.url, transfer.limit)
        furthest = transfer.done = transfer.resumed = partial.size()
        transfer.state = "running"
        failures = wrong = 0
        while True:
            try:
                self._receive(transfer, partial)
                self._check(partial, transfer.kind)
                return partial.publish()
            except WrongBytesError as error:
                partial.discard()
                furthest, failures, wrong = 0, 0, wrong + 1
                if wrong >= self.policy.wrong_tries:
                    raise DownloadError(f"{transfer.url}: {error} ({wrong} times); nothing of it is kept") from error
                reason, wait_s = str(error), self._backoff_s(wrong)
            except TransientError as error:
                # Only a byte further than ever is progress: a server without ranges could start over for ever.
                progressed = partial.size() > furthest and not error.too_slow
                failures = 1 if progressed else failures + 1
                furthest = max(furthest, partial.size())
                self._give_up(transfer, error, failures)
                reason, wait_s = str(error), error.retry_after_s + self._backoff_s(failures)
            transfer.done = partial.size()
            transfer.problem = f"{reason}; next try in {wait_s:.1f} s"
            if self.stop.wait(wait_s):
                raise Cancelled
            transfer.problem = ""

    def _backoff_s(self, failures: int) -> float:
        wait_s: float = self.policy.base_s * 2 ** (failures - 1)
        return min(self.policy.longest_s, wait_s) * random.uniform(0.5, 1)

    def _give_up(self, transfer: Transfer, error: TransientError, failures: int) -> None:
        """Raise DownloadError when another try is not worth the wait."""
        self.reached = self.reached or not error.unreachable
        if error.retry_after_s > self.policy.retry_after_s:
            raise DownloadError(
                f"{transfer.url}: {error} and wants a pause of {error.retry_after_s:.0f} s; run the same command "
                "again after it: it continues"
            ) from error
        tries = self.policy.tries if self.reached else self.policy.first_tries
        if error.unreachable and failures >= tries:
            raise FatalError(
                f"{web.host_of(transfer.url)} cannot be reached: {error}; put {transfer.path.name} and the like into "
                f"{transfer.path.parent} by hand, or train without files: data=synthetic"
            ) from error
        if failures >= self.policy.tries:
            raise DownloadError(
                f"{transfer.url}: {error} ({failures} times in a row); run the same command again: it continues"
            ) from error

    def _receive(self, transfer: Transfer, partial: Partial) -> None:
        """Append to the partial file from one connection, until it is complete; TransientError if it ends early."""
        if partial.origin and partial.size() == partial.origin.needed:
            return
        if partial.origin and not partial.origin.continuable:
            partial.discard()
        origin, start = partial.origin, partial.size()
        # A header takes 80 or 128 bytes; where that is a guess too short, the next request asks for the rest.
        end = 128 + BYTES_PER_DRAWING * transfer.limit if transfer.limit else None
        validator = None
        if origin:
            end, validator = origin.needed, origin.validator
        answer = web.ask(self.pool, transfer.url, start, end, validator)
        self.reached = True
        pace = Pace(self.policy, self.clock)
        with closing(answer.response):
            chunk = b""
            if origin is None or answer.start == 0:
                origin, chunk = self._begin(transfer, answer, pace)
                partial.begin(origin)
            elif answer.size != origin.size:
                raise WrongBytesError(f"the file changed on the server from {origin.size:,} to {answer.size} bytes")
            needed = transfer.needed = origin.needed
            transfer.done = partial.size()
            with open(partial.data, "ab") as file:
                while True:
                    file.write(chunk)
                    file.flush()  # so that it survives a kill
                    transfer.done += len(chunk)
                    if transfer.done >= needed:
                        return
                    if self.stop.is_set():
                        raise Cancelled
                    chunk = answer.read(min(CHUNK, needed - transfer.done))
                    pace.note(len(chunk))

    def _begin(self, transfer: Transfer, answer: Answer, pace: Pace) -> tuple[Origin, bytes]:
        """Check the first bytes against all that is known, note what they begin, and return the bytes to be written."""
        published, head = transfer.official, answer.read(CHUNK)
        if head.lstrip()[:1] == b"<":
            raise web.web_page(transfer.url)
        size = published.size if answer.size is None else answer.size
        if size is None:
            raise DownloadError(f"{transfer.url}: the server sent no size, so completeness cannot be checked")
        if published.size not in (None, size):
            raise WrongBytesError(f"expected {published.size:,} bytes, the server offers {size:,}")
        needed = size
        if transfer.kind.ending == ".npy":
            try:
                while (header := read_bitmap_header(head)) is None:
                    more = answer.read(CHUNK)
                    pace.note(len(more))
                    head += more
            except DataError as error:
                raise WrongBytesError(str(error)) from error
            length, rows = header
            if length + BYTES_PER_DRAWING * rows != size:
                raise WrongBytesError(f"its header announces {rows:,} drawings, which do not fill its {size:,} bytes")
            if transfer.limit and transfer.limit < rows:
                needed = length + BYTES_PER_DRAWING * transfer.limit
                head = write_bitmap_header(length, transfer.limit) + head[length:]
        elif not head.startswith(transfer.kind.magic[: len(head)]):
            raise WrongBytesError(f"expected a {transfer.kind.ending} file, got {head[:16]!r}")
        md5 = (published.md5 or answer.md5) if needed == size else None
        return Origin(transfer.url, transfer.limit, size, needed, answer.validator, md5), head[:needed]

    def _check(self, partial: Partial, kind: Kind) -> None:
        """Raise WrongBytesError when the complete partial file is not what it should be."""
        if partial.origin and partial.origin.md5:
            with open(partial.data, "rb") as file:
                md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if md5 != partial.origin.md5:
                raise WrongBytesError(f"expected MD5 {partial.origin.md5}, got {md5}")
        try:
            check_whole(partial.data, kind.ending, every_byte=True)
        except DataError as error:
            raise WrongBytesError(str(error)) from error
