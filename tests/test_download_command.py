"""What surrounds a download: waits, proxies, disks, the command line, signals, the official table."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from quickdraw.data.download import download, main
from quickdraw.data.fetch import official, web
from quickdraw.data.fetch.official import KINDS
from quickdraw.data.fetch.transfer import Fetcher, RetryPolicy, Transfer
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.errors import ConfigError, DownloadError
from tests.support.downloads import (
    CALM,
    CAT,
    FILES,
    assert_right,
    bitmap,
    command,
    failure,
    path_of,
    source,
    start,
    stop_on_the_way,
    table_of,
    visible,
    write_table,
)
from tests.support.faulty_server import FaultyServer, Reply
from tests.support.program import ROOT

pytestmark = pytest.mark.usefixtures("no_proxy")


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
    run = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, check=False)
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
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "numpy", "hydra"} & set(run.stdout.splitlines()[-1].split())


@pytest.fixture
def cutting(tmp_path: Path) -> Iterator[tuple[FaultyServer, list[str]]]:
    """A server that cuts every connection after 32 KB, and the command that fetches its three files into data/."""
    files = {path_of("bitmap", name): bitmap(400, seed) for seed, name in enumerate(["cat", "door", "eye"])}
    table = write_table(tmp_path / "table.tsv", files)
    with FaultyServer(files, always=Reply(cut=32 << 10)) as server:
        yield server, [*["cat", "door", "eye", "--root"], str(tmp_path / "data"), *source(server, table)]


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


@pytest.mark.parametrize("name", ["../cat", "a/b", "a\\b", "..", " "])
def test_a_table_names_no_file_outside_the_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(f"kind\tclass\tbytes\tmd5\nbitmap\tcat\t\t\nbitmap\t{name}\t\t\n")
    with pytest.raises(ConfigError, match="which names no file"):
        official.read_table(path)
