"""Arctic Shift, a public archive of Reddit: comments from the oldest to the newest, in pages.

The API pages by whole seconds only, and a second may hold several comments. So each request repeats the last second of
the page before, and comments already seen are dropped. If a query times out, fewer comments are requested, and then a
shorter window.
"""

import math
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec

from grucli.errors import ServiceError
from grucli.read.json_repair import replace_lone_surrogates
from grucli.reddit.comments import Comment
from grucli.reddit.fetch.comment_source import (
    Cursor,
    EndOfRange,
    FetchItem,
    Gap,
    Page,
    RetryWait,
    Target,
    TimeRange,
    UnreadableRow,
    created_second,
    fetch_error,
    read_row,
)
from grucli.reddit.fetch.http_client import HttpClient, HttpResponse
from grucli.reddit.fetch.retry import AccessDeniedError, QueryTimeoutError, RateLimiter, TransientError, call_with_retry
from grucli.reddit.timestamps import format_timestamp

BASE_URL = "https://arctic-shift.photon-reddit.com"
DEFAULT_RATE = 2.0
"""Requests per second that the archive permits."""

PAGE_SIZE = 100
"""Comments per page, the maximum of the API."""

_FIRST_TIMESTAMP = 1_104_537_600
"""2005, before the first comment; the API may not take smaller numbers for seconds since 1970."""

_FIELDS = ",".join(Comment.__struct_fields__)
_TIMEOUT_PATTERN = re.compile(r"time[d ]*out|slow down", re.IGNORECASE)
_RETRYABLE_STATUS = {408: "the archive timed out waiting for the request", 429: "the archive asks to slow down"}
_MAX_QUOTED_CHARS = 200
_MIN_PAGE_SIZE = 10
"""Below this, pages would often end within a second, and the time to wait between requests counts more."""

_GROW_AFTER_SUCCESSES = 4
_FORGET_FAILURE_AFTER = 64


class _EmptyResponseError(TransientError):
    """Empty page; accepted after one retry."""

    max_retries = 1


class _MissingCommentsError(_EmptyResponseError):
    """Empty page, though it should repeat comments returned before; retried up to 3 times."""

    max_retries = 3


class _Document(msgspec.Struct):
    """The JSON of a response. Rows are decoded separately, so that an unreadable one does not spoil the others."""

    data: list[msgspec.Raw] | None = None
    error: object = None


class _ParsedPage(msgspec.Struct, frozen=True):
    """The usable part of a response.

    `comments`: those in the window, in order. `is_full`: the window may hold more. `unreadable`: the time of each
    unreadable row in the window, by key; a row without a time has that of the row before it.
    """

    comments: list[Comment]
    is_full: bool = False
    unreadable: Mapping[str, int] = {}


class _AdaptiveSize:
    """A size of a query, adapted to the archive's query timeout.

    Halved after a timeout. Doubled after four successes in a row, but kept below the size that timed out within the
    last 64 requests: few queries time out, and the size recovers once the archive does.
    """

    def __init__(self, minimum: int, maximum: int) -> None:
        self.size = self._maximum = maximum
        self._minimum = min(minimum, maximum)
        self._failed: int | None = None
        self._successes = 0

    @property
    def is_minimal(self) -> bool:
        return self.size // 2 < self._minimum

    def on_success(self) -> None:
        self._successes += 1
        if self._successes >= _FORGET_FAILURE_AFTER:
            self._failed = None
        larger = min(2 * self.size, self._maximum)
        if self._successes % _GROW_AFTER_SUCCESSES == 0 and (self._failed is None or larger < self._failed):
            self.size = larger

    def on_timeout(self, size: int) -> None:
        self._failed, self._successes = size, 0
        self.size = size // 2

    def forget_timeout(self) -> None:
        self._failed = None


class _QuerySize:
    """How much to request: comments per page, which all windows share, and seconds."""

    def __init__(self, page: _AdaptiveSize, max_seconds: int) -> None:
        self._page, self._window = page, _AdaptiveSize(1, max_seconds)
        self._answered_seconds: float = math.inf

    @property
    def comments(self) -> int:
        return self._page.size

    @property
    def seconds(self) -> int:
        return self._window.size

    def on_success(self, seconds: int) -> None:
        self._answered_seconds = seconds
        self._page.on_success()
        self._window.on_success()

    def on_timeout(self, seconds: int) -> bool:
        """Request less from now on; return False if there is nothing less than what timed out.

        A page of half the size comes first, unless the window has grown since the last response. Where the smallest
        page does not help, its size was not the reason.
        """
        if seconds <= self._answered_seconds and not self._page.is_minimal:
            self._page.on_timeout(self._page.size)
        elif seconds > 1:
            self._window.on_timeout(seconds)
            self._page.forget_timeout()
        else:
            return False
        return True


class ArcticShift:
    """The archive at `base_url` (None: its own), with at most `rate` requests per second.

    Raises:
        UsageError: `base_url` or `rate` is invalid.
    """

    title = "Arctic Shift"

    def __init__(self, base_url: str | None = None, rate: float | None = None) -> None:
        self.rate = DEFAULT_RATE if rate is None else rate
        self._rate_limiter = RateLimiter(self.rate)
        self._http = HttpClient(BASE_URL if base_url is None else base_url)
        self._page_size = _AdaptiveSize(_MIN_PAGE_SIZE, PAGE_SIZE)

    def paginate(self, target: Target, time_range: TimeRange, cursor: Cursor, limit: int | None) -> Iterator[FetchItem]:
        """Read comments, the oldest first. `cursor.timestamp` is the second reached, `seen_ids` its comments so far.

        Raises:
            ServiceError: the archive cannot be reached, or refuses, after retries.
        """
        size = _QuerySize(self._page_size, time_range.before - time_range.after)
        while limit is None or limit > 0:
            start = max(time_range.after, _FIRST_TIMESTAMP) if cursor.timestamp is None else cursor.timestamp
            if start >= time_range.before:
                yield EndOfRange(complete=True)
                return
            window = TimeRange(start, min(start + size.seconds, time_range.before))
            try:
                page = yield from self._fetch_page(target, window, cursor, size.comments)
            except QueryTimeoutError as error:
                if not size.on_timeout(window.before - window.after):
                    raise fetch_error(target, error.message) from error
                continue
            size.on_success(window.before - window.after)
            if _is_crowded_second(page):
                window = TimeRange(created_second(page.comments[0]), created_second(page.comments[0]) + 1)
                page = yield from self._fetch_crowded_second(target, window, cursor, page)
            new_comments = [comment for comment in page.comments if comment.id not in cursor.seen_ids]
            second_overflow = _is_crowded_second(page)
            comments = new_comments if limit is None else new_comments[:limit]
            limit = None if limit is None else limit - len(comments)
            reached = window.before
            if comments or second_overflow:
                reached = created_second((comments or page.comments)[-1])
            unreadable = {
                key: second
                for key, second in page.unreadable.items()
                if second <= reached and key not in cursor.seen_ids
            }
            if comments:
                cursor = _advance_cursor(cursor, comments, unreadable)
            elif not second_overflow:
                cursor = Cursor(reached, (), cursor.first_timestamp)
            if second_overflow and len(comments) == len(new_comments):
                assert cursor.timestamp is not None
                second = format_timestamp(cursor.timestamp)
                yield Gap(
                    f"the archive returns only {len(page.comments)} comments of {target} at {second}; there may be more"
                )
                cursor = Cursor(cursor.timestamp + 1, (), cursor.first_timestamp)
            yield Page(comments, cursor, _progress(cursor, time_range), reached, len(unreadable))

    def _fetch_crowded_second(
        self, target: Target, window: TimeRange, cursor: Cursor, page: _ParsedPage
    ) -> Generator[RetryWait, None, _ParsedPage]:
        """Request a second that has more comments than `page`, with the largest page that the archive returns.

        Raises:
            ServiceError: the archive failed.
        """
        size = PAGE_SIZE
        while size > self._page_size.size:
            try:
                return (yield from self._fetch_page(target, window, cursor, size))
            except QueryTimeoutError:
                size //= 2
        return page

    def _fetch_page(
        self, target: Target, window: TimeRange, cursor: Cursor, page_size: int
    ) -> Generator[RetryWait, None, _ParsedPage]:
        """Request a window, with retries.

        Raises:
            QueryTimeoutError: the window is too long for the archive.
            ServiceError: the archive failed.
        """
        try:
            try:
                return (yield from self._request_page(target, window, cursor.seen_ids, page_size))
            except _EmptyResponseError as error:
                if cursor.first_timestamp is None:
                    raise
                # The window may be empty, or its comments deleted, or the archive may have lost data. Request the first
                # known second: if that is empty too, the archive is at fault. If not, it may have recovered meanwhile.
                first_second = TimeRange(cursor.first_timestamp, cursor.first_timestamp + 1)
                if not (yield from self._fetch_page(target, first_second, Cursor(), page_size)).comments:
                    raise fetch_error(target, error.message) from error
                return (yield from self._request_page(target, window, cursor.seen_ids, page_size))
        except _EmptyResponseError:
            return _ParsedPage([])
        except QueryTimeoutError:
            raise
        except TransientError as error:
            raise fetch_error(target, error.message) from error

    def _request_page(
        self, target: Target, window: TimeRange, seen_ids: tuple[str, ...], page_size: int
    ) -> Generator[RetryWait, None, _ParsedPage]:
        params = {
            "subreddit" if target.kind == "r" else "author": target.name,
            "after": str(window.after - 1),
            "before": str(window.before),
            "limit": str(page_size),
            "sort": "asc",
            "fields": _FIELDS,
        }

        def send() -> _ParsedPage:
            response = self._http.get("/api/comments/search", params)
            if response.status_code == 200:  # others wait as their error says
                self._rate_limiter.on_response(response.headers)
            return _parse_page(_parse_response(target, response), window, seen_ids, page_size)

        return (yield from call_with_retry(send, self._rate_limiter))


def _decode_document(body: bytes) -> _Document:
    """Decode a response; an empty document if that fails."""
    # A lone surrogate in one comment must not make the whole page unreadable.
    for text in (body, replace_lone_surrogates(body.decode("utf-8", "replace").encode())):
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            return msgspec.json.decode(text, type=_Document)
    return _Document()


def _parse_response(target: Target, response: HttpResponse) -> Sequence[object]:
    """Return the rows of a response.

    Raises:
        TransientError: it has none, and a retry may help.
        ServiceError: a retry will not help.
    """
    document = _decode_document(response.content)
    status = response.status_code
    detail = f": '{document.error[:_MAX_QUOTED_CHARS]}'" if isinstance(document.error, str) and document.error else ""
    if status == 422 or (status != 429 and _TIMEOUT_PATTERN.search(detail)):
        raise QueryTimeoutError(f"the query timed out at the archive{detail}", response.headers)
    if status == 200 and document.data is not None and not document.error:
        return document.data
    if status == 200 and not detail:
        raise TransientError("invalid response")
    if status == 403:
        raise AccessDeniedError("the archive denied access (403)")
    if status == 200 or status >= 500 or status in _RETRYABLE_STATUS:
        problem = _RETRYABLE_STATUS.get(status, "the archive reports an error")
        raise TransientError(f"{problem}{'' if status == 200 else f' ({status})'}{detail}", response.headers)
    if 300 <= status < 400:
        location = response.headers.get("Location", "?")[:_MAX_QUOTED_CHARS]
        raise fetch_error(target, f"the archive has moved to '{location}'")
    raise ServiceError(
        f"the archive rejected the request for {target} ({status}){detail}", "check the name and the options"
    )


def _is_crowded_second(page: _ParsedPage) -> bool:
    return page.is_full and created_second(page.comments[0]) == created_second(page.comments[-1])


def _parse_page(rows: Sequence[object], window: TimeRange, seen_ids: tuple[str, ...], page_size: int) -> _ParsedPage:
    """Parse the rows of a response, and check them against the request.

    Raises:
        TransientError: they do not match it; a retry may help.
    """
    parsed = [read_row(row) for row in rows]
    comments = [row for row in parsed if isinstance(row, Comment)]
    times = [created_second(comment) for comment in comments]
    is_full = len(rows) >= page_size and (not times or times[-1] < window.before)
    if times != sorted(times):
        raise TransientError("a response is out of order")
    if (times and times[0] < window.after - 1) or (is_full and (not times or times[-1] < window.after)):
        raise TransientError("a response contains comments that were not requested")
    if not rows:
        if seen_ids:
            raise _MissingCommentsError("a response lacks comments that were returned before")
        raise _EmptyResponseError("a response is empty")
    in_window = {str(one.id): one for one in comments if created_second(one) in window}
    return _ParsedPage(list(in_window.values()), is_full, _unreadable_rows(parsed, window))


def _unreadable_rows(parsed: Sequence[Comment | UnreadableRow], window: TimeRange) -> dict[str, int]:
    unreadable, previous = dict[str, int](), window.after
    for row in parsed:
        if isinstance(row, Comment):
            previous = max(created_second(row), window.after)
            continue
        timestamp = previous if row.timestamp is None else row.timestamp
        if timestamp in window:
            unreadable[row.key] = timestamp
    return unreadable


def _advance_cursor(cursor: Cursor, comments: list[Comment], unreadable: Mapping[str, int]) -> Cursor:
    last_timestamp = created_second(comments[-1])
    first_timestamp = created_second(comments[0]) if cursor.first_timestamp is None else cursor.first_timestamp
    seen_ids = (
        *(cursor.seen_ids if cursor.timestamp == last_timestamp else ()),
        *(str(one.id) for one in comments if created_second(one) == last_timestamp),
        *(key for key, second in unreadable.items() if second == last_timestamp),
    )
    return Cursor(last_timestamp, seen_ids, first_timestamp)


def _progress(cursor: Cursor, time_range: TimeRange) -> float:
    """Return the fraction of the time since the first comment: before it may be years without any."""
    if cursor.first_timestamp is None or cursor.timestamp is None:
        return 0.0
    start = max(time_range.after, cursor.first_timestamp)
    return min(max((cursor.timestamp - start) / max(time_range.before - start, 1), 0.0), 1.0)
