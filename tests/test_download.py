"""The download always ends well: the right file under its name, or one clear line and nothing there."""

import io
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickdraw.data.class_files import read_bitmap_header, write_bitmap_header
from quickdraw.data.download import download
from quickdraw.data.fetch.official import OfficialFile
from quickdraw.data.fetch.partial import Origin
from quickdraw.errors import DataError, DownloadError
from tests.support.downloads import (
    CALM,
    CAT,
    FILES,
    LIMIT,
    QUICK,
    bitmap,
    failure,
    first_rows,
    path_of,
    table_of,
    visible,
)
from tests.support.faulty_server import FaultyServer, Reply, other_file

pytestmark = pytest.mark.usefixtures("no_proxy")

GOOD = Reply()


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
