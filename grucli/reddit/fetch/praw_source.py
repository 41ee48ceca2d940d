"""Reddit's API, through PRAW: the newest 1,000 comments of a subreddit or user, and no others.

PRAW signs in, keeps Reddit's rate limit and retries brief failures; the listing is parsed from Reddit's JSON.
Credentials come from the user's own `praw.ini`, where PRAW looks for it, or from `praw_...` variables. A `praw.ini` in
the current directory, which PRAW would read as well, is ignored: its author could have the secret sent to any URL.
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
from grucli.read.json_repair import replace_lone_surrogates
from grucli.reddit.comments import Comment
from grucli.reddit.fetch.comment_source import (
    Cursor,
    EndOfRange,
    FetchItem,
    Page,
    RetryWait,
    Target,
    TimeRange,
    UnreadableRow,
    created_second,
    fetch_error,
    read_row,
)
from grucli.reddit.fetch.http_client import MAX_RESPONSE_BYTES, parse_base_url
from grucli.reddit.fetch.retry import AccessDeniedError, RateLimiter, TransientError, call_with_retry

REDDIT_URL = "https://www.reddit.com"
OAUTH_URL = "https://oauth.reddit.com"
DEFAULT_RATE = 1.5
"""Requests per second; Reddit allows 100 per minute."""

PAGE_SIZE = 100
_LISTING_COMPLETE_BELOW = 900
"""Listed comments below which a listing is complete: it is cut at 1,000, of which removed ones are not shown."""

_USER_AGENT = f"python:grucli:{__version__}"
_SETUP_HINT = "see 'First steps' in PRAW's documentation: praw.ini needs client_id, client_secret and user_agent"


class _Child(msgspec.Struct):
    data: object


class _Children(msgspec.Struct):
    children: list[_Child]
    after: str | None = None


class _Listing(msgspec.Struct):
    data: _Children


class _Requestor(prawcore.Requestor):
    """PRAW's HTTP client, with a limit on the size of a response; passes response headers to `on_response`."""

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
            raise AccessDeniedError(f"a response is larger than {MAX_RESPONSE_BYTES >> 20} MB")
        response.raw = io.BytesIO(replace_lone_surrogates(body))
        self._on_response(response.headers)
        return response


class RedditListings:
    """Reddit, or the server at `base_url`, with at most `rate` requests per second.

    Raises:
        UsageError: `base_url` or `rate` is invalid, or credentials are missing.
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
        """Read the listing, the newest comments first. `cursor.seen_ids` are all ids so far.

        A resumed listing starts with the newest comments again: it has moved on since, and a comment that marked the
        position may be deleted.

        Raises:
            ServiceError: Reddit cannot be reached, or refuses, after retries.
        """
        path = f"r/{target.name}/comments" if target.kind == "r" else f"user/{target.name}/comments"
        after, listed_count = None, 0
        while limit is None or limit > 0:
            listing = yield from self._fetch_page(target, path, after)
            rows = [read_row(child.data) for child in listing.children]
            listed_count += len(rows)
            comments = [row for row in rows if isinstance(row, Comment)]
            in_range = {str(one.id): one for one in comments if created_second(one) in time_range}
            new_comments = [one for id_, one in in_range.items() if id_ not in cursor.seen_ids][:limit]
            limit = None if limit is None else limit - len(new_comments)
            unreadable = _unreadable_keys(rows, time_range) - {*cursor.seen_ids}
            if new_comments or unreadable:
                seen_ids = (*cursor.seen_ids, *(str(one.id) for one in new_comments), *sorted(unreadable))
                cursor = Cursor(seen_ids=seen_ids)
                reached = created_second(comments[-1]) if comments else time_range.before
                progress = _progress(reached, listed_count, time_range)
                yield Page(new_comments, cursor, progress, reached, len(unreadable))
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
                return _Children([])  # Reddit's response to an unknown name
            except (PRAWException, prawcore.PrawcoreException) as error:
                raise _classify_error(target, error) from error
            except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError) as error:
                raise TransientError("invalid response from Reddit") from error

        try:
            return (yield from call_with_retry(send, self._rate_limiter))
        except TransientError as error:
            raise fetch_error(target, error.message) from error


def _unreadable_keys(rows: list[Comment | UnreadableRow], time_range: TimeRange) -> set[str]:
    """Return the keys of the unreadable rows that are, or may be, in the range."""
    unreadable = [row for row in rows if isinstance(row, UnreadableRow)]
    return {row.key for row in unreadable if row.timestamp is None or row.timestamp in time_range}


def _classify_error(target: Target, error: Exception) -> TransientError | ServiceError:
    """Return a `TransientError` where a retry may help, else a `ServiceError`."""
    response = getattr(error, "response", None)
    status = 0 if response is None else response.status_code
    if isinstance(error, prawcore.RequestException):
        return TransientError(f"cannot reach Reddit ({type(error.original_exception).__name__})")
    if response is not None and status == 429:
        return TransientError("Reddit asks to slow down (429)", response.headers)
    if status >= 500 or isinstance(error, prawcore.BadJSON):
        return TransientError(f"Reddit reports an error ({status})")
    if status == 403:
        return AccessDeniedError("it is private, or Reddit denied access (403)")
    if isinstance(error, prawcore.OAuthException | prawcore.ResponseException):
        hint = f"check client_id and client_secret; {_SETUP_HINT}"
        return ServiceError(f"Reddit rejected the credentials ({status})", hint)
    return ServiceError(f"Reddit rejected the request for {target} ({type(error).__name__})", "try again later")


def _progress(timestamp: int, listed_count: int, time_range: TimeRange) -> float:
    """Return the progress through the range or the listing, whichever ends first."""
    reached = (time_range.before - timestamp) / (time_range.before - time_range.after)
    return min(max(listed_count / 1000, reached if time_range.after else 0.0), 1.0)


def _require_https(base_url: str) -> None:
    url = parse_base_url(base_url)
    try:
        is_loopback = url.host == "localhost" or ip_address((url.host or "").strip("[]")).is_loopback
    except ValueError:
        is_loopback = False
    if url.scheme != "https" and not is_loopback:
        raise UsageError(
            f"--base-url: refusing to send credentials over plain http to '{base_url}'", "use an https:// URL"
        )


def praw_ini_path() -> Path:
    """Return the path of the user's `praw.ini`, the one that PRAW uses."""
    directory = os.environ.get("APPDATA") or os.environ.get("XDG_CONFIG_HOME")
    return (Path(directory) if directory else Path("~/.config").expanduser()) / "praw.ini"


def _create_client(reddit_url: str, oauth_url: str, requestor_kwargs: dict[str, Any]) -> praw.Reddit:
    """Create a read-only client with the user's credentials. The URLs in `praw.ini` are not used.

    Raises:
        UsageError: the credentials are missing, or the file is invalid.
    """
    config = configparser.ConfigParser(interpolation=None)
    config.read_string((files(praw) / "praw.ini").read_text(encoding="utf-8"))
    section = os.environ.get("praw_site") or config.default_section  # noqa: SIM112 - PRAW's spelling
    try:
        config.read(praw_ini_path(), encoding="utf-8")
        user_agent = os.environ.get("praw_user_agent")  # noqa: SIM112
        user_agent = user_agent or config.get(section, "user_agent", fallback=_USER_AGENT)
        Config.CONFIG = config  # otherwise PRAW reads the files itself, the current directory's included
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
        message = f"invalid file: '{praw_ini_path()}' ({type(error).__name__})"
        raise UsageError(message, "correct it; " + _SETUP_HINT) from None
    except (PRAWException, prawcore.PrawcoreException, ValueError):
        raise UsageError(
            "no Reddit credentials: client_id or client_secret missing", f"write '{praw_ini_path()}'; {_SETUP_HINT}"
        ) from None
    reddit.read_only = True
    return reddit


for _library in ("praw", "prawcore"):
    # They log their retries; without a handler Python would print that on the terminal.
    logging.getLogger(_library).addHandler(logging.NullHandler())
