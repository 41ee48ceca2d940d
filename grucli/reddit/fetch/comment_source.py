"""What every online source of comments has in common: whom to ask about, for which time, and what a walk yields.

A walk goes through the comments of one subreddit or one person. It yields a `Batch` for each page, and for each time in
which there was nothing, with the position from which another walk can go on so that no comment is missed and none comes
twice; between them what a person may want to know; and at last its `End`.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, Self

import msgspec

from grucli.errors import UsageError
from grucli.reddit.comments import Comment
from grucli.reddit.timestamps import MAX_TIMESTAMP

SCORE_SETTLED_AFTER_SECONDS = 36 * 3_600
"""Seconds after which the votes on a comment have settled."""

_MAX_ID_CHARS = 64
_TARGET_PATTERN = re.compile(
    r"(?:https?://(?:(?:www|old|new)\.)?reddit\.com)?/?(r|u|user)/([A-Za-z0-9_][A-Za-z0-9_.-]{0,39})/?"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A subreddit (`kind` "r") or a person ("u"), by name."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read r/NAME, u/NAME, or the address of either on Reddit.

        >>> str(Target.parse("/r/AskScience/")), str(Target.parse("https://www.reddit.com/user/spez"))
        ('r/AskScience', 'u/spez')

        Raises:
            UsageError: it names neither.
        """
        match = _TARGET_PATTERN.fullmatch(text.strip())
        if match is None:
            stripped = text.strip().strip("/")
            name_match = stripped not in ("r", "u", "user") and _TARGET_PATTERN.fullmatch(f"r/{stripped}")
            hint = f"write r/{stripped} or u/{stripped}" if name_match else "write r/NAME or u/NAME"
            raise UsageError(f"'{text}' is neither a subreddit nor a person", hint)
        return cls(match[1][0], match[2])

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def parse_targets(names: Iterable[str]) -> list[Target]:
    """Each of `names` once, whatever the case of its letters.

    Raises:
        UsageError: one of them names neither a subreddit nor a person.
    """
    return list({str(target).lower(): target for target in map(Target.parse, reversed(list(names)))}.values())[::-1]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From the second `after`, which belongs to it, to the second `before`, which does not; seconds since 1970."""

    after: int
    before: int


class Cursor(msgspec.Struct, frozen=True):
    """How far a walk has come. `at` and `seen` are the source's own business; a walk begins with the empty one.

    `began` is the second of the first comment met, from which progress is counted where the range has no beginning.
    """

    timestamp: int | None = None
    seen_ids: tuple[str, ...] = ()
    first_timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Comments that are new, or none, each with an id and a whole `created_utc`.

    `share` of the range has been walked; `at`: the second that was reached. `lost`: comments among these that cannot be
    read, and are left out.
    """

    comments: Sequence[Comment]
    cursor: Cursor
    progress: float
    timestamp: int
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A comment that cannot be read. `second`: when it was written, where that can be; `key`: what it is known by."""

    timestamp: int | None
    key: str


@dataclass(frozen=True, slots=True)
class RetryWait:
    """Nothing will happen for some seconds. `again`: because a request failed, and will be made again."""

    seconds: float
    reason: str
    is_retry: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """Something odd, which a person should know of."""

    text: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Comments that exist and that the source does not give, for the reason `text`."""

    text: str


@dataclass(frozen=True, slots=True)
class EndOfRange:
    """The walk is over. `covered`: it has seen the whole range, as far as the source knows it."""

    complete: bool


FetchItem = Page | RetryWait | Gap | EndOfRange


class CommentSource(Protocol):
    """Where comments are asked for, one subreddit or person after the other, `rate` times a second at most."""

    title: str
    rate: float

    def paginate(self, target: Target, time_range: TimeRange, cursor: Cursor, limit: int | None) -> Iterator[FetchItem]:
        """Go on from `position` through the comments of `target` within `span`, at most `most` of them (None: all).

        Raises:
            ServiceError: the network, or the service, does not answer as it should, however often it is asked.
        """
        ...


def created_second(comment: Comment) -> int:
    """The second at which a placed comment was written."""
    assert isinstance(comment.created_utc, int)
    return comment.created_utc


def read_comment(row: object) -> Comment | None:
    """One comment of an answer, as JSON (`msgspec.Raw`) or decoded from it, its time as a whole number.

    None where it cannot be read, or has no id or no sensible time. Half a character, which JSON can spell, becomes
    U+FFFD.
    """
    try:
        if isinstance(row, msgspec.Raw):
            comment = msgspec.json.decode(row, type=Comment)
        else:
            comment = _replace_surrogates(msgspec.convert(row, type=Comment))
        created = float(comment.created_utc) if comment.created_utc is not None else -1.0
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None
    if not 0 <= created <= MAX_TIMESTAMP or not comment.id or len(comment.id) > _MAX_ID_CHARS:
        return None
    comment.created_utc = int(created)
    return comment


def describe_unreadable(row: object) -> UnreadableRow:
    """What can be said of a row that `read_comment` cannot read.

    Its key tells it from others, and is the same when the row comes again; no comment has such an id.
    """
    fields: object = row
    with suppress(msgspec.MsgspecError, ValueError, RecursionError):
        fields = msgspec.json.decode(row) if isinstance(row, msgspec.Raw) else row
    second = None
    if isinstance(fields, dict):
        # The votes, and much else in a row, change from one day to the next.
        fields = {name: fields.get(name) for name in ("id", "author", "created_utc", "body")}
        with suppress(ValueError, OverflowError):
            second = int(float(str(fields["created_utc"])))
    identity = bytes(fields) if isinstance(fields, msgspec.Raw) else repr(fields).encode("utf-8", "replace")
    digest = hashlib.blake2b(identity, digest_size=8).hexdigest()
    return UnreadableRow(second if second is not None and 0 <= second <= MAX_TIMESTAMP else None, f"?{digest}")


def _replace_surrogates(comment: Comment) -> Comment:
    for field in Comment.__struct_fields__:
        value = getattr(comment, field)
        if isinstance(value, str):
            setattr(comment, field, value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return comment
