"""Reddit's own interface, through PRAW: the newest 1,000 comments of a subreddit or a person, and no others.

PRAW signs in, keeps Reddit's limits and repeats what failed for a moment; the listing is read as Reddit sends it. Who
asks is known by the user's own `praw.ini`, in the folder of the user's settings, or by `praw_…` variables. A `praw.ini`
in the current folder, which PRAW would read too, is left alone: it may be a stranger's, and could have the secret sent
elsewhere.
"""

import configparser
import io
import logging
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import praw
import prawcore
import requests
from praw.config import Config
from praw.exceptions import PRAWException

from grucli import __version__
from grucli.errors import ServiceError, UsageError
from grucli.reddit.fetch.comment_source import (
    Batch,
    End,
    Position,
    Span,
    Step,
    Target,
    Waiting,
    read_comment,
    read_odd,
    second_of,
)
from grucli.reddit.fetch.http_client import LARGEST, parse_address
from grucli.reddit.fetch.retry import Fault, Pace, Refusal, persist

SITE = "https://www.reddit.com"
SIGNED_IN = "https://oauth.reddit.com"
POLITE = 1.5
"""Requests a second; Reddit allows 100 a minute."""

PAGE = 100
_SURELY_ALL = 900
"""A listing that ends before so many comments has shown all there are: it has 1,000 places, removed ones among them."""

_AGENT = f"python:grucli:{__version__}"
_HOW = "see 'First steps' in PRAW's documentation: praw.ini needs client_id, client_secret and user_agent"


class _Child(msgspec.Struct):
    data: object


class _Children(msgspec.Struct):
    children: list[_Child]
    after: str | None = None


class _Listing(msgspec.Struct):
    """A page of a listing, as Reddit sends it."""

    data: _Children


class _Requestor(prawcore.Requestor):
    """PRAW's connection, with a bound to what an answer may hold; what it says of limits is told to `on_answer`."""

    def __init__(self, *arguments: Any, on_answer: Callable[[Mapping[str, str]], None], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_answer = on_answer

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        response = super().request(*arguments, stream=True, **options)
        try:
            body = response.raw.read(LARGEST + 1, decode_content=True)
        except Exception as error:
            raise prawcore.RequestException(error, arguments, options) from error
        finally:
            response.raw.close()
        if len(body) > LARGEST:
            raise Refusal(f"an answer is larger than {LARGEST >> 20} MB")
        response.raw = io.BytesIO(body)
        self._on_answer(response.headers)
        return response


class RedditListings:
    """Reddit, at another `address` than its own where one is given, asked `rate` times a second at most.

    Raises:
        UsageError: `address` or `rate` cannot be meant, or nothing says who asks.
    """

    title = "Reddit"

    def __init__(self, address: str | None = None, rate: float | None = None) -> None:
        self.rate = POLITE if rate is None else rate
        self._pace = Pace(self.rate)
        if address is not None:
            _check_safe(address)
        requestor = {"on_answer": self._pace.answered}
        self._reddit = _sign_in(address or SITE, address or SIGNED_IN, requestor)

    def walk(self, target: Target, span: Span, position: Position, most: int | None) -> Iterator[Step]:
        """Walk the listing, the newest comments first. `position.seen` are the ids there are already.

        A walk that goes on begins with the newest again: the listing has moved on in the meantime, and a place in it
        that a comment marked may be gone with the comment.

        Raises:
            ServiceError: Reddit cannot be reached, or refuses.
        """
        path = f"r/{target.name}/comments" if target.kind == "r" else f"user/{target.name}/comments"
        after, listed = None, 0
        while most is None or most > 0:
            listing = yield from self._page(target, path, after)
            found = [comment for child in listing.children if (comment := read_comment(child.data)) is not None]
            odd = {read_odd(child.data) for child in listing.children if read_comment(child.data) is None}
            inside_or_lost = (one for one in odd if one.second is None or span.after <= one.second < span.before)
            lost = {one.key for one in inside_or_lost} - {*position.seen}
            listed += len(listing.children)
            inside = {str(one.id): one for one in found if span.after <= second_of(one) < span.before}
            kept = [one for id_, one in inside.items() if id_ not in position.seen][:most]
            most = None if most is None else most - len(kept)
            if kept or lost:
                position = Position(seen=(*position.seen, *(str(one.id) for one in kept), *sorted(lost)))
                at = second_of(found[-1]) if found else span.before
                yield Batch(kept, position, _share(at, listed, span), at, len(lost))
            past = bool(found) and second_of(found[-1]) < span.after
            if past or listing.after is None or not found or listing.after == after:
                yield End(covered=past or listed < _SURELY_ALL)
                return
            after = listing.after

    def _page(self, target: Target, path: str, after: str | None) -> Generator[Waiting, None, _Children]:
        parameters: dict[str, str | int] = {"limit": PAGE, "sort": "new"}
        if after is not None:
            parameters["after"] = after

        def ask() -> _Children:
            try:
                answer = self._reddit.request(method="GET", path=path, params=parameters)
                return msgspec.convert(answer, type=_Listing).data
            except (prawcore.NotFound, prawcore.Redirect):
                return _Children([])  # Reddit's way to say that it knows nobody of this name
            except (PRAWException, prawcore.PrawcoreException) as error:
                raise _understood(target, error) from error
            except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError) as error:
                raise Fault("an answer of Reddit's cannot be understood") from error

        try:
            return (yield from persist(ask, self._pace))
        except Fault as fault:
            raise ServiceError(f"{target} cannot be fetched: {fault.why}", "try again later") from fault


def _understood(target: Target, error: Exception) -> Fault | ServiceError:
    """What PRAW says went wrong: a fault, where asking again may help."""
    response = getattr(error, "response", None)
    status = 0 if response is None else response.status_code
    if isinstance(error, prawcore.RequestException):
        return Fault(f"Reddit cannot be reached ({type(error.original_exception).__name__})")
    if response is not None and status == 429:
        return Fault("Reddit asks to slow down (429)", response.headers)
    if status >= 500 or isinstance(error, prawcore.BadJSON):
        return Fault(f"Reddit has a problem ({status})")
    if status == 403:
        return Refusal("it is private, or Reddit does not let this program in (403)")
    if isinstance(error, prawcore.OAuthException | prawcore.ResponseException):
        return ServiceError(
            f"Reddit does not accept who asks for {target} ({status})", f"check client_id and client_secret; {_HOW}"
        )
    return ServiceError(f"Reddit refused to look for {target} ({type(error).__name__})", "try again later")


def _share(at: int, listed: int, span: Span) -> float:
    """How much is done, of the range or of the listing, whichever ends first."""
    reached = (span.before - at) / (span.before - span.after)
    return min(max(listed / 1000, reached if span.after else 0.0), 1.0)


def _check_safe(address: str) -> None:
    """See that nobody on the way can read a secret that is sent to `address`.

    Raises:
        UsageError: somebody could, or it is no address.
    """
    url = parse_address(address)
    try:
        at_home = url.host == "localhost" or ip_address((url.host or "").strip("[]")).is_loopback
    except ValueError:
        at_home = False
    if url.scheme != "https" and not at_home:
        raise UsageError(f"--base-url: '{address}' would be sent your secret in the open", "use an https:// address")


def own_settings() -> Path:
    """The user's own `praw.ini`, where PRAW itself would look for it."""
    folder = os.environ.get("APPDATA") or os.environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path("~/.config").expanduser()) / "praw.ini"


def _sign_in(site: str, signed_in: str, requestor: dict[str, Any]) -> praw.Reddit:
    """PRAW, for reading only, known to Reddit as the user's settings say; the endpoints are ours to choose.

    Raises:
        UsageError: they say nothing, or nothing that can be understood.
    """
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_string((files(praw) / "praw.ini").read_text(encoding="utf-8"))
    section = os.environ.get("praw_site") or settings.default_section  # noqa: SIM112 - PRAW spells it so
    try:
        settings.read(own_settings(), encoding="utf-8")
        agent = os.environ.get("praw_user_agent")  # noqa: SIM112
        agent = agent or settings.get(section, "user_agent", fallback=_AGENT)
        Config.CONFIG = settings  # PRAW reads the files itself where this is missing, the current folder's too
        reddit = praw.Reddit(
            section,
            requestor_class=_Requestor,
            requestor_kwargs=requestor,
            reddit_url=site,
            oauth_url=signed_in,
            user_agent=agent,
            check_for_updates=False,
            check_for_async=False,
        )
    except (configparser.Error, UnicodeDecodeError) as error:
        what = type(error).__name__
        raise UsageError(f"'{own_settings()}' cannot be understood ({what})", "correct it; " + _HOW) from None
    except (PRAWException, prawcore.PrawcoreException, ValueError):
        raise UsageError(
            "nothing says who asks Reddit: client_id or client_secret is missing", f"write '{own_settings()}'; {_HOW}"
        ) from None
    reddit.read_only = True
    return reddit


for _library in ("praw", "prawcore"):
    # They log what they repeat; without a listener Python itself would print that on the terminal.
    logging.getLogger(_library).addHandler(logging.NullHandler())
