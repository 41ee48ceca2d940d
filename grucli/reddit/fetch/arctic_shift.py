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
from grucli.read.json_lines import without_halves
from grucli.reddit.comments import Comment
from grucli.reddit.fetch.comment_source import (
    Batch,
    End,
    Gap,
    Position,
    Span,
    Step,
    Target,
    Waiting,
    read_comment,
    read_odd,
    second_of,
)
from grucli.reddit.fetch.http_client import Answer, Web
from grucli.reddit.fetch.retry import Fault, Overload, Pace, Refusal, persist

ADDRESS = "https://arctic-shift.photon-reddit.com"
POLITE = 2.0
"""Requests a second that the archive is glad to answer."""

PAGE = 100
"""Comments of a page, the most that there are."""

_FIRST = 1_104_537_600
"""The first second of 2005: nobody had commented yet, and smaller numbers may not be taken for seconds since 1970."""

_FIELDS = ",".join(Comment.__struct_fields__)
_TOO_HARD = re.compile(r"time[d ]*out|slow down", re.IGNORECASE)
_ASK_LATER = {408: "the archive waited too long for the question", 429: "the archive asks to slow down"}
_QUOTED = 200
_SURE = 4
_LATELY = 64


class _Empty(Fault):
    """An answer without comments. That may be the truth, when it is given twice."""

    tries = 1


class _Forgetful(Fault):
    """An answer that lacks comments which were given before. That is hardly the truth."""

    tries = 3


class _Document(msgspec.Struct):
    """An answer: its rows, or an error in their place.

    The rows have not been looked at yet: one that cannot be read is no harm to the others.
    """

    data: list[msgspec.Raw] | None = None
    error: object = None


class _Page(msgspec.Struct, frozen=True):
    """What can be used of an answer.

    `comments`: those within the time asked about, in order. `full`: that time may hold more. `odd`: the rows in it that
    cannot be read, each by its key, with its second; one without a time stands where the row before it does.
    """

    comments: list[Comment]
    full: bool = False
    odd: Mapping[str, int] = {}

    def lost(self, until: int, seen: Collection[str]) -> list[str]:
        """The keys of the rows up to a second that cannot be read and have not been seen."""
        return [key for key, second in self.odd.items() if second <= until and key not in seen]


class _Width:
    """How long a time is asked about at once, in seconds: `most` at first.

    A time that was too hard is halved. After four answers in a row it is doubled, but stays below what was too hard
    within the last 64 answers. So an archive that bears a certain time, whatever it is, finds no more than one question
    in dozens too hard, and one that had a bad hour is soon asked as before.
    """

    def __init__(self, most: int) -> None:
        self.seconds = self._most = most
        self._too_hard: int | None = None
        self._answers = 0

    def answered(self) -> None:
        """Take in that an answer came."""
        self._answers += 1
        if self._answers >= _LATELY:
            self._too_hard = None
        wider = min(2 * self.seconds, self._most)
        if self._answers % _SURE == 0 and (self._too_hard is None or wider < self._too_hard):
            self.seconds = wider

    def overloaded(self, asked: int) -> None:
        """Take in that `asked` seconds, more than one, were too hard."""
        self._too_hard, self._answers = asked, 0
        self.seconds = asked // 2


class ArcticShift:
    """The archive at `address` (None: its own), asked `rate` times a second at most.

    Raises:
        UsageError: `address` or `rate` cannot be meant.
    """

    title = "Arctic Shift"

    def __init__(self, address: str | None = None, rate: float | None = None) -> None:
        self.rate = POLITE if rate is None else rate
        self._pace = Pace(self.rate)
        self._web = Web(ADDRESS if address is None else address)

    def walk(self, target: Target, span: Span, position: Position, most: int | None) -> Iterator[Step]:
        """Go on from `position`, where `at` is the second reached and `seen` are its comments so far.

        Raises:
            ServiceError: the archive cannot be reached, or refuses, however often it is asked.
        """
        width = _Width(span.before - span.after)
        while most is None or most > 0:
            at = max(span.after, _FIRST) if position.at is None else position.at
            if at >= span.before:
                yield End(covered=True)
                return
            part = Span(at, min(at + width.seconds, span.before))
            try:
                page = yield from self._page(target, part, position)
            except Overload as fault:
                if part.before - part.after <= 1:
                    raise refused(target, fault.why) from fault
                width.overloaded(part.before - part.after)
                continue
            width.answered()
            fresh = [comment for comment in page.comments if comment.id not in position.seen]
            crowded = page.full and second_of(page.comments[0]) == second_of(page.comments[-1])
            if not fresh and not crowded:
                lost = page.lost(part.before, position.seen)
                position = Position(part.before, (), position.began)
                yield Batch((), position, _share(position, span), part.before, len(lost))
                continue
            kept = fresh if most is None else fresh[:most]
            most = None if most is None else most - len(kept)
            at = second_of((kept or page.comments)[-1])
            lost = page.lost(at, position.seen)
            position = _after(position, kept, {key: page.odd[key] for key in lost})
            if crowded and len(kept) == len(fresh):
                position, gap = _past_crowd(target, position)
                yield gap
            yield Batch(kept, position, _share(position, span), at, len(lost))

    def _page(self, target: Target, part: Span, position: Position) -> Generator[Waiting, None, _Page]:
        """Ask for the comments of a time, as often as it takes.

        Raises:
            Overload: the archive finds it too hard.
            ServiceError: it does not answer.
        """
        try:
            try:
                return (yield from self._ask(target, part, position.seen))
            except (_Empty, _Forgetful) as fault:
                if position.began is None:
                    raise
                # Nobody may have commented for so long, or the last comments were taken out; or it has lost its memory.
                # Then it does not know the first one either; and it may have found it again over that question.
                first = Span(position.began, position.began + 1)
                if not (yield from self._page(target, first, Position())).comments:
                    raise refused(target, fault.why) from fault
                return (yield from self._ask(target, part, position.seen))
        except (_Empty, _Forgetful):
            return _Page([])
        except Overload:
            raise
        except Fault as fault:
            raise refused(target, fault.why) from fault

    def _ask(self, target: Target, part: Span, seen: tuple[str, ...]) -> Generator[Waiting, None, _Page]:
        """Ask until there is an answer that can be used.

        Raises:
            Fault: there is none.
            ServiceError: there will be none.
        """
        fields = {
            "subreddit" if target.kind == "r" else "author": target.name,
            "after": str(part.after - 1),
            "before": str(part.before),
            "limit": str(PAGE),
            "sort": "asc",
            "fields": _FIELDS,
        }

        def ask() -> _Page:
            answer = self._web.get("/api/comments/search", fields)
            if answer.status == 200:  # any other is waited for as the fault that it is
                self._pace.answered(answer.headers)
            return _judge(_rows(target, answer), part, seen)

        return (yield from persist(ask, self._pace))


def refused(target: Target, why: str) -> ServiceError:
    """The error for a service that cannot be asked about `target` any further."""
    return ServiceError(f"{target} cannot be fetched: {why}", "try again later")


def _document(body: bytes) -> _Document:
    """An answer's content; that of an empty object where it cannot be understood."""
    # One comment with half a character in it must not take a hundred others along, again and again.
    for text in (body, without_halves(body.decode("utf-8", "replace").encode())):
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            return msgspec.json.decode(text, type=_Document)
    return _Document()


def _rows(target: Target, answer: Answer) -> Sequence[object]:
    """The rows of an answer, for `read_comment`.

    Raises:
        Fault: there are none, and asking again may help.
        ServiceError: asking again will not help.
    """
    document = _document(answer.body)
    said = f": '{document.error[:_QUOTED]}'" if isinstance(document.error, str) and document.error else ""
    if answer.status == 422 or (answer.status != 429 and _TOO_HARD.search(said)):
        raise Overload(f"the archive found the question too hard{said}", answer.headers)
    if answer.status == 200 and document.data is not None and not document.error:
        return document.data
    if answer.status == 200 and not said:
        raise Fault("an answer cannot be understood")
    if answer.status == 403:
        raise Refusal("the archive does not let this program in (403)")
    if answer.status == 200 or answer.status >= 500 or answer.status in _ASK_LATER:
        problem = _ASK_LATER.get(answer.status, "the archive has a problem")
        status = "" if answer.status == 200 else f" ({answer.status})"
        raise Fault(f"{problem}{status}{said}", answer.headers)
    if 300 <= answer.status < 400:
        raise refused(target, f"the archive has moved to '{answer.headers.get('Location', '?')[:_QUOTED]}'")
    raise ServiceError(
        f"the archive refused to look for {target} ({answer.status}){said}", "check the name and the options"
    )


def _judge(rows: Sequence[object], part: Span, seen: tuple[str, ...]) -> _Page:
    """What of an answer can be used, once it is believed.

    Raises:
        Fault: it is not what was asked for, and asking again may help.
    """
    found = [read_comment(row) for row in rows]
    comments = [comment for comment in found if comment is not None]
    times = [second_of(comment) for comment in comments]
    full = len(rows) >= PAGE and (not times or times[-1] < part.before)
    if times != sorted(times):
        raise Fault("an answer is out of order")
    if (times and times[0] < part.after - 1) or (full and (not times or times[-1] < part.after)):
        raise Fault("an answer holds other comments than were asked for")
    if not rows and seen:
        raise _Forgetful("an answer lacks comments that were there before")
    if not rows:
        raise _Empty("an answer is empty")
    inside = {str(one.id): one for one in comments if part.after <= second_of(one) < part.before}
    return _Page(list(inside.values()), full, _odd(rows, found, part))


def _odd(rows: Sequence[object], found: Sequence[Comment | None], part: Span) -> dict[str, int]:
    """The rows that cannot be read, each by its key, with the second at which it stands among the others."""
    odd, at = dict[str, int](), part.after
    for row, comment in zip(rows, found, strict=True):
        if comment is not None:
            at = max(second_of(comment), part.after)
            continue
        strange = read_odd(row)
        at_own = at if strange.second is None else strange.second
        if part.after <= at_own < part.before:
            odd[strange.key] = at_own
    return odd


def _after(position: Position, kept: list[Comment], odd: Mapping[str, int]) -> Position:
    """The position behind these comments, which are in order, and these odd ones by their keys."""
    if not kept:
        return position
    last = second_of(kept[-1])
    before = position.seen if position.at == last else ()
    began = second_of(kept[0]) if position.began is None else position.began
    seen = *(str(one.id) for one in kept if second_of(one) == last), *(key for key in odd if odd[key] == last)
    return Position(last, (*before, *seen), began)


def _past_crowd(target: Target, position: Position) -> tuple[Position, Gap]:
    """The next second: the archive gives no more of this one."""
    assert position.at is not None
    gap = Gap(f"more than {PAGE} comments of {target} may stand in the second {position.at}; the archive gives no more")
    return Position(position.at + 1, (), position.began), gap


def _share(position: Position, span: Span) -> float:
    """How much of the time has been walked through, from the first comment on: before it may lie empty years."""
    if position.began is None or position.at is None:
        return 0.0
    begin = max(span.after, position.began)
    return min(max((position.at - begin) / max(span.before - begin, 1), 0.0), 1.0)
