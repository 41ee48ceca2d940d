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
    Cursor,
    EndOfRange,
    FetchItem,
    Page,
    RetryWait,
    Target,
    TimeRange,
    created_second,
    describe_unreadable,
    read_comment,
)
from grucli.reddit.fetch.http_client import MAX_RESPONSE_BYTES, parse_base_url
from grucli.reddit.fetch.retry import AccessDeniedError, RateLimiter, TransientError, call_with_retry

REDDIT_URL = "https://www.reddit.com"
OAUTH_URL = "https://oauth.reddit.com"
DEFAULT_RATE = 1.5
"""Requests a second; Reddit allows 100 a minute."""

PAGE_SIZE = 100
_LISTING_COMPLETE_BELOW = 900
"""A listing that ends before so many comments has shown all there are: it has 1,000 places, removed ones among them."""

_USER_AGENT = f"python:grucli:{__version__}"
_SETUP_HINT = "see 'First steps' in PRAW's documentation: praw.ini needs client_id, client_secret and user_agent"


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

    def __init__(self, *args: Any, on_response: Callable[[Mapping[str, str]], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_response = on_response

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().request(*args, stream=True, **kwargs)
        try:
            body = response.raw.read(MAX_RESPONSE_BYTES + 1, decode_content=True)
        except Exception as error:
            raise prawcore.RequestException(error, args, kwargs) from error
        finally:
            response.raw.close()
        if len(body) > MAX_RESPONSE_BYTES:
            raise AccessDeniedError(f"an answer is larger than {MAX_RESPONSE_BYTES >> 20} MB")
        response.raw = io.BytesIO(body)
        self._on_response(response.headers)
        return response


class RedditListings:
    """Reddit, at another `address` than its own where one is given, asked `rate` times a second at most.

    Raises:
        UsageError: `address` or `rate` cannot be meant, or nothing says who asks.
    """

    title = "Reddit"

    def __init__(self, base_url: str | None = None, rate: float | None = None) -> None:
        self.rate = DEFAULT_RATE if rate is None else rate
        self._rate_limiter = RateLimiter(self.rate)
        if base_url is not None:
            _require_https(base_url)
        requestor_kwargs = {"on_response": self._rate_limiter.on_response}
        self._reddit = _create_client(base_url or REDDIT_URL, base_url or OAUTH_URL, requestor_kwargs)

    def paginate(self, target: Target, time_range: TimeRange, cursor: Cursor, limit: int | None) -> Iterator[FetchItem]:
        """Walk the listing, the newest comments first. `position.seen` are the ids there are already.

        A walk that goes on begins with the newest again: the listing has moved on in the meantime, and a place in it
        that a comment marked may be gone with the comment.

        Raises:
            ServiceError: Reddit cannot be reached, or refuses.
        """
        path = f"r/{target.name}/comments" if target.kind == "r" else f"user/{target.name}/comments"
        after, listed_count = None, 0
        while limit is None or limit > 0:
            listing = yield from self._fetch_page(target, path, after)
            comments = [comment for child in listing.children if (comment := read_comment(child.data)) is not None]
            unreadable_rows = {
                describe_unreadable(child.data) for child in listing.children if read_comment(child.data) is None
            }
            relevant_rows = (
                one
                for one in unreadable_rows
                if one.timestamp is None or time_range.after <= one.timestamp < time_range.before
            )
            unreadable = {one.key for one in relevant_rows} - {*cursor.seen_ids}
            listed_count += len(listing.children)
            in_range = {
                str(one.id): one for one in comments if time_range.after <= created_second(one) < time_range.before
            }
            new_comments = [one for id_, one in in_range.items() if id_ not in cursor.seen_ids][:limit]
            limit = None if limit is None else limit - len(new_comments)
            if new_comments or unreadable:
                cursor = Cursor(
                    seen_ids=(*cursor.seen_ids, *(str(one.id) for one in new_comments), *sorted(unreadable))
                )
                timestamp = created_second(comments[-1]) if comments else time_range.before
                yield Page(
                    new_comments, cursor, _progress(timestamp, listed_count, time_range), timestamp, len(unreadable)
                )
            is_past_start = bool(comments) and created_second(comments[-1]) < time_range.after
            if is_past_start or listing.after is None or not comments or listing.after == after:
                yield EndOfRange(complete=is_past_start or listed_count < _LISTING_COMPLETE_BELOW)
                return
            after = listing.after

    def _fetch_page(self, target: Target, path: str, after: str | None) -> Generator[RetryWait, None, _Children]:
        params: dict[str, str | int] = {"limit": PAGE_SIZE, "sort": "new"}
        if after is not None:
            params["after"] = after

        def send() -> _Children:
            try:
                response = self._reddit.request(method="GET", path=path, params=params)
                return msgspec.convert(response, type=_Listing).data
            except (prawcore.NotFound, prawcore.Redirect):
                return _Children([])  # Reddit's way to say that it knows nobody of this name
            except (PRAWException, prawcore.PrawcoreException) as error:
                raise _classify_error(target, error) from error
            except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError) as error:
                raise TransientError("an answer of Reddit's cannot be understood") from error

        try:
            return (yield from call_with_retry(send, self._rate_limiter))
        except TransientError as transient_error:
            raise ServiceError(
                f"{target} cannot be fetched: {transient_error.message}", "try again later"
            ) from transient_error


def _classify_error(target: Target, error: Exception) -> TransientError | ServiceError:
    """What PRAW says went wrong: a fault, where asking again may help."""
    response = getattr(error, "response", None)
    status = 0 if response is None else response.status_code
    if isinstance(error, prawcore.RequestException):
        return TransientError(f"Reddit cannot be reached ({type(error.original_exception).__name__})")
    if response is not None and status == 429:
        return TransientError("Reddit asks to slow down (429)", response.headers)
    if status >= 500 or isinstance(error, prawcore.BadJSON):
        return TransientError(f"Reddit has a problem ({status})")
    if status == 403:
        return AccessDeniedError("it is private, or Reddit does not let this program in (403)")
    if isinstance(error, prawcore.OAuthException | prawcore.ResponseException):
        return ServiceError(
            f"Reddit does not accept who asks for {target} ({status})",
            f"check client_id and client_secret; {_SETUP_HINT}",
        )
    return ServiceError(f"Reddit refused to look for {target} ({type(error).__name__})", "try again later")


def _progress(timestamp: int, listed_count: int, time_range: TimeRange) -> float:
    """How much is done, of the range or of the listing, whichever ends first."""
    reached = (time_range.before - timestamp) / (time_range.before - time_range.after)
    return min(max(listed_count / 1000, reached if time_range.after else 0.0), 1.0)


def _require_https(base_url: str) -> None:
    """See that nobody on the way can read a secret that is sent to `address`.

    Raises:
        UsageError: somebody could, or it is no address.
    """
    url = parse_base_url(base_url)
    try:
        is_loopback = url.host == "localhost" or ip_address((url.host or "").strip("[]")).is_loopback
    except ValueError:
        is_loopback = False
    if url.scheme != "https" and not is_loopback:
        raise UsageError(f"--base-url: '{base_url}' would be sent your secret in the open", "use an https:// address")


def praw_ini_path() -> Path:
    """The user's own `praw.ini`, where PRAW itself would look for it."""
    directory = os.environ.get("APPDATA") or os.environ.get("XDG_CONFIG_HOME")
    return (Path(directory) if directory else Path("~/.config").expanduser()) / "praw.ini"


def _create_client(reddit_url: str, oauth_url: str, requestor_kwargs: dict[str, Any]) -> praw.Reddit:
    """PRAW, for reading only, known to Reddit as the user's settings say; the endpoints are ours to choose.

    Raises:
        UsageError: they say nothing, or nothing that can be understood.
    """
    config = configparser.ConfigParser(interpolation=None)
    config.read_string((files(praw) / "praw.ini").read_text(encoding="utf-8"))
    section = os.environ.get("praw_site") or config.default_section  # noqa: SIM112 - PRAW spells it so
    try:
        config.read(praw_ini_path(), encoding="utf-8")
        user_agent = os.environ.get("praw_user_agent")  # noqa: SIM112
        user_agent = user_agent or config.get(section, "user_agent", fallback=_USER_AGENT)
        Config.CONFIG = config  # PRAW reads the files itself where this is missing, the current folder's too
        reddit = praw.Reddit(
            section,
            requestor_class=_Requestor,
            requestor_kwargs=requestor_kwargs,
            reddit_url=reddit_url,
            oauth_url=oauth_url,
            user_agent=user_agent,
            check_for_updates=False,
            check_for_async=False,
        )
    except (configparser.Error, UnicodeDecodeError) as error:
        error_name = type(error).__name__
        raise UsageError(
            f"'{praw_ini_path()}' cannot be understood ({error_name})", "correct it; " + _SETUP_HINT
        ) from None
    except (PRAWException, prawcore.PrawcoreException, ValueError):
        raise UsageError(
            "nothing says who asks Reddit: client_id or client_secret is missing",
            f"write '{praw_ini_path()}'; {_SETUP_HINT}",
        ) from None
    reddit.read_only = True
    return reddit


for _library in ("praw", "prawcore"):
    # They log what they repeat; without a listener Python itself would print that on the terminal.
    logging.getLogger(_library).addHandler(logging.NullHandler())
