"""A local file server that fails by script: what stands between a download and its files, on purpose and repeatable."""

import base64
import hashlib
import re
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

BLOCK = 1 << 14


@dataclass(frozen=True)
class Reply:
    """How one request is answered. The default is a correct answer."""

    status: int = 0  # instead of 200 or 206, with an empty body
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None  # close the connection after so many bytes of the body
    stall: int | None = None  # fall silent after so many
    flip: int | None = None  # invert this byte of the file
    ignore_range: bool = False  # 200 to a range
    shift: int = 0  # Content-Range tells another place
    total: int = 0  # Content-Range and Content-Length tell a file so much longer
    length: int = 0  # Content-Length alone lies
    chunked: bool = False  # no Content-Length
    page: bool = False  # a web page with status 200
    untold: bool = False  # ... which does not say that it is one
    elsewhere: str = ""  # redirect there; {path} is what was asked for
    other: bool = False  # another file of this size, with its own ETag


@dataclass(frozen=True)
class Request:
    """What was asked for, and how many bytes of a body left."""

    path: str
    range: str | None
    status: int
    sent: int


def other_file(data: bytes) -> bytes:
    """Return a file of the same size and header, but with inverted drawings."""
    return data[:128] + data[128:].translate(bytes(range(255, -1, -1)))


class FaultyServer(ThreadingHTTPServer):
    """Serves `files` (by path below the base URL) on a free port of the loopback; use as a context manager.

    Each request for a path takes the next Reply of its script; after the last one, and without a script, it takes
    `always`.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        files: Mapping[str, bytes],
        scripts: Mapping[str, Iterable[Reply]] | None = None,
        always: Reply = Reply(),
        validators: bool = True,
        hashes: bool = False,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.scripts: dict[str, deque[Reply]] = defaultdict(deque)
        for path, replies in (scripts or {}).items():
            self.scripts[path].extend(replies)
        self.always = always
        self.validators = validators
        self.hashes = hashes
        self.requests: list[Request] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_reply(self, path: str) -> Reply:
        script = self.scripts[path]
        return script.popleft() if script else self.always

    def sent(self, path: str) -> int:
        return sum(request.sent for request in list(self.requests) if request.path == path)

    def __enter__(self) -> "FaultyServer":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are what this server is for."""


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        reply = self.server.next_reply(path)
        if reply.elsewhere:
            self.answer(path, 302, {"Location": reply.elsewhere.format(path=self.path)}, b"", reply)
        elif reply.page or reply.untold:
            kind = {"Content-Type": "text/html; charset=utf-8"} if reply.page else {}
            self.answer(path, 200, kind, b"<!doctype html><title>Please log in</title>" * 9, reply)
        elif reply.status or path not in self.server.files:
            self.answer(path, reply.status or 404, {}, b"", reply)
        else:
            self.send_file(path, self.server.files[path], reply)

    def send_file(self, path: str, data: bytes, reply: Reply) -> None:
        size = len(data)
        if reply.other:
            data = other_file(data)
        headers = {"Accept-Ranges": "bytes"}
        etag = f'"{size}-{hashlib.md5(data[:4096]).hexdigest()}"'
        if self.server.validators:
            headers["ETag"] = etag
        if self.server.hashes:
            headers["x-goog-hash"] = f"crc32c=AAAAAA==,md5={base64.b64encode(hashlib.md5(data).digest()).decode()}"
        if reply.flip is not None:
            changed = bytearray(data)
            changed[reply.flip % size] ^= 0xFF
            data = bytes(changed)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range", etag) == etag
        if asked is None or reply.ignore_range or not fresh:
            self.answer(path, 200, headers, memoryview(data), reply)
            return
        start, end = int(asked[1]), min(int(asked[2] or size - 1) + 1, size)
        if start >= size:
            self.answer(path, 416, {"Content-Range": f"bytes */{size}"}, b"", reply)
            return
        place = f"bytes {start + reply.shift}-{end - 1 + reply.shift}/{size + reply.total}"
        self.answer(path, 206, headers | {"Content-Range": place}, memoryview(data)[start:end], reply)

    def answer(
        self, path: str, status: int, headers: Mapping[str, str], body: bytes | memoryview, reply: Reply
    ) -> None:
        lie = reply.length + (reply.total if status == 200 else 0)
        end = min([len(body), *(place for place in (reply.cut, reply.stall) if place is not None)])
        # Noted before it is sent: a client that has it all may look at the notes at once.
        self.server.requests.append(Request(path, self.headers.get("Range"), status, end))
        self.send_response(status)
        for key, value in {**headers, **reply.headers}.items():
            self.send_header(key, value)
        if reply.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(max(0, len(body) + lie)))
        self.close_connection = end < len(body) or lie != 0
        self.end_headers()
        for start in range(0, end, BLOCK):
            block = body[start : min(start + BLOCK, end)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if reply.chunked else block)
        self.wfile.flush()
        if reply.stall is not None:
            self.server.closing.wait(1.0)
        elif reply.chunked and end == len(body):
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
        """Keep the terminal for the tests."""
