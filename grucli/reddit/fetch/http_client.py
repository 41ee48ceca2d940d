"""HTTP requests over urllib3, with limits on the size and duration of a response."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import exceptions
from urllib3.util import Timeout, Url, make_headers, parse_url

from grucli import __version__
from grucli.errors import UsageError
from grucli.reddit.fetch.retry import AccessDeniedError, TransientError

USER_AGENT = f"grucli/{__version__}"
MAX_RESPONSE_BYTES = 1 << 25
"""Of a decompressed body: ten times a page of the longest comments."""

_CONNECT_TIMEOUT = 15.0
_READ_TIMEOUT = 60.0
_TOTAL_TIMEOUT = 180.0
_CHUNK_BYTES = 1 << 16
_URL_HINT = "write it like https://archive.example.com"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete response; `content` is decompressed."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class HttpClient:
    """GET requests to one server.

    Raises:
        UsageError: `base_url` is not the URL of a server.
    """

    def __init__(self, base_url: str) -> None:
        url = parse_base_url(base_url)
        self._base_url = base_url.rstrip("/")
        self._host = url.host
        self._pool = _make_pool(url)

    def get(self, path: str, params: Mapping[str, str]) -> HttpResponse:
        """Request `path`. Redirects are returned, not followed.

        Raises:
            TransientError: there is no complete response.
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
        except exceptions.SSLError as error:
            reason = f"the connection to {self._host} is not secure ({_tls_error_reason(error)})"
            raise AccessDeniedError(reason) from error
        except exceptions.HTTPError as error:
            raise TransientError(self._error_reason(error)) from error
        except (OSError, ValueError) as error:
            raise TransientError(f"request to {self._host} failed ({type(error).__name__})") from error
        return HttpResponse(response.status, response.headers, body)

    def _error_reason(self, error: exceptions.HTTPError) -> str:
        # The first type that matches counts: some are subclasses of later ones.
        reasons: list[tuple[type[exceptions.HTTPError], str]] = [
            (exceptions.ProxyError, "the proxy does not respond"),
            (exceptions.NameResolutionError, f"cannot resolve {self._host}; check the network"),
            (exceptions.NewConnectionError, f"cannot connect to {self._host}"),
            (exceptions.TimeoutError, f"{self._host} timed out"),
            (exceptions.IncompleteRead, f"a response of {self._host} was truncated"),
        ]
        lost = f"connection to {self._host} lost"
        return next((reason for error_type, reason in reasons if isinstance(error, error_type)), lost)


def _tls_error_reason(error: exceptions.SSLError) -> str:
    reason = error.args[0] if error.args else error
    return reason.verify_message if isinstance(reason, ssl.SSLCertVerificationError) else type(reason).__name__


def parse_base_url(base_url: str) -> Url:
    """Parse the URL of a server.

    Raises:
        UsageError: it is not one, or it contains credentials.
    """
    try:
        url = parse_url(base_url)
    except exceptions.LocationParseError:
        url = Url()
    if url.auth or "@" in base_url:  # the message must not repeat what may be a password
        raise UsageError("--base-url must not contain a user name or password", _URL_HINT)
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise UsageError(f"--base-url: not the URL of a server: '{base_url}'", _URL_HINT)
    return url


def _make_pool(url: Url) -> urllib3.PoolManager:
    """Connect directly, or through the proxy that the environment names for this host."""
    headers = make_headers(accept_encoding="gzip", user_agent=USER_AGENT)
    proxy = getproxies().get(url.scheme or "")
    if not proxy or not url.host or proxy_bypass(url.host):
        return urllib3.PoolManager(num_pools=1, headers=headers)
    try:
        credentials = parse_url(proxy).auth
        proxy_headers = make_headers(proxy_basic_auth=unquote(credentials)) if credentials else None
        return urllib3.ProxyManager(proxy, num_pools=1, headers=headers, proxy_headers=proxy_headers)
    except (exceptions.HTTPError, ValueError):
        # Without its value, which may contain a password.
        raise UsageError(f"invalid proxy in {url.scheme}_proxy", f"correct or unset {url.scheme}_proxy") from None


def _read_body(response: urllib3.BaseHTTPResponse) -> bytes:
    deadline = time.monotonic() + _TOTAL_TIMEOUT
    body = bytearray()
    while data := response.read1(_CHUNK_BYTES):
        body += data
        if len(body) > MAX_RESPONSE_BYTES:
            raise AccessDeniedError(f"a response is larger than {MAX_RESPONSE_BYTES >> 20} MB")
        if time.monotonic() > deadline:
            raise TransientError("a response is too slow")
    return bytes(body)
