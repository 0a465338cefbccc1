"""What a server says takes no time to read, and what it sends arrives at some pace; refused certificates."""

import gc
import itertools
import shutil
import threading
from pathlib import Path
from ssl import SSLCertVerificationError
from typing import Any

import pytest
import urllib3
from urllib3 import exceptions as http

from quickdraw.data.fetch import web
from quickdraw.data.fetch.official import KINDS, OfficialFile
from quickdraw.data.fetch.plan import check_room, plan
from quickdraw.data.fetch.transfer import Fetcher, RetryPolicy
from quickdraw.data.fetch.web import TransientError
from quickdraw.errors import DownloadError
from tests.support.downloads import CALM, CAT, failure
from tests.support.faulty_server import FaultyServer, Reply

URL = "https://drawings.example/full/numpy_bitmap/cat.npy"


def reply(status: int = 200, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.HTTPResponse(b"", headers=named, status=status, preload_content=False)


@pytest.mark.parametrize("digits", [4301, 100_000])
def test_numbers_without_an_end_are_none(digits: int) -> None:
    assert web._judge(reply(Content_Length="9" * digits), URL, 0).size is None
    for part in (f"bytes 0-9/{'9' * digits}", f"bytes {'0' * digits}-9/10", f"bytes 0-{'9' * digits}/10"):
        with pytest.raises(TransientError, match="other bytes than asked for"):
            web._judge(reply(206, Content_Range=part), URL, 0)
    with pytest.raises(TransientError) as busy:
        web._judge(reply(503, Retry_After="9" * digits), URL, 0)
    assert busy.value.retry_after_s == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib3 leaves its connection open
@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("place", ["http://[::1/x", "//[v1.x/y"])
def test_a_redirect_to_no_url_is_told_in_one_line(place: str, tmp_path: Path) -> None:
    with FaultyServer({}, always=Reply(elsewhere=place)) as server:
        error = failure(["cat"], tmp_path, base_url=server.url, policy=CALM)
    gc.collect()
    assert "redirected to something else than a URL (Invalid IPv6 URL); look at the base URL" in error
    assert "\n" not in error


class Slow:
    """A response whose bytes arrive at once up to a place, and then one by one."""

    def __init__(self, data: bytes, at_once: int) -> None:
        self.data = data
        self.at_once = at_once

    def read1(self, count: int, decode_content: bool) -> bytes:
        size = min(count, self.at_once or 1)
        self.at_once = 0
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("at_once", [0, 90, 9000], ids=["header", "drawings", "on the way"])
def test_a_byte_a_second_for_ever_is_as_good_as_silence(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(pool: Any, url: str, start: int, end: int | None, validator: str | None) -> web.Answer:
        asked.append(start)
        response: Any = Slow(CAT[start:], at_once if not start else 0)
        return web.Answer(response, start, len(CAT), '"1"', None)

    monkeypatch.setattr(web, "ask", ask)
    policy = RetryPolicy(tries=3, base_s=0, longest_s=0)
    fetcher = Fetcher(urllib3.PoolManager(), policy, threading.Event(), clock=itertools.count().__next__)
    transfer = plan("cat", OfficialFile(), tmp_path, KINDS["bitmap"], "https://drawings.example", limit=None)
    with pytest.raises(DownloadError, match=r"only [\d,]+ bytes arrived in 60 s \(3 times in a row\); run the same"):
        fetcher.fetch(transfer)
    assert len(asked) == 3
    assert not (tmp_path / "cat.npy").exists()


def test_at_a_byte_above_the_lowest_pace_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Steady(Slow):
        def read1(self, count: int, decode_content: bool) -> bytes:
            self.at_once = 501
            return super().read1(count, decode_content)

    def ask(pool: Any, url: str, start: int, end: int | None, validator: str | None) -> web.Answer:
        response: Any = Steady(CAT[start:], 0)
        return web.Answer(response, start, len(CAT), '"1"', None)

    monkeypatch.setattr(web, "ask", ask)
    fetcher = Fetcher(urllib3.PoolManager(), RetryPolicy(), threading.Event(), clock=itertools.count().__next__)
    fetcher.fetch(plan("cat", OfficialFile(), tmp_path, KINDS["bitmap"], "https://drawings.example", limit=None))
    assert (tmp_path / "cat.npy").read_bytes() == CAT


@pytest.mark.parametrize(
    ("code", "why", "advice"),
    [
        (62, "Hostname mismatch", "look at the base URL, or try a network without a proxy"),
        (64, "IP address mismatch", "look at the base URL, or try a network without a proxy"),
        (10, "certificate has expired", "look at the clock of this machine"),
        (20, "unable to get local issuer certificate", "let SSL_CERT_FILE name the certificates"),
    ],
)
def test_a_refused_certificate_is_told_with_what_helps(code: int, why: str, advice: str) -> None:
    refused = SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_code, refused.verify_message = code, why
    error = http.MaxRetryError(urllib3.HTTPSConnectionPool("drawings.example"), URL, http.SSLError(refused))
    message = str(web._error_of(error, URL))
    assert message.startswith(f"drawings.example: its certificate is not trusted ({why}); {advice}")
    assert "\n" not in message


def test_what_has_arrived_already_needs_no_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".cat.npy.part").write_bytes(bytes(60))
    transfer = plan("cat", OfficialFile(size=100), tmp_path, KINDS["bitmap"], "https://drawings.example", limit=None)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(100, 60, 40))
    check_room(tmp_path, [transfer])
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(100, 61, 39))
    with pytest.raises(DownloadError, match="of free disk"):
        check_room(tmp_path, [transfer])


def test_a_class_of_two_words_is_asked_for_as_a_url_has_it(tmp_path: Path) -> None:
    made = plan("alarm clock", OfficialFile(), tmp_path, KINDS["bitmap"], "https://drawings.example/", limit=5)
    assert made.url == "https://drawings.example/full/numpy_bitmap/alarm%20clock.npy"
    assert made.path == tmp_path / "alarm clock.npy"
    assert made.needed == 128 + 5 * 784
