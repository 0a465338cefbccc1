"""Downloads from a faulty server: small files of each kind, their table, the command, and what it leaves behind."""

import hashlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from quickdraw.data.class_files import write_bitmap_header
from quickdraw.data.download import download
from quickdraw.data.fetch.official import KINDS, OfficialFile, Table
from quickdraw.data.fetch.transfer import RetryPolicy
from quickdraw.errors import DownloadError
from tests.support.faulty_server import FaultyServer
from tests.support.program import ROOT

LIMIT = 150
QUICK = RetryPolicy(base_s=0.0005, longest_s=0.002, retry_after_s=0.5, connect_s=2.0, read_s=0.15)
CALM = RetryPolicy(base_s=0.0005, longest_s=0.002, connect_s=5.0, read_s=5.0)


def bitmap(rows: int, seed: int = 0, header: int = 80) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, rows * 784, dtype=np.uint8)
    return write_bitmap_header(header, rows) + pixels.tobytes()


def strokes(lines: int) -> bytes:
    drawing = {"word": "cat", "recognized": True, "drawing": [[[0, 255], [0, 255]]]}
    return b"".join(json.dumps(drawing | {"key_id": str(i)}).encode() + b"\n" for i in range(lines))


def npz(rows: int) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, train=np.random.default_rng(0).integers(-99, 99, (rows, 3), dtype=np.int16))
    return buffer.getvalue()


CAT = bitmap(300)
FILES = {
    "full/numpy_bitmap/cat.npy": CAT,
    "full/simplified/cat.ndjson": strokes(1000),
    "sketchrnn/cat.npz": npz(20_000),
}


def path_of(kind: str, name: str = "cat") -> str:
    return f"{KINDS[kind].folder}/{name}{KINDS[kind].ending}"


def table_of(files: dict[str, bytes]) -> Table:
    """Return sizes and MD5 of all but the sketchrnn files, as in the official table."""
    return {
        (kind.name, Path(path).stem): OfficialFile(len(data), hashlib.md5(data).hexdigest())
        for path, data in files.items()
        for kind in (KINDS["bitmap"], KINDS["simplified"])
        if path.startswith(kind.folder)
    }


def write_table(path: Path, files: dict[str, bytes]) -> Path:
    rows = [f"{kind}\t{name}\t{file.size}\t{file.md5}\n" for (kind, name), file in table_of(files).items()]
    path.write_text("kind\tclass\tbytes\tmd5\n" + "".join(rows))
    return path


def first_rows(data: bytes, rows: int = LIMIT, header: int = 80) -> bytes:
    return write_bitmap_header(header, rows) + data[header : header + rows * 784]


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*") if not path.name.startswith(".")) if root.exists() else []


def failure(*arguments: Any, **options: Any) -> str:
    """Download, and return the error's message, or nothing when there was none."""
    try:
        download(*arguments, **options)
    except DownloadError as error:
        return str(error)
    return ""


def source(server: FaultyServer, table: Path) -> list[str]:
    return ["--base-url", server.url, "--table", str(table)]


def command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "quickdraw.data.download", *arguments]


def start(arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command(arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop_on_the_way(process: "subprocess.Popen[str]", server: FaultyServer, how: int, requests: int) -> tuple[int, str]:
    """Send a signal once the server was asked so often; return exit code and error lines."""
    until = time.monotonic() + 60
    while process.poll() is None and len(server.requests) < requests and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(how)
    _, lines = process.communicate(timeout=60)
    return process.returncode, lines


def assert_right(root: Path, files: dict[str, bytes]) -> list[str]:
    """Every visible file is whole and right. Returns their names."""
    truth = {Path(path).name: data for path, data in files.items()}
    for name in visible(root):
        assert (root / name).read_bytes() == truth[name][:]  # [:] makes bytes of a mapped file
    return visible(root)
