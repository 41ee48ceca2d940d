"""The interface of an online source of comments: what is requested of it, and what it yields.

`CommentSource.paginate` reads the comments of one subreddit or user. It yields a `Page` for each page and for each
window without comments, with the cursor from which a later call resumes without a gap or a duplicate; waits and gaps in
between; and an `EndOfRange` last.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, Self

import msgspec

from grucli.errors import ServiceError, UsageError
from grucli.reddit.comments import Comment
from grucli.reddit.names import bare_subreddit_name, bare_user_name
from grucli.reddit.timestamps import MAX_TIMESTAMP

SCORE_SETTLED_AFTER_SECONDS = 36 * 3_600
"""Age of a comment from which on its score is taken as final."""

_MAX_ID_CHARS = 64
_NAME_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}")


@dataclass(frozen=True, slots=True)
class Target:
    """A subreddit (`kind` "r") or a user ("u"), by name."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse r/NAME, u/NAME, or the URL of either on Reddit, in any spelling of `reddit.names`.

        >>> str(Target.parse("/r/AskScience/")), str(Target.parse("https://www.reddit.com/user/spez"))
        ('r/AskScience', 'u/spez')

        Raises:
            UsageError: `text` is none of these.
        """
        stripped = text.strip()
        for kind, name in (("u", bare_user_name(stripped)), ("r", bare_subreddit_name(stripped))):
            if name != stripped and _NAME_PATTERN.fullmatch(name):
                return cls(kind, name)
        name = stripped.strip("/")
        is_bare_name = name not in ("r", "u", "user") and _NAME_PATTERN.fullmatch(name)
        hint = f"write r/{name} or u/{name}" if is_bare_name else "write r/NAME or u/NAME"
        raise UsageError(f"not a subreddit or user: '{text}'", hint)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def parse_targets(names: Iterable[str]) -> list[Target]:
    """Parse names, each kept once; case is ignored.

    Raises:
        UsageError: a name is not a subreddit or user.
    """
    return list({str(target).lower(): target for target in map(Target.parse, reversed(list(names)))}.values())[::-1]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The seconds since 1970 from `after`, inclusive, to `before`, exclusive."""

    after: int
    before: int

    def __contains__(self, timestamp: int) -> bool:
        return self.after <= timestamp < self.before


class Cursor(msgspec.Struct, frozen=True):
    """Where to resume; an empty cursor starts. The meaning of `timestamp` and `seen_ids` depends on the source.

    `first_timestamp`: of the first comment found, from which progress counts.
    """

    timestamp: int | None = None
    seen_ids: tuple[str, ...] = ()
    first_timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """New comments, perhaps none, each with an id and an integer `created_utc`.

    `progress` within the range, 0 to 1; `timestamp`: the second reached; `unreadable`: rows left out.
    """

    comments: Sequence[Comment]
    cursor: Cursor
    progress: float
    timestamp: int
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class RetryWait:
    """Nothing happens for some seconds. `is_retry`: because a request failed and will be repeated."""

    seconds: float
    reason: str
    is_retry: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Comments exist that the source does not return; `text` says which."""

    text: str


@dataclass(frozen=True, slots=True)
class EndOfRange:
    """No more pages. `complete`: the whole range was seen, as far as the source knows it."""

    complete: bool


FetchItem = Page | RetryWait | Gap | EndOfRange


class CommentSource(Protocol):
    """An online source of comments. `rate`: requests per second at most."""

    title: str
    rate: float

    def paginate(self, target: Target, time_range: TimeRange, cursor: Cursor, limit: int | None) -> Iterator[FetchItem]:
        """Read the comments of `target` in the range from `cursor` on, at most `limit` of them (None: all).

        Raises:
            ServiceError: the network or the service failed, after retries.
        """
        ...


def fetch_error(target: Target, reason: str) -> ServiceError:
    """Return the error for a service that failed after retries."""
    return ServiceError(f"cannot fetch {target}: {reason}", "try again later")


def created_second(comment: Comment) -> int:
    """Return the time of a comment that `read_row` returned."""
    assert isinstance(comment.created_utc, int)
    return comment.created_utc


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row without an id or a valid time, or with a field of another type.

    `timestamp`: None if unknown. `key`: the same whenever the row is read, and not the id of any comment.
    """

    timestamp: int | None
    key: str


def read_row(row: object) -> Comment | UnreadableRow:
    """Read a comment from JSON (`msgspec.Raw`) or decoded JSON, its time as an integer."""
    try:
        if isinstance(row, msgspec.Raw):
            comment = msgspec.json.decode(row, type=Comment)
        else:
            comment = msgspec.convert(row, type=Comment)
        created = float(comment.created_utc) if comment.created_utc is not None else -1.0
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return _describe_unreadable(row)
    if not 0 <= created <= MAX_TIMESTAMP or not comment.id or len(comment.id) > _MAX_ID_CHARS:
        return _describe_unreadable(row)
    comment.created_utc = int(created)
    return comment


def _describe_unreadable(row: object) -> UnreadableRow:
    fields: object = row
    with suppress(msgspec.MsgspecError, ValueError, RecursionError):
        fields = msgspec.json.decode(row) if isinstance(row, msgspec.Raw) else row
    second = None
    if isinstance(fields, dict):
        # The score and much else in a row change from one day to the next.
        fields = {name: fields.get(name) for name in ("id", "author", "created_utc", "body")}
        with suppress(ValueError, OverflowError):
            second = int(float(str(fields["created_utc"])))
    identity = bytes(fields) if isinstance(fields, msgspec.Raw) else repr(fields).encode("utf-8", "replace")
    digest = hashlib.blake2b(identity, digest_size=8).hexdigest()
    return UnreadableRow(second if second is not None and 0 <= second <= MAX_TIMESTAMP else None, f"?{digest}")
