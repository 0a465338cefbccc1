"""The download always ends well: the right file under its name, or one clear line and nothing there."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickdraw.data.class_files import read_bitmap_header, write_bitmap_header
from quickdraw.data.download import download, main
from quickdraw.data.fetch import official, web
from quickdraw.data.fetch.official import KINDS, OfficialFile, Table
from quickdraw.data.fetch.partial import Origin
from quickdraw.data.fetch.transfer import Fetcher, RetryPolicy, Transfer
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.errors import ConfigError, DataError, DownloadError
from tests.support.faulty_server import FaultyServer, Reply, other_file

REPOSITORY = Path(__file__).parents[1]
LIMIT = 150
QUICK = RetryPolicy(base_s=0.0005, longest_s=0.002, retry_after_s=0.5, connect_s=2.0, read_s=0.15)
CALM = RetryPolicy(base_s=0.0005, longest_s=0.002, connect_s=5.0, read_s=5.0)
GOOD = Reply()


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


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


# Scripts: one file, some replies that fail, then good ones.

MODES = {
    "whole": ("bitmap", None),
    "limit": ("bitmap", LIMIT),
    "lines": ("simplified", None),
    "npz": ("sketchrnn", None),
}
SCRIPTS = {
    "good": [],
    "cut before the first byte": [Reply(cut=0)],
    "cut in the header": [Reply(cut=40)],
    "cut after the header": [Reply(cut=80)],
    "cut in a drawing": [Reply(cut=5000)],
    "cut before the last byte": [Reply(cut=80 + LIMIT * 784 - 1)],
    "cut twelve times": [Reply(cut=9000)] * 12,
    "cut again and again without a byte": [Reply(cut=0)] * 7,
    "stall at once": [Reply(stall=0)],
    "stall on the way": [Reply(stall=20_000)],
    "flipped header": [Reply(flip=20)],
    "flipped magic": [Reply(flip=0)],
    "flipped count": [Reply(flip=62)],
    "flipped last byte": [Reply(flip=-1)],
    "flipped, then cut": [Reply(flip=20), Reply(cut=9000)],
    "busy": [Reply(503)],
    "broken": [Reply(500), Reply(502), Reply(504)],
    "too many requests": [Reply(429, {"Retry-After": "0"})] * 3,
    "too many requests, a date": [Reply(429, {"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"})],
    "too many requests, nonsense": [Reply(429, {"Retry-After": "soon"})],
    "timeout of the server": [Reply(408)],
    "no such range": [Reply(cut=9000), Reply(416)],
    "no such range at once": [Reply(416)],
    "range ignored": [Reply(ignore_range=True)],
    "range ignored after a cut": [Reply(cut=9000), Reply(ignore_range=True)],
    "range ignored and cut": [Reply(cut=9000), Reply(cut=4000, ignore_range=True), Reply(cut=9000)],
    "another place": [Reply(cut=9000), Reply(shift=7)],
    "another total": [Reply(cut=9000), Reply(total=784)],
    "another total from the start": [Reply(total=784)],
    "length too long": [Reply(length=100)],
    "length too short": [Reply(length=-100)],
    "length too short after a cut": [Reply(cut=9000), Reply(length=-100)],
    "chunks": [Reply(cut=9000), Reply(chunked=True)],
    "chunks, cut": [Reply(cut=9000), Reply(chunked=True, cut=4000)],
    "redirect": [Reply(elsewhere="{path}?mirror")],
    "redirects": [Reply(elsewhere="{path}")] * 5,
    "redirect on the way": [Reply(cut=9000), Reply(elsewhere="{path}?mirror"), Reply(cut=9000)],
    "compressed": [Reply(headers={"Content-Encoding": "gzip"})],
    "weak validator": [Reply(cut=9000, headers={"ETag": 'W/"weak"'})],
    "everything": [
        Reply(503),
        Reply(cut=7),
        Reply(stall=9000),
        Reply(cut=9000),
        Reply(flip=20),
        Reply(429),
        Reply(416),
    ],
}


def expected(mode: str) -> bytes:
    return first_rows(CAT) if mode == "limit" else FILES[path_of(MODES[mode][0])]


@pytest.mark.parametrize(
    ("script", "mode"),
    [(script, mode) for script in SCRIPTS for mode in MODES if mode != "lines" or script in ("good", "everything")],
)
def test_ends_with_the_right_file_that_is_not_fetched_again(tmp_path: Path, script: str, mode: str) -> None:
    kind, limit = MODES[mode]
    with FaultyServer(FILES, {path_of(kind): SCRIPTS[script]}, hashes=True) as server:
        fetch = {"kind": kind, "limit": limit, "base_url": server.url, "table": table_of(FILES), "policy": QUICK}
        (path,) = download(["cat"], tmp_path, **fetch)
        assert path.read_bytes() == expected(mode)
        assert visible(tmp_path) == [path.name]
        assert not list(tmp_path.glob(".*.part*"))
        requests = len(server.requests)
        assert download(["cat"], tmp_path, **fetch) == [path]
        assert len(server.requests) == requests


REPLIES = st.builds(
    Reply,
    status=st.sampled_from([0] * 9 + [404, 416, 429, 500]),
    cut=st.none() | st.integers(0, 120_000),
    flip=st.none() | st.integers(0, 79),
    stall=st.sampled_from([None] * 19 + [0, 9000]),
    ignore_range=st.booleans(),
    shift=st.sampled_from([0, 0, 0, -1, 1, 784]),
    total=st.sampled_from([0, 0, 0, -784, 1, 784]),
    length=st.sampled_from([0, 0, 0, -1, 1, 784]),
    chunked=st.sampled_from([False, False, True]),
    page=st.sampled_from([False] * 9 + [True]),
    untold=st.sampled_from([False] * 9 + [True]),
    other=st.sampled_from([False] * 4 + [True]),
)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.lists(REPLIES, max_size=6), st.sampled_from(["whole", "limit"]), st.booleans())
def test_no_script_makes_a_wrong_file(script: list[Reply], mode: str, validators: bool) -> None:
    kind, limit = MODES[mode]
    # A checksum tells one whole file from another. Without one, it is one or the other, but never some of each.
    right = [first_rows(CAT), first_rows(other_file(CAT))] if limit else [CAT]
    with tempfile.TemporaryDirectory() as folder, FaultyServer(FILES, {path_of(kind): script}) as server:
        server.validators = validators
        fetch = {"kind": kind, "limit": limit, "base_url": server.url, "table": table_of(FILES)}
        error = failure(["cat"], folder, **fetch, policy=QUICK)
        assert error.count("\n") == 0
        assert visible(Path(folder)) == ([] if error else ["cat.npy"])
        server.scripts.clear()
        (path,) = download(["cat"], folder, **fetch, policy=CALM)
        assert path.read_bytes() in right


@pytest.mark.parametrize(
    ("always", "message"),
    [
        (Reply(404), "the server answers 404 Not Found; look at the base URL"),
        (Reply(403), "the server answers 403 Forbidden"),
        (Reply(503), "503 Service Unavailable (8 times in a row); run the same command again: it continues"),
        (Reply(429, {"Retry-After": "3600"}), "wants a pause of 3600 s"),
        (Reply(416), "no such range (416) (3 times)"),
        (Reply(cut=0), "(8 times in a row)"),
        (Reply(cut=5000, ignore_range=True), "(8 times in a row)"),
        (Reply(stall=0), "no byte arrived for too long"),
        (Reply(flip=5000), "expected MD5"),
        (Reply(flip=3), "not an .npy file"),
        (Reply(total=784), "expected 235,280 bytes, the server offers 236,064"),
        (Reply(page=True), "expected drawings, got a web page"),
        (Reply(untold=True), "expected drawings, got a web page"),
        (Reply(elsewhere="{path}"), "redirected too often"),
        (Reply(elsewhere="ftp://127.0.0.1/"), "redirected to something else"),
        (Reply(other=True), "expected MD5"),
    ],
)
def test_what_stays_wrong_is_told_in_one_line(tmp_path: Path, always: Reply, message: str) -> None:
    policy = CALM if always.stall is None else QUICK
    with FaultyServer(FILES, always=always) as server, pytest.raises(DownloadError) as caught:
        download(["cat"], tmp_path, base_url=server.url, table=table_of(FILES), policy=policy)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{server.url}/{path_of('bitmap')}: ")
    assert "\n" not in str(caught.value)
    assert visible(tmp_path) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bitmap(300) + b"?", "its header announces 300 drawings, which do not fill"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(99), "expected a header of at most 4,096 bytes"),
        (b"\x93NUMPY\x01\x00\x46\x00" + b"__import__('os')".ljust(99), "not an .npy file (its header is"),
        (CAT.replace(b"|u1", b"<f4"), "expected uint8 [N, 784]"),
        (b"<html>" * 99, "got a web page"),
    ],
)
def test_without_a_table_the_file_must_agree_with_its_header(tmp_path: Path, data: bytes, message: str) -> None:
    path = path_of("bitmap")
    table = {("bitmap", "cat"): OfficialFile()}
    with FaultyServer({path: data}) as server, pytest.raises(DownloadError) as caught:
        download(["cat"], tmp_path, base_url=server.url, table=table, policy=CALM)
    assert message in str(caught.value)
    assert visible(tmp_path) == []


def test_a_size_that_nobody_tells_is_refused(tmp_path: Path) -> None:
    with (
        FaultyServer(FILES, always=Reply(chunked=True)) as server,
        pytest.raises(DownloadError, match="the server sent no size"),
    ):
        download(["cat"], tmp_path, kind="sketchrnn", base_url=server.url, table=table_of(FILES), policy=CALM)


@pytest.mark.parametrize("hashes", [True, False])
def test_a_flipped_byte_in_an_npz_is_seen_by_the_hash_or_the_crc(tmp_path: Path, hashes: bool) -> None:
    with (
        FaultyServer(FILES, always=Reply(flip=70_000), hashes=hashes) as server,
        pytest.raises(DownloadError) as caught,
    ):
        download(["cat"], tmp_path, kind="sketchrnn", base_url=server.url, table=table_of(FILES), policy=CALM)
    assert ("expected MD5" if hashes else "expected an npz file") in str(caught.value)


# Limits, spellings and what is there already.


@pytest.mark.parametrize("header", [80, 128, 4032])
def test_limit_fetches_the_first_rows_and_counts_them_in_the_header(tmp_path: Path, header: int) -> None:
    files = {path_of("bitmap"): bitmap(3000, header=header)}
    with FaultyServer(files) as server:
        (path,) = download(["cat"], tmp_path, limit=100, base_url=server.url, table=table_of(files), policy=CALM)
        assert server.sent(path_of("bitmap")) <= 128 + 100 * 784 + header
    assert np.array_equal(np.load(path), np.load(io.BytesIO(files[path_of("bitmap")]))[:100])


def test_a_limit_beyond_the_file_takes_it_whole(tmp_path: Path) -> None:
    with FaultyServer(FILES, always=Reply(flip=5000)) as server:
        with pytest.raises(DownloadError, match="expected MD5"):
            download(["cat"], tmp_path, limit=5000, base_url=server.url, table=table_of(FILES), policy=CALM)
        server.always = GOOD
        (path,) = download(["cat"], tmp_path, limit=5000, base_url=server.url, table=table_of(FILES), policy=CALM)
    assert path.read_bytes() == CAT


def test_another_limit_does_not_continue_the_partial_file(tmp_path: Path) -> None:
    with FaultyServer(FILES, {path_of("bitmap"): [Reply(cut=9000), Reply(404)]}) as server:
        fetch = {"base_url": server.url, "table": table_of(FILES), "policy": CALM}
        with pytest.raises(DownloadError, match="404"):
            download(["cat"], tmp_path, limit=LIMIT, **fetch)
        (path,) = download(["cat"], tmp_path, **fetch)
    assert path.read_bytes() == CAT


@pytest.mark.parametrize("spelling", ["cat", "full_numpy_bitmap_cat", "Cat"])
def test_what_is_there_in_any_spelling_is_kept(
    tmp_path: Path, spelling: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{spelling}.npy").write_bytes(bitmap(7))
    with FaultyServer(FILES) as server:
        (path,) = download(["cat"], tmp_path, base_url=server.url, table=table_of(FILES))
        assert server.requests == []
    assert path.read_bytes() == bitmap(7)
    assert f"kept, with fewer drawings than asked for: {spelling}.npy 7 of 300; to fetch all" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"<html>", CAT[:-1], CAT + b"?", CAT[:60]])
def test_what_is_there_and_not_whole_is_fetched_and_kept_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cat.npy").write_bytes(content)
    with FaultyServer(FILES, {path_of("bitmap"): [Reply(404)]}) as server:
        with pytest.raises(DownloadError):
            download(["cat"], tmp_path, base_url=server.url, table=table_of(FILES), policy=CALM)
        assert (tmp_path / "cat.npy").read_bytes() == content
        download(["cat"], tmp_path, base_url=server.url, table=table_of(FILES), policy=CALM)
    assert (tmp_path / "cat.npy").read_bytes() == CAT
    assert (tmp_path / "cat.npy.damaged").read_bytes() == content


def test_every_file_is_tried_and_the_finished_ones_stay(tmp_path: Path) -> None:
    files = {path_of("bitmap", name): bitmap(9, seed) for seed, name in enumerate(["cat", "door", "eye", "moon"])}
    scripts = {path_of("bitmap", name): [Reply(404)] for name in ("cat", "eye")}
    with FaultyServer(files, scripts) as server:
        fetch = {"base_url": server.url, "table": table_of(files), "policy": CALM}
        with pytest.raises(DownloadError) as caught:
            download(["cat", "door", "eye", "moon"], tmp_path, **fetch)
        assert str(caught.value).splitlines()[1] == "2 of 4 files were not fetched: cat, eye"
        assert visible(tmp_path) == ["door.npy", "moon.npy"]
        paths = download(["moon", "cat", "eye", "door"], tmp_path, **fetch)
    assert [path.name for path in paths] == ["moon.npy", "cat.npy", "eye.npy", "door.npy"]
    assert len(server.requests) == 6


def test_two_downloads_into_one_folder_fetch_each_file_once(tmp_path: Path) -> None:
    names = ["cat", "door", "eye", "moon"]
    files = {path_of("bitmap", name): bitmap(99, seed) for seed, name in enumerate(names)}
    with FaultyServer(files) as server:
        arguments = {"base_url": server.url, "table": table_of(files), "policy": CALM}
        threads = [threading.Thread(target=download, args=(names, tmp_path), kwargs=arguments) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert visible(tmp_path) == sorted(f"{name}.npy" for name in names)
    assert len(server.requests) == len(names)


# Waiting, proxies, disks.


def test_waits_double_and_retry_after_is_added(tmp_path: Path) -> None:
    waits: list[float] = []

    class Clock(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return False

    script = [Reply(500)] * 4 + [Reply(429, {"Retry-After": "30"})]
    with FaultyServer(FILES, {path_of("bitmap"): script}) as server:
        wanted = table_of(FILES)["bitmap", "cat"]
        url = f"{server.url}/{path_of('bitmap')}"
        transfer = Transfer("cat", url, tmp_path / "cat.npy", KINDS["bitmap"], None, wanted, None)
        with web.make_pool(url, 1, web.urllib3.Timeout(5)) as pool:
            Fetcher(pool, RetryPolicy(base_s=1.0, longest_s=4.0), Clock()).fetch(transfer)
    limits = [(0.5, 1), (1, 2), (2, 4), (2, 4), (32, 34)]
    assert all(low <= wait_s <= high for wait_s, (low, high) in zip(waits, limits, strict=True))
    assert transfer.path.read_bytes() == CAT


def test_the_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(FILES) as server:
        monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://somebody:secret@"))
        (path,) = download(["cat"], tmp_path, base_url="http://drawings.invalid", table=table_of(FILES), policy=CALM)
    assert path.read_bytes() == CAT


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_a_certificate_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    import ssl

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with FaultyServer(FILES) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        error = failure(["cat"], tmp_path / "data", base_url=url, table=table_of(FILES), policy=CALM)
    assert "certificate is not trusted" in error
    assert "SSL_CERT_FILE" in error


def test_a_full_disk_is_one_line_and_the_next_call_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with FaultyServer(FILES, {path_of("bitmap"): [Reply(cut=9000)]}) as server:
        fetch = {"base_url": server.url, "table": table_of(FILES), "policy": CALM}
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            assert "cannot write cat.npy (No space left on device)" in failure(["cat"], tmp_path, **fetch)
        assert visible(tmp_path) == []
        (path,) = download(["cat"], tmp_path, **fetch)
    assert path.read_bytes() == CAT


@pytest.mark.skipif(os.name == "nt", reason="no ulimit")
def test_a_write_that_fails_is_one_line_and_an_exit_code(
    tmp_path: Path, cutting: tuple[FaultyServer, list[str]]
) -> None:
    _, arguments = cutting
    limited = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *command(arguments)]
    run = subprocess.run(limited, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: {tmp_path / 'data'}: cannot write ")
    assert run.stderr.count("\n") == 1
    assert visible(tmp_path / "data") == []


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 10))
    with FaultyServer(FILES) as server:
        assert "make room" in failure(["cat"], tmp_path, base_url=server.url, table=table_of(FILES))
        assert server.requests == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with FaultyServer(FILES) as server, pytest.raises(DownloadError, match="cannot write there"):
        download(["cat"], tmp_path / "data" / "below", base_url=server.url, table=table_of(FILES))


# The command line.


def run_main(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err


def test_no_network_names_the_host_and_both_ways_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultyServer(FILES) as server:
        url = server.url
    code, line = run_main(capsys, "cat", "moon", "--root", tmp_path, "--base-url", url)
    assert code == 1
    assert line.count("\n") == 1
    assert line.startswith(f"error: {url.removeprefix('http://')} cannot be reached: Connection refused; put ")
    assert "by hand" in line
    assert "data=synthetic" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kat"], '"kat" (nearest: ant, bat, cat)'),
        (["eifel", "alarm"], '"eifel" (nearest: The Eiffel Tower'),
        (["--limit", "0"], "a limit of at least 1"),
        (["--limit", "ten"], "invalid int value"),
        (["--limit", "9", "--kind", "sketchrnn"], "and bitmaps"),
        (["--kind", "npy"], "expected one of bitmap, simplified, sketchrnn"),
        (["--jobs", "0"], "at least 1 job"),
        (["--all", "cat"], "expected --all or classes"),
        (["--base-url", "storage.googleapis.com"], "expected a URL"),
        (["--base-url", "http://[::1"], "expected a URL"),
        (["--table", "nowhere.tsv"], "expected a table"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_a_wrong_argument_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, line = run_main(capsys, *arguments, "--root", tmp_path / "data")
    assert code == 1
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    assert message in line
    assert not (tmp_path / "data").exists()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from quickdraw.data.download import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "numpy", "hydra"} & set(run.stdout.splitlines()[-1].split())


@pytest.fixture
def cutting(tmp_path: Path) -> Iterator[tuple[FaultyServer, list[str]]]:
    """A server that cuts every connection after 32 KB, and the command that fetches its three files into data/."""
    files = {path_of("bitmap", name): bitmap(400, seed) for seed, name in enumerate(["cat", "door", "eye"])}
    table = write_table(tmp_path / "table.tsv", files)
    with FaultyServer(files, always=Reply(cut=32 << 10)) as server:
        yield server, [*["cat", "door", "eye", "--root"], str(tmp_path / "data"), *source(server, table)]


def source(server: FaultyServer, table: Path) -> list[str]:
    return ["--base-url", server.url, "--table", str(table)]


def command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "quickdraw.data.download", *arguments]


def start(arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(arguments), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


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


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_five_times_it_continues_and_fetches_little_twice(
    tmp_path: Path, cutting: tuple[FaultyServer, list[str]]
) -> None:
    server, arguments = cutting
    for _ in range(5):
        code, _ = stop_on_the_way(start(arguments), server, signal.SIGKILL, len(server.requests) + 4)
        assert code == -signal.SIGKILL
        assert_right(tmp_path / "data", server.files)
    process = start(arguments)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0
    assert assert_right(tmp_path / "data", server.files) == ["cat.npy", "door.npy", "eye.npy"]
    for path, data in server.files.items():
        assert server.sent(path) < len(data) + 6 * (32 << 10)  # at worst a connection's bytes with each kill


@pytest.mark.skipif(os.name == "nt", reason="other signals")
@pytest.mark.parametrize(("how", "expected_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_are_one_line_and_an_exit_code(
    tmp_path: Path, cutting: tuple[FaultyServer, list[str]], how: int, expected_code: int
) -> None:
    server, arguments = cutting
    server.always = Reply(stall=1000)  # so that it cannot be done before the signal comes
    assert stop_on_the_way(start(arguments), server, how, 3) == (
        expected_code,
        "error: stopped; the same command continues\n",
    )
    assert_right(tmp_path / "data", server.files)


# The official table.


def test_the_official_table_is_complete() -> None:
    table = official.read_table()
    names = official.class_names()
    assert len(names) == 345
    assert set(DEFAULT_CLASSES) < set(names)
    assert set(table) == {(kind, name) for kind in ("bitmap", "simplified") for name in names}
    assert all(len(file.md5 or "") == 32 for file in table.values())
    bitmaps = [table["bitmap", name].size or 0 for name in names]
    assert all((size - 80) % 784 == 0 for size in bitmaps)
    assert sum((size - 80) // 784 for size in bitmaps) == 50_426_266


def test_classes_are_taken_in_any_spelling_once() -> None:
    assert official.resolve_classes(["The_Eiffel%20tower", "cat", "CAT", "t shirt"], official.class_names()) == [
        "The Eiffel Tower",
        "cat",
        "t-shirt",
    ]
    with pytest.raises(ConfigError, match=r'"kat" .*; "zzzz" \(nearest: none\)'):
        official.resolve_classes(["cat", "kat", "zzzz"], official.class_names())


def test_a_header_is_read_as_numpy_reads_it() -> None:
    for rows in (1, 7, 123_202):
        head = write_bitmap_header(80, rows)
        assert read_bitmap_header(head) == (80, rows)
        assert read_bitmap_header(head[:79]) is None
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((5, 784), np.uint8))
    assert read_bitmap_header(buffer.getvalue()) == (128, 5)
    with pytest.raises(DataError, match="expected drawings, got none"):
        read_bitmap_header(write_bitmap_header(80, 0))


def test_a_partial_file_without_proof_is_not_continued() -> None:
    assert not Origin("url", LIMIT, 9, 9, None, None).continuable
    assert Origin("url", LIMIT, 9, 9, '"etag"', None).continuable
