"""Arctic Shift, an archive of Reddit that anybody may ask: from the oldest comment to the newest, a page at a time.

A page tells no more than "after this second", and a second may hold several comments. So each request asks again for
the last second of the page before, and what has been seen of it is left out. Where the archive finds a question too
hard, it is asked about a shorter time (`_Width`).
"""

import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec

from grucli.errors import ServiceError
from grucli.read.json_lines import replace_lone_surrogates
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
    created_second,
    describe_unreadable,
    read_comment,
)
from grucli.reddit.fetch.http_client import HttpClient, HttpResponse
from grucli.reddit.fetch.retry import AccessDeniedError, QueryTimeoutError, RateLimiter, TransientError, call_with_retry

BASE_URL = "https://arctic-shift.photon-reddit.com"
DEFAULT_RATE = 2.0
"""Requests a second that the archive is glad to answer."""

PAGE_SIZE = 100
"""Comments of a page, the most that there are."""

_FIRST_TIMESTAMP = 1_104_537_600
"""The first second of 2005: nobody had commented yet, and smaller numbers may not be taken for seconds since 1970."""

_FIELDS = ",".join(Comment.__struct_fields__)
_TIMEOUT_PATTERN = re.compile(r"time[d ]*out|slow down", re.IGNORECASE)
_RETRYABLE_STATUS = {408: "the archive waited too long for the question", 429: "the archive asks to slow down"}
_MAX_QUOTED_CHARS = 200
_GROW_AFTER_SUCCESSES = 4
_FORGET_FAILURE_AFTER = 64


class _EmptyResponseError(TransientError):
    """An answer without comments. That may be the truth, when it is given twice."""

    max_attempts = 1


class _MissingCommentsError(TransientError):
    """An answer that lacks comments which were given before. That is hardly the truth."""

    max_attempts = 3


class _Document(msgspec.Struct):
    """An answer: its rows, or an error in their place.

    The rows have not been looked at yet: one that cannot be read is no harm to the others.
    """

    data: list[msgspec.Raw] | None = None
    error: object = None


class _ParsedPage(msgspec.Struct, frozen=True):
    """What can be used of an answer.

    `comments`: those within the time asked about, in order. `full`: that time may hold more. `odd`: the rows in it that
    cannot be read, each by its key, with its second; one without a time stands where the row before it does.
    """

    comments: list[Comment]
    is_full: bool = False
    unreadable: Mapping[str, int] = {}

    def new_unreadable(self, until: int, seen_ids: Collection[str]) -> list[str]:
        """The keys of the rows up to a second that cannot be read and have not been seen."""
        return [key for key, second in self.unreadable.items() if second <= until and key not in seen_ids]


class _WindowSize:
    """How long a time is asked about at once, in seconds: `most` at first.

    A time that was too hard is halved. After four answers in a row it is doubled, but stays below what was too hard
    within the last 64 answers. So an archive that bears a certain time, whatever it is, finds no more than one question
    in dozens too hard, and one that had a bad hour is soon asked as before.
    """

    def __init__(self, max_seconds: int) -> None:
        self.seconds = self._max_seconds = max_seconds
        self._failed_seconds: int | None = None
        self._successes = 0

    def on_success(self) -> None:
        """Take in that an answer came."""
        self._successes += 1
        if self._successes >= _FORGET_FAILURE_AFTER:
            self._failed_seconds = None
        larger = min(2 * self.seconds, self._max_seconds)
        if self._successes % _GROW_AFTER_SUCCESSES == 0 and (
            self._failed_seconds is None or larger < self._failed_seconds
        ):
            self.seconds = larger

    def on_timeout(self, window_seconds: int) -> None:
        """Take in that `asked` seconds, more than one, were too hard."""
        self._failed_seconds, self._successes = window_seconds, 0
        self.seconds = window_seconds // 2


class ArcticShift:
    """The archive at `address` (None: its own), asked `rate` times a second at most.

    Raises:
        UsageError: `address` or `rate` cannot be meant.
    """

    title = "Arctic Shift"

    def __init__(self, base_url: str | None = None, rate: float | None = None) -> None:
        self.rate = DEFAULT_RATE if rate is None else rate
        self._rate_limiter = RateLimiter(self.rate)
        self._http = HttpClient(BASE_URL if base_url is None else base_url)

    def paginate(self, target: Target, time_range: TimeRange, cursor: Cursor, limit: int | None) -> Iterator[FetchItem]:
        """Go on from `position`, where `at` is the second reached and `seen` are its comments so far.

        Raises:
            ServiceError: the archive cannot be reached, or refuses, however often it is asked.
        """
        window_size = _WindowSize(time_range.before - time_range.after)
        while limit is None or limit > 0:
            timestamp = max(time_range.after, _FIRST_TIMESTAMP) if cursor.timestamp is None else cursor.timestamp
            if timestamp >= time_range.before:
                yield EndOfRange(complete=True)
                return
            window = TimeRange(timestamp, min(timestamp + window_size.seconds, time_range.before))
            try:
                page = yield from self._fetch_page(target, window, cursor)
            except QueryTimeoutError as error:
                if window.before - window.after <= 1:
                    raise fetch_error(target, error.message) from error
                window_size.on_timeout(window.before - window.after)
                continue
            window_size.on_success()
            new_comments = [comment for comment in page.comments if comment.id not in cursor.seen_ids]
            second_overflow = page.is_full and created_second(page.comments[0]) == created_second(page.comments[-1])
            if not new_comments and not second_overflow:
                unreadable = page.new_unreadable(window.before, cursor.seen_ids)
                cursor = Cursor(window.before, (), cursor.first_timestamp)
                yield Page((), cursor, _progress(cursor, time_range), window.before, len(unreadable))
                continue
            comments = new_comments if limit is None else new_comments[:limit]
            limit = None if limit is None else limit - len(comments)
            timestamp = created_second((comments or page.comments)[-1])
            unreadable = page.new_unreadable(timestamp, cursor.seen_ids)
            cursor = _advance_cursor(cursor, comments, {key: page.unreadable[key] for key in unreadable})
            if second_overflow and len(comments) == len(new_comments):
                cursor, gap = _skip_full_second(target, cursor)
                yield gap
            yield Page(comments, cursor, _progress(cursor, time_range), timestamp, len(unreadable))

    def _fetch_page(self, target: Target, window: TimeRange, cursor: Cursor) -> Generator[RetryWait, None, _ParsedPage]:
        """Ask for the comments of a time, as often as it takes.

        Raises:
            Overload: the archive finds it too hard.
            ServiceError: it does not answer.
        """
        try:
            try:
                return (yield from self._request_page(target, window, cursor.seen_ids))
            except (_EmptyResponseError, _MissingCommentsError) as error:
                if cursor.first_timestamp is None:
                    raise
                # Nobody may have commented for so long, or the last comments were taken out; or it has lost its memory.
                # Then it does not know the first one either; and it may have found it again over that question.
                first_second = TimeRange(cursor.first_timestamp, cursor.first_timestamp + 1)
                if not (yield from self._fetch_page(target, first_second, Cursor())).comments:
                    raise fetch_error(target, error.message) from error
                return (yield from self._request_page(target, window, cursor.seen_ids))
        except (_EmptyResponseError, _MissingCommentsError):
            return _ParsedPage([])
        except QueryTimeoutError:
            raise
        except TransientError as error:
            raise fetch_error(target, error.message) from error

    def _request_page(
        self, target: Target, window: TimeRange, seen_ids: tuple[str, ...]
    ) -> Generator[RetryWait, None, _ParsedPage]:
        """Ask until there is an answer that can be used.

        Raises:
            Fault: there is none.
            ServiceError: there will be none.
        """
        params = {
            "subreddit" if target.kind == "r" else "author": target.name,
            "after": str(window.after - 1),
            "before": str(window.before),
            "limit": str(PAGE_SIZE),
            "sort": "asc",
            "fields": _FIELDS,
        }

        def send() -> _ParsedPage:
            response = self._http.get("/api/comments/search", params)
            if response.status_code == 200:  # any other is waited for as the fault that it is
                self._rate_limiter.on_response(response.headers)
            return _validate_page(_parse_response(target, response), window, seen_ids)

        return (yield from call_with_retry(send, self._rate_limiter))


def fetch_error(target: Target, reason: str) -> ServiceError:
    """The error for a service that cannot be asked about `target` any further."""
    return ServiceError(f"{target} cannot be fetched: {reason}", "try again later")


def _decode_document(body: bytes) -> _Document:
    """An answer's content; that of an empty object where it cannot be understood."""
    # One comment with half a character in it must not take a hundred others along, again and again.
    for text in (body, replace_lone_surrogates(body.decode("utf-8", "replace").encode())):
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            return msgspec.json.decode(text, type=_Document)
    return _Document()


def _parse_response(target: Target, response: HttpResponse) -> Sequence[object]:
    """The rows of an answer, for `read_comment`.

    Raises:
        Fault: there are none, and asking again may help.
        ServiceError: asking again will not help.
    """
    document = _decode_document(response.content)
    detail = f": '{document.error[:_MAX_QUOTED_CHARS]}'" if isinstance(document.error, str) and document.error else ""
    if response.status_code == 422 or (response.status_code != 429 and _TIMEOUT_PATTERN.search(detail)):
        raise QueryTimeoutError(f"the archive found the question too hard{detail}", response.headers)
    if response.status_code == 200 and document.data is not None and not document.error:
        return document.data
    if response.status_code == 200 and not detail:
        raise TransientError("an answer cannot be understood")
    if response.status_code == 403:
        raise AccessDeniedError("the archive does not let this program in (403)")
    if response.status_code == 200 or response.status_code >= 500 or response.status_code in _RETRYABLE_STATUS:
        problem = _RETRYABLE_STATUS.get(response.status_code, "the archive has a problem")
        status = "" if response.status_code == 200 else f" ({response.status_code})"
        raise TransientError(f"{problem}{status}{detail}", response.headers)
    if 300 <= response.status_code < 400:
        raise fetch_error(
            target, f"the archive has moved to '{response.headers.get('Location', '?')[:_MAX_QUOTED_CHARS]}'"
        )
    raise ServiceError(
        f"the archive refused to look for {target} ({response.status_code}){detail}", "check the name and the options"
    )


def _validate_page(rows: Sequence[object], window: TimeRange, seen_ids: tuple[str, ...]) -> _ParsedPage:
    """What of an answer can be used, once it is believed.

    Raises:
        Fault: it is not what was asked for, and asking again may help.
    """
    parsed = [read_comment(row) for row in rows]
    comments = [comment for comment in parsed if comment is not None]
    times = [created_second(comment) for comment in comments]
    is_full = len(rows) >= PAGE_SIZE and (not times or times[-1] < window.before)
    if times != sorted(times):
        raise TransientError("an answer is out of order")
    if (times and times[0] < window.after - 1) or (is_full and (not times or times[-1] < window.after)):
        raise TransientError("an answer holds other comments than were asked for")
    if not rows and seen_ids:
        raise _MissingCommentsError("an answer lacks comments that were there before")
    if not rows:
        raise _EmptyResponseError("an answer is empty")
    in_window = {str(one.id): one for one in comments if window.after <= created_second(one) < window.before}
    return _ParsedPage(list(in_window.values()), is_full, _unreadable_rows(rows, parsed, window))


def _unreadable_rows(rows: Sequence[object], parsed: Sequence[Comment | None], window: TimeRange) -> dict[str, int]:
    """The rows that cannot be read, each by its key, with the second at which it stands among the others."""
    unreadable, timestamp = dict[str, int](), window.after
    for row, comment in zip(rows, parsed, strict=True):
        if comment is not None:
            timestamp = max(created_second(comment), window.after)
            continue
        unreadable_row = describe_unreadable(row)
        own_timestamp = timestamp if unreadable_row.timestamp is None else unreadable_row.timestamp
        if window.after <= own_timestamp < window.before:
            unreadable[unreadable_row.key] = own_timestamp
    return unreadable


def _advance_cursor(cursor: Cursor, comments: list[Comment], unreadable: Mapping[str, int]) -> Cursor:
    """The position behind these comments, which are in order, and these odd ones by their keys."""
    if not comments:
        return cursor
    last_timestamp = created_second(comments[-1])
    earlier_ids = cursor.seen_ids if cursor.timestamp == last_timestamp else ()
    first_timestamp = created_second(comments[0]) if cursor.first_timestamp is None else cursor.first_timestamp
    seen_ids = (
        *(str(one.id) for one in comments if created_second(one) == last_timestamp),
        *(key for key in unreadable if unreadable[key] == last_timestamp),
    )
    return Cursor(last_timestamp, (*earlier_ids, *seen_ids), first_timestamp)


def _skip_full_second(target: Target, cursor: Cursor) -> tuple[Cursor, Gap]:
    """The next second: the archive gives no more of this one."""
    assert cursor.timestamp is not None
    gap = Gap(
        f"more than {PAGE_SIZE} comments of {target} may stand in the second {cursor.timestamp}; the archive gives no more"
    )
    return Cursor(cursor.timestamp + 1, (), cursor.first_timestamp), gap


def _progress(cursor: Cursor, time_range: TimeRange) -> float:
    """How much of the time has been walked through, from the first comment on: before it may lie empty years."""
    if cursor.first_timestamp is None or cursor.timestamp is None:
        return 0.0
    start = max(time_range.after, cursor.first_timestamp)
    return min(max((cursor.timestamp - start) / max(time_range.before - start, 1), 0.0), 1.0)
