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
from grucli.reddit.fetch.retry import Fault, Refusal

AGENT = f"grucli/{__version__}"
"""How the program introduces itself."""

LARGEST = 1 << 25
"""Bytes of an answer, unpacked: a hundred of the longest comments are a tenth of it."""

_CONNECT_SECONDS = 15.0
_SILENCE_SECONDS = 60.0
_ANSWER_SECONDS = 180.0
_PIECE = 1 << 16
_LIKE = "write it like https://archive.example.com"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Web:
    """Requests to the service at an address.

    Raises:
        UsageError: it is no address of a service.
    """

    def __init__(self, address: str) -> None:
        url = parse_address(address)
        self._base = address.rstrip("/")
        self._host = url.host
        self._pool = _pool(url)

    def get(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Ask for `path`. Redirects are answers too: nothing is followed to where nobody meant to go.

        Raises:
            Fault: there is no whole answer.
        """
        try:
            response = self._pool.request(
                "GET",
                self._base + path,
                fields=dict(fields),
                timeout=Timeout(connect=_CONNECT_SECONDS, read=_SILENCE_SECONDS),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                body = _read(response)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except HTTPError as error:
            raise self._fault(error) from error
        except (OSError, ValueError) as error:
            raise Fault(f"{self._host} could not be asked ({type(error).__name__})") from error
        return Answer(response.status, response.headers, body)

    def _fault(self, error: HTTPError) -> Fault:
        """What went wrong between here and there, in words."""
        if isinstance(error, Fault):
            return error
        if isinstance(error, SSLError):
            return Refusal(f"the connection to {self._host} is not safe ({_certificate(error)})")
        words: list[tuple[type[HTTPError], str]] = [
            (ProxyError, "the proxy does not answer"),
            (NameResolutionError, f"{self._host} cannot be found; there may be no network"),
            (NewConnectionError, f"{self._host} cannot be reached"),
            (LateError, f"{self._host} does not answer in time"),
            (IncompleteRead, f"an answer of {self._host} was cut short"),
        ]
        said = next((text for kind, text in words if isinstance(error, kind)), None)
        return Fault(said or f"the connection to {self._host} broke off")


def _certificate(error: SSLError) -> str:
    """Why a connection is not trusted, as the library for it says."""
    reason = error.args[0] if error.args else error
    return reason.verify_message if isinstance(reason, ssl.SSLCertVerificationError) else type(reason).__name__


def parse_address(address: str) -> Url:
    """The parts of a service's address.

    Raises:
        UsageError: it is none.
    """
    try:
        url = parse_url(address)
    except LocationParseError:
        url = Url()
    if url.auth or "@" in address:  # which may be a secret, and is not to be seen here either
        raise UsageError("--base-url: an address must not hold a name or a password", _LIKE)
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise UsageError(f"--base-url: '{address}' is no address of a service", _LIKE)
    return url


def _pool(url: Url) -> urllib3.PoolManager:
    """Connections to a service, through the proxy that the system's settings name for it, if any."""
    headers = make_headers(accept_encoding="gzip", user_agent=AGENT)
    proxy = getproxies().get(url.scheme or "")
    if not proxy or not url.host or proxy_bypass(url.host):
        return urllib3.PoolManager(num_pools=1, headers=headers)
    try:
        login = parse_url(proxy).auth
        secret = make_headers(proxy_basic_auth=unquote(login)) if login else None
        return urllib3.ProxyManager(proxy, num_pools=1, headers=headers, proxy_headers=secret)
    except (HTTPError, ValueError):
        raise UsageError(
            "the proxy that the environment names cannot be used", f"correct or unset {url.scheme}_proxy"
        ) from None


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole body, unpacked.

    Raises:
        Fault: it is larger than any answer should be, or comes in too slowly.
    """
    until = time.monotonic() + _ANSWER_SECONDS
    body = bytearray()
    while piece := response.read1(_PIECE):
        body += piece
        if len(body) > LARGEST:
            raise Refusal(f"an answer is larger than {LARGEST >> 20} MB")
        if time.monotonic() > until:
            raise Fault("an answer comes in too slowly")
    return bytes(body)
