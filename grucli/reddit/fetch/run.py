"""`gru fetch`: from an online source into a file, so that it can be stopped at any moment and goes on without a loss.

A fetch yields events and never prints. The record beside the output (`fetch_record`) is there before the first request,
so that a fetch can go on from its very beginning. After each page the output is forced to the disk and then the record,
in this order: what the record vouches for is always there.
"""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from msgspec.structs import replace

from grucli import optional_imports
from grucli.errors import ExitStatus, GruError, NothingToDoError, ServiceError, UsageError
from grucli.files import OutputLock
from grucli.reddit.fetch.arctic_shift import ArcticShift
from grucli.reddit.fetch.comment_source import (
    FINAL_AFTER,
    Batch,
    End,
    Gap,
    Notice,
    Source,
    Span,
    Target,
    Waiting,
    parse_targets,
    second_of,
)
from grucli.reddit.fetch.events import Done, Ended, Event, Paged, Started, Summary
from grucli.reddit.fetch.output import Output
from grucli.reddit.fetch.state import (
    BEGIN_AGAIN,
    NameRecord,
    Record,
    check_same,
    digest,
    load_record,
    new_record,
    put_back_record,
    read_raw_record,
    save_record,
    sweep,
)
from grucli.reddit.timestamps import parse_moment, show_moment

ARCTIC_SHIFT, REDDIT = "arctic-shift", "reddit"


@dataclass(frozen=True)
class Plan:
    """What to fetch, as it was typed: None was not. `names`: each r/NAME or u/NAME. `limit`: comments of each name.

    `after`, `before`: the range, see `moments`; by default all there is until now. `rate`: requests a second.
    """

    names: Sequence[str]
    output: str
    source: str | None = None
    after: str | None = None
    before: str | None = None
    limit: int | None = None
    rate: float | None = None
    base_url: str | None = None
    resume: bool = False
    force: bool = False


class FetchStoppedError(GruError):
    """Ctrl-C, in a fetch that can go on."""

    status = ExitStatus.INTERRUPTED


class Fetch:
    """One run of a fetch: `with Fetch(plan) as fetch: for event in fetch.run(): ...`.

    The output begins to exist with the first page; until then `--force` has replaced no comment.

    Raises:
        UsageError: the plan cannot be meant, would overwrite something, or differs from the one it goes on with.
        BusyError: another process fetches into the same file.
        ServiceError: the network, or the service, does not answer. What was fetched is saved, and it says how to go on.
        NothingToDoError: there are no such comments.
        GruError: the output is not what it was, or (`FetchStoppedError`) Ctrl-C was pressed.
        OSError: the disk failed.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._now = time.time()
        self._path = Path(plan.output)
        self._output = Output(self._path)
        self._asked = _asked(plan, self._now)
        if plan.limit is not None and plan.limit < 1:
            raise UsageError(f"--limit: {plan.limit} comments are none", "name a number from 1 up")
        self._lock = OutputLock(self._path)
        self._record: Record | None = None
        self._record_before: bytes | None = None
        self._known_on_disk = False
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        self._lock.__enter__()
        try:
            sweep(self._path)
            self._record = self._go_on() if self._plan.resume else None
            if self._record is None:
                self._record = self._begin()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        if isinstance(error, KeyboardInterrupt):
            raise self.stopped() from None
        if isinstance(error, ServiceError) and self._known_on_disk:
            # Where nothing came at all, the service's own advice comes first: the name may be misspelt.
            first = "" if self._known.fetched else f"{error.todo}; "
            raise ServiceError(f"{error.what}; {self._saved()}", first + self._next_step()) from error
        if isinstance(error, OSError) and self._known_on_disk:
            reason = (error.strerror or "the disk failed").lower()
            raise GruError(f"{reason}: '{self._path}'; {self._saved()}", self._next_step()) from error

    @property
    def summary(self) -> Summary | None:
        """What has been fetched up to now; None where the fetch was refused before it began."""
        record = self._record
        if record is None:
            return None
        return Summary(record.fetched, record.pages, record.retries, record.first, record.last, record.complete)

    def run(self) -> Iterator[Event]:
        """Fetch what is left, and tell what happens."""
        ended_before = self._known.ended
        if not ended_before:
            source = open_source(self._known.source, self._known.address, self._plan.rate)
            names, span = tuple(entry.name for entry in self._known.names), Span(self._known.after, self._known.before)
            self._announce()
            yield Started(names, source.title, span, source.rate, self._plan.output, self._known.fetched)
            for index, entry in enumerate(self._known.names):
                if not entry.ended:
                    yield from self._walk(source, index)
        record = self._known
        if record.fetched == 0:
            if not record.begun:
                put_back_record(self._path, self._record_before)
            raise _nothing(record)
        assert self.summary is not None
        names = tuple(entry.name for entry in record.names)
        yield Done(self.summary, names, self._plan.output, self._shortfall(), record.unsettled, ended_before)

    @property
    def _known(self) -> Record:
        assert self._record is not None, "a fetch is used within its context"
        return self._record

    def _begin(self) -> Record:
        """The record of a new fetch. Nothing is written yet."""
        plan = self._plan
        if not plan.names:
            raise UsageError("there is no NAME to fetch", "write r/NAME, such as r/askscience; see: gru fetch --help")
        if not plan.force and self._path.exists():
            raise UsageError(f"'{self._path}' exists", "go on with it by --resume, or replace it by --force")
        after, before = (moment[1] if moment else None for moment in self._asked)
        # Nobody has written what lies in the future: a range that ends there would never be complete.
        span = Span(after or 0, min(int(self._now) if before is None else before, int(self._now)))
        if span.after >= span.before:
            raise UsageError(
                f"nothing lies after {show_moment(span.after)} and before {show_moment(span.before)}",
                "let --after be earlier than --before",
            )
        record = new_record(plan.source or ARCTIC_SHIFT, span.after, span.before, parse_targets(plan.names))
        record = replace(record, asked_after=plan.after, asked_before=plan.before, address=plan.base_url)
        return replace(record, begun=False, replaces=self._path.exists())

    def _go_on(self) -> Record | None:
        """The record of the fetch to go on with, and its output open and cut to what the record vouches for."""
        plan = self._plan
        record = load_record(self._path)
        if record is None:
            if self._path.exists():
                raise self._output.unknown()
            return None
        after, before = self._asked
        targets = parse_targets(plan.names)
        check_same(self._path, record, source=plan.source, targets=targets, after=after, before=before)
        if record.begun:
            self._output.reopen(record)
        elif self._path.exists() and not record.replaces:
            raise UsageError(f"'{self._path}' exists, and is not of the fetch to go on with", BEGIN_AGAIN)
        self._known_on_disk = True
        return record if plan.base_url is None else replace(record, address=plan.base_url)

    def _announce(self) -> None:
        """Put on the disk what is about to be fetched, so that whatever happens from now on, `--resume` goes on."""
        if not self._known_on_disk:
            self._record_before = read_raw_record(self._path)
            self._note(self._known)
            self._known_on_disk = True

    def _walk(self, source: Source, index: int) -> Iterator[Event]:
        """Fetch what is left of one name."""
        entry, record = self._known.names[index], self._known
        most = None if self._plan.limit is None else max(self._plan.limit - entry.fetched, 0)
        span = Span(record.after, record.before)
        for step in source.walk(Target.parse(entry.name), span, entry.position, most):
            match step:
                case Batch():
                    self._keep(index, step)
                    yield self._paged(index, step)
                    if step.lost and entry.name not in self._told:
                        self._told.add(entry.name)
                        count = f"{_comments(step.lost)} of {entry.name} cannot be read"
                        yield Notice(f"{count} and left out; the end says how many in all")
                case Waiting():
                    if step.again:
                        self._record = replace(self._known, retries=self._known.retries + 1)
                    yield step
                case Gap(text):
                    self._record = replace(self._known, gaps=self._known.gaps + 1)
                    yield Notice(text)
                case End(covered):
                    ended = replace(self._known.names[index], ended=True, covered=covered)
                    self._note(self._with(index, ended))
                    yield Ended(ended.name, ended.fetched, covered)

    def _keep(self, index: int, batch: Batch) -> None:
        """Save a page: the output first, then the record that vouches for it; of no comments, the position alone."""
        if not batch.comments:
            passed = replace(self._known.names[index], position=batch.position)
            self._note(replace(self._with(index, passed), lost=self._known.lost + batch.lost))
            return
        if not self._output.open:
            self._record = replace(self._known, begun=True)
            self._output.begin(self._record)
        page = self._output.append(batch.comments)
        record, times = self._known, [second_of(comment) for comment in batch.comments]
        entry = record.names[index]
        entry = replace(entry, position=batch.position, fetched=entry.fetched + len(times))
        self._note(
            replace(
                self._with(index, entry),
                bytes=record.bytes + len(page),
                page_bytes=len(page),
                page_digest=digest(page),
                pages=record.pages + 1,
                first=min([*times, *_some(record.first)], default=None),
                last=max([*times, *_some(record.last)], default=None),
                lost=record.lost + batch.lost,
                unsettled=record.unsettled + sum(second > self._now - FINAL_AFTER for second in times),
            )
        )

    def _with(self, index: int, entry: NameRecord) -> Record:
        names = self._known.names
        return replace(self._known, names=(*names[:index], entry, *names[index + 1 :]))

    def _note(self, record: Record) -> None:
        """Make this the record, on the disk first."""
        save_record(self._path, record)
        self._record = record

    def _paged(self, index: int, batch: Batch) -> Paged:
        record, entry, names = self._known, self._known.names[index], len(self._known.names)
        share = max(batch.share, entry.fetched / self._plan.limit if self._plan.limit is not None else 0.0)
        share = (sum(entry.ended for entry in record.names) + min(share, 1.0)) / names
        return Paged(entry.name, len(batch.comments), record.fetched, record.pages, batch.at, share)

    def _shortfall(self) -> str:
        """What the output lacks of the range, and what can be done about it; empty where it lacks nothing."""
        record = self._known
        if record.complete:
            return ""
        if not record.ended:
            lost = f"{_comments(record.lost)} could not be read; " if record.lost else ""
            words = shlex.join(["gru", "fetch", "-o", self._plan.output, "--resume"])
            return f"{lost}--limit was reached before the end of the range; to go on:  {words}"
        if not all(entry.covered for entry in record.names):
            return "Reddit gives only the newest 1,000 comments; --source arctic-shift has older ones too"
        often = "once" if record.gaps == 1 else f"{record.gaps:,} times"
        gaps = [f"{often}, more comments stood in one second than the source gives"] if record.gaps else []
        return "; ".join(
            [*gaps, *([f"{_comments(record.lost)} could not be read, and left out"] if record.lost else [])]
        )

    def _close(self) -> None:
        """Leave whole pages behind, so that the output can be read as it is, and let the next one in."""
        try:
            saved = self._output.close()
            if saved is not None and self._record is not None and saved.pages != self._record.pages:
                self._record = saved
        finally:
            self._lock.remove()

    def stopped(self) -> FetchStoppedError:
        """The error for Ctrl-C, at whatever moment it came: what is there, and how to go on with it."""
        if self._record is None:
            # It came while an earlier run's record was read, or before: what lies on the disk is all there is.
            with suppress(OSError, GruError):
                self._record = load_record(self._path) if self._plan.resume else None
                self._known_on_disk = self._record is not None
        return FetchStoppedError(f"stopped by Ctrl-C; {self._saved()}", self._next_step())

    def _saved(self) -> str:
        fetched = self._record.fetched if self._record is not None else 0
        verb = "is" if fetched == 1 else "are"
        return f"{_comments(fetched)} {verb} saved in '{self._path}'" if fetched else "there was no comment to save yet"

    def _next_step(self) -> str:
        """What to type to go on."""
        if not self._known_on_disk:
            return "run the same command to begin again"
        words = ["gru", "fetch", "-o", self._plan.output, "--resume"]
        for option, value in (("--limit", self._plan.limit), ("--rate", self._plan.rate)):
            words += [option, f"{value:g}"] if value is not None else []
        return f"go on:  {shlex.join(words)}"


def open_source(name: str, address: str | None, rate: float | None) -> Source:
    """The source called `name`, at another `address` than its own where one is given.

    Raises:
        UsageError: the address or the rate cannot be meant, a library is missing, or who asks is not known there.
    """
    if name == ARCTIC_SHIFT:
        return ArcticShift(address, rate)
    module = optional_imports.load("grucli.reddit.fetch.praw_source", REDDIT, "--source reddit")
    return cast(Source, module.RedditListings(address, rate))


def _asked(plan: Plan, now: float) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """The bounds of the range that were typed, each with what it means now."""
    if plan.resume and plan.force:
        raise UsageError("--resume goes on and --force begins again", "use one of them")
    return (
        (plan.after, parse_moment(plan.after, "--after", now)) if plan.after is not None else None,
        (plan.before, parse_moment(plan.before, "--before", now)) if plan.before is not None else None,
    )


def _comments(count: int) -> str:
    return "1 comment" if count == 1 else f"{count:,} comments"


def _some(value: int | None) -> list[int]:
    return [] if value is None else [value]


def _nothing(record: Record) -> NothingToDoError:
    names = " or ".join(entry.name for entry in record.names)
    until = show_moment(record.before)
    when = f"from {show_moment(record.after)} to {until}" if record.after else f"before {until}"
    return NothingToDoError(
        f"there are no comments of {names} {when}"
        + (f" but {record.lost:,} that cannot be read" if record.lost else ""),
        "check how the name is spelt, and the range",
    )
