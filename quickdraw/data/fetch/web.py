"""One request for a part of a file: proxies and ranges in, the file's bytes or one clear reason out."""

import base64
import re
from dataclasses import dataclass
from ssl import SSLCertVerificationError
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import exceptions as http
from urllib3.response import BaseHTTPResponse

from quickdraw.errors import ConfigError, DownloadError

PASSING = {408, 425, 429, 500, 502, 503, 504}  # the statuses that a later try may not meet
OF_ANOTHER_HOST, NOT_NOW = {62, 64}, {9, 10}  # OpenSSL's codes for a certificate's host and time
LENGTH = r"[0-9]{1,18}"  # whatever a server says, it becomes no number that takes long to read
# All waiting and retrying is in transfer.py, which can be cancelled; of urllib3's own only redirects are followed.
REDIRECTS_ONLY = urllib3.Retry(
    total=None, connect=0, read=0, status=0, other=0, redirect=5, respect_retry_after_header=False
)


class FatalError(DownloadError):
    """The other files would fail for the same reason: no use in trying them."""


class TransientError(Exception):
    """The connection failed, but may not fail the next time."""

    def __init__(
        self, reason: str, retry_after_s: float = 0.0, unreachable: bool = False, too_slow: bool = False
    ) -> None:
        super().__init__(reason)
        self.too_slow = too_slow
        self.retry_after_s = retry_after_s
        self.unreachable = unreachable


class WrongBytesError(Exception):
    """What the server sent is not the file, so that none of it can be continued."""


@dataclass(frozen=True)
class Answer:
    """The beginning of a reply that carries bytes of the file. Whoever gets it closes the response."""

    response: BaseHTTPResponse
    start: int  # place of its first byte in the file: 0 when the server ignored the range
    size: int | None  # of the whole file
    validator: str | None  # for If-Range
    md5: str | None  # of the whole file, in hexadecimal

    def read(self, count: int) -> bytes:
        """At least one and at most `count` bytes, as they arrive. Raises TransientError when no more do."""
        try:
            data = self.response.read1(count, decode_content=False)
        except (http.HTTPError, OSError) as error:
            raise TransientError(_plain(error)) from error
        if not data:
            raise TransientError("the connection ended early")
        return data


def host_of(url: str) -> str:
    """Host and port of `url`. Raises ConfigError when it is no http(s) URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port:
            return f"{parts.hostname}:{parts.port}"
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname
    except ValueError as error:
        raise ConfigError(f"expected a URL like https://host/folder, got {url!r} ({error}); see --base-url") from error
    raise ConfigError(f"expected a URL like https://host/folder, got {url!r}; see --base-url")


def make_pool(url: str, connections: int, timeout: urllib3.Timeout) -> urllib3.PoolManager:
    """The connections to `url`'s host, through the proxy that the environment or the system names, if any."""
    proxies = getproxies()
    proxy = proxies.get(urlsplit(url).scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host_of(url)):
        return urllib3.PoolManager(maxsize=connections, timeout=timeout)
    try:
        parts = urllib3.util.parse_url(proxy if "://" in proxy else f"http://{proxy}")
        login = urllib3.make_headers(proxy_basic_auth=parts.auth) if parts.auth else None
        address = parts._replace(auth=None).url
        return urllib3.ProxyManager(address, proxy_headers=login, maxsize=connections, timeout=timeout)
    except (http.HTTPError, ValueError) as error:
        raise ConfigError(f"expected a proxy like http://host:3128, got {proxy!r}; see HTTPS_PROXY") from error


def ask(pool: urllib3.PoolManager, url: str, start: int, end: int | None, validator: str | None) -> Answer:
    """Ask for the bytes from `start` to before `end` (None: the last) of the file, if it is still the same.

    Raises TransientError, WrongBytesError, or, where a second try is no use, DownloadError.
    """
    headers = {"User-Agent": "quickdraw", "Accept-Encoding": "identity"}
    if start or end is not None:
        last = "" if end is None else end - 1
        headers["Range"] = f"bytes={start}-{last}"
    if start and validator:
        headers["If-Range"] = validator
    try:
        response = pool.request("GET", url, headers=headers, preload_content=False, retries=REDIRECTS_ONLY)
    except (http.HTTPError, OSError, ValueError) as error:  # a Location that is no URL is a ValueError
        raise _error_of(error, url) from error
    try:
        return _judge(response, url, start)
    except BaseException:
        response.close()
        raise


def _judge(response: BaseHTTPResponse, url: str, start: int) -> Answer:
    """Turn the status and headers of a reply into an Answer, or raise what they mean."""
    status, headers = response.status, response.headers
    answer = f"the server answers {status} {response.reason or ''}".strip()
    if status in PASSING:
        raise TransientError(answer, _retry_after_s(headers))
    if status == 416:
        raise WrongBytesError("the server says that the file has no such range (416)")
    if status not in (200, 206):
        advice = "look at the base URL and the class" if status == 404 else "it may want another network or proxy"
        raise DownloadError(f"{url}: {answer}; {advice}")
    if headers.get("Content-Type", "").startswith("text/html"):
        raise web_page(url)
    if headers.get("Content-Encoding", "identity") != "identity":
        raise WrongBytesError(f"the server sends the file as {headers['Content-Encoding']}, not as it is")
    size: int | None = None
    if re.fullmatch(LENGTH, headers.get("Content-Length", "")):
        size = int(headers["Content-Length"])
    if status == 200:
        start = 0
    else:
        part = headers.get("Content-Range", "").strip()
        place = re.fullmatch(rf"bytes ({LENGTH})-({LENGTH})/({LENGTH})", part)
        if place is None or int(place[1]) != start or size not in (None, int(place[2]) + 1 - start):
            raise TransientError(f"the server sends other bytes than asked for ({part[:60]})")
        size = int(place[3])
    validator = headers.get("ETag")
    if validator is None or not validator.startswith('"'):  # a weak ETag proves nothing
        validator = headers.get("Last-Modified")
    return Answer(response, start, size, validator, _md5(headers.get("x-goog-hash", "")))


def web_page(url: str) -> DownloadError:
    """The error for a page where drawings should be."""
    return DownloadError(
        f"{url}: expected drawings, got a web page (of a proxy or a login?); open the URL in a browser to see it"
    )


def _md5(hashes: str) -> str | None:
    """The MD5 that Google's storage gives as `crc32c=...,md5=...` in base64, in hexadecimal."""
    found = re.search(r"md5=([A-Za-z0-9+/]{22}==)", hashes)
    return base64.b64decode(found[1]).hex() if found else None


def _retry_after_s(headers: urllib3.HTTPHeaderDict) -> float:
    try:
        return urllib3.Retry().parse_retry_after(headers["Retry-After"])
    except (KeyError, ValueError, OverflowError, http.HTTPError):
        return 0.0


def _error_of(error: Exception, url: str) -> Exception:
    """The meaning of a request that got no answer: a TransientError, or an error where a second try is no use."""
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, http.ResponseError):
        return DownloadError(f"{url}: redirected too often; look at the base URL")
    if isinstance(cause, http.LocationValueError) or not isinstance(cause, http.HTTPError | OSError):
        return DownloadError(f"{url}: redirected to something else than a URL ({cause}); look at the base URL")
    if isinstance(cause, http.SSLError) and isinstance(cause.args[0], SSLCertVerificationError):
        return FatalError(_untrusted(host_of(url), cause.args[0]))
    lost = (http.NewConnectionError, http.ConnectTimeoutError, http.ProxyError)
    return TransientError(_plain(cause), unreachable=isinstance(cause, lost))


def _untrusted(host: str, error: SSLCertVerificationError) -> str:
    """Why a certificate is refused, and what to do about it."""
    advice = (
        "let SSL_CERT_FILE name the certificates to trust (macOS: run 'Install Certificates.command' of your Python)"
    )
    if error.verify_code in OF_ANOTHER_HOST:
        advice = "look at the base URL, or try a network without a proxy or login page that answers for it"
    elif error.verify_code in NOT_NOW:
        advice = "look at the clock of this machine"
    return f"{host}: its certificate is not trusted ({error.verify_message}); {advice}"


def _plain(error: object) -> str:
    """The reason at the bottom of a chain of errors, without the objects that urllib3 prints."""
    if isinstance(error, http.NameResolutionError):
        return "its name cannot be resolved"
    if isinstance(error, http.ProxyError):
        return f"the proxy does not answer: {_plain(error.original_error)}"
    if isinstance(error, http.TimeoutError) and not isinstance(error, http.NewConnectionError):
        return "no byte arrived for too long"
    inner = error.__cause__ if isinstance(error, BaseException) else None
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    if isinstance(error, http.ProtocolError):
        return "the connection broke"
    return re.sub(r"<[^>]*>:?\s*|\(.*", "", str(error)).strip(" :") or type(error).__name__
