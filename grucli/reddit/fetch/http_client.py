"""One request to a service, over urllib3: its answer within bounds of size and time, or a fault in words."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as LateError
from urllib3.util import Timeout, Url, make_headers, parse_url

from grucli import __version__
from grucli.errors import UsageError
from grucli.reddit.fetch.retry import AccessDeniedError, TransientError

USER_AGENT = f"grucli/{__version__}"
"""How the program introduces itself."""

MAX_RESPONSE_BYTES = 1 << 25
"""Bytes of an answer, unpacked: a hundred of the longest comments are a tenth of it."""

_CONNECT_TIMEOUT = 15.0
_READ_TIMEOUT = 60.0
_TOTAL_TIMEOUT = 180.0
_CHUNK_BYTES = 1 << 16
_URL_HINT = "write it like https://archive.example.com"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class HttpClient:
    """Requests to the service at an address.

    Raises:
        UsageError: it is no address of a service.
    """

    def __init__(self, base_url: str) -> None:
        url = parse_base_url(base_url)
        self._base_url = base_url.rstrip("/")
        self._host = url.host
        self._pool = _make_pool(url)

    def get(self, path: str, params: Mapping[str, str]) -> HttpResponse:
        """Ask for `path`. Redirects are answers too: nothing is followed to where nobody meant to go.

        Raises:
            Fault: there is no whole answer.
        """
        try:
            response = self._pool.request(
                "GET",
                self._base_url + path,
                fields=dict(params),
                timeout=Timeout(connect=_CONNECT_TIMEOUT, read=_READ_TIMEOUT),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                body = _read_body(response)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except HTTPError as error:
            raise self._to_error(error) from error
        except (OSError, ValueError) as error:
            raise TransientError(f"{self._host} could not be asked ({type(error).__name__})") from error
        return HttpResponse(response.status, response.headers, body)

    def _to_error(self, error: HTTPError) -> TransientError:
        """What went wrong between here and there, in words."""
        if isinstance(error, TransientError):
            return error
        if isinstance(error, SSLError):
            return AccessDeniedError(f"the connection to {self._host} is not safe ({_tls_error_reason(error)})")
        messages: list[tuple[type[HTTPError], str]] = [
            (ProxyError, "the proxy does not answer"),
            (NameResolutionError, f"{self._host} cannot be found; there may be no network"),
            (NewConnectionError, f"{self._host} cannot be reached"),
            (LateError, f"{self._host} does not answer in time"),
            (IncompleteRead, f"an answer of {self._host} was cut short"),
        ]
        message = next((text for exc_type, text in messages if isinstance(error, exc_type)), None)
        return TransientError(message or f"the connection to {self._host} broke off")


def _tls_error_reason(error: SSLError) -> str:
    """Why a connection is not trusted, as the library for it says."""
    reason = error.args[0] if error.args else error
    return reason.verify_message if isinstance(reason, ssl.SSLCertVerificationError) else type(reason).__name__


def parse_base_url(base_url: str) -> Url:
    """The parts of a service's address.

    Raises:
        UsageError: it is none.
    """
    try:
        url = parse_url(base_url)
    except LocationParseError:
        url = Url()
    if url.auth or "@" in base_url:  # which may be a secret, and is not to be seen here either
        raise UsageError("--base-url: an address must not hold a name or a password", _URL_HINT)
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise UsageError(f"--base-url: '{base_url}' is no address of a service", _URL_HINT)
    return url


def _make_pool(url: Url) -> urllib3.PoolManager:
    """Connections to a service, through the proxy that the system's settings name for it, if any."""
    headers = make_headers(accept_encoding="gzip", user_agent=USER_AGENT)
    proxy = getproxies().get(url.scheme or "")
    if not proxy or not url.host or proxy_bypass(url.host):
        return urllib3.PoolManager(num_pools=1, headers=headers)
    try:
        credentials = parse_url(proxy).auth
        proxy_headers = make_headers(proxy_basic_auth=unquote(credentials)) if credentials else None
        return urllib3.ProxyManager(proxy, num_pools=1, headers=headers, proxy_headers=proxy_headers)
    except (HTTPError, ValueError):
        raise UsageError(
            "the proxy that the environment names cannot be used", f"correct or unset {url.scheme}_proxy"
        ) from None


def _read_body(response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole body, unpacked.

    Raises:
        Fault: it is larger than any answer should be, or comes in too slowly.
    """
    deadline = time.monotonic() + _TOTAL_TIMEOUT
    body = bytearray()
    while data := response.read1(_CHUNK_BYTES):
        body += data
        if len(body) > MAX_RESPONSE_BYTES:
            raise AccessDeniedError(f"an answer is larger than {MAX_RESPONSE_BYTES >> 20} MB")
        if time.monotonic() > deadline:
            raise TransientError("an answer comes in too slowly")
    return bytes(body)
