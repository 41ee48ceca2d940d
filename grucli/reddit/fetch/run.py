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
from grucli.errors import EmptyInputError, ExitStatus, GruError, ServiceError, UsageError
from grucli.files import OutputLock
from grucli.reddit.fetch.arctic_shift import ArcticShift
from grucli.reddit.fetch.comment_source import (
    SCORE_SETTLED_AFTER_SECONDS,
    CommentSource,
    EndOfRange,
    Gap,
    Notice,
    Page,
    RetryWait,
    Target,
    TimeRange,
    created_second,
    parse_targets,
)
from grucli.reddit.fetch.events import (
    FetchEvent,
    FetchFinished,
    FetchStarted,
    FetchSummary,
    PageFetched,
    TargetFinished,
)
from grucli.reddit.fetch.output import FetchOutput
from grucli.reddit.fetch.state import (
    RESTART_HINT,
    FetchState,
    TargetState,
    check_compatible,
    digest,
    load_state,
    new_state,
    read_raw_state,
    remove_stale_temporaries,
    restore_state,
    save_state,
)
from grucli.reddit.timestamps import format_timestamp, parse_timestamp

ARCTIC_SHIFT, REDDIT = "arctic-shift", "reddit"


@dataclass(frozen=True)
class FetchOptions:
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


class FetchInterruptedError(GruError):
    """Ctrl-C, in a fetch that can go on."""

    status = ExitStatus.SIGINT


class FetchRun:
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

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self._now = time.time()
        self._path = Path(options.output)
        self._output = FetchOutput(self._path)
        self._time_bounds = _parse_time_bounds(options, self._now)
        if options.limit is not None and options.limit < 1:
            raise UsageError(f"--limit: {options.limit} comments are none", "name a number from 1 up")
        self._lock = OutputLock(self._path)
        self._state_or_none: FetchState | None = None
        self._previous_state_json: bytes | None = None
        self._state_on_disk = False
        self._notified_targets: set[str] = set()

    def __enter__(self) -> Self:
        self._lock.__enter__()
        try:
            remove_stale_temporaries(self._path)
            self._state_or_none = self._resume() if self._options.resume else None
            if self._state_or_none is None:
                self._state_or_none = self._start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._close()
        if isinstance(exc, KeyboardInterrupt):
            raise self.interrupted_error() from None
        if isinstance(exc, ServiceError) and self._state_on_disk:
            # Where nothing came at all, the service's own advice comes first: the name may be misspelt.
            hint_prefix = "" if self._state.fetched else f"{exc.hint}; "
            raise ServiceError(f"{exc.message}; {self._saved_message()}", hint_prefix + self._resume_hint()) from exc
        if isinstance(exc, OSError) and self._state_on_disk:
            reason = (exc.strerror or "the disk failed").lower()
            raise GruError(f"{reason}: '{self._path}'; {self._saved_message()}", self._resume_hint()) from exc

    @property
    def summary(self) -> FetchSummary | None:
        """What has been fetched up to now; None where the fetch was refused before it began."""
        state = self._state_or_none
        if state is None:
            return None
        return FetchSummary(state.fetched, state.pages, state.retries, state.first, state.last, state.complete)

    def run(self) -> Iterator[FetchEvent]:
        """Fetch what is left, and tell what happens."""
        was_already_complete = self._state.ended
        if not was_already_complete:
            source = open_source(self._state.source, self._state.base_url, self._options.rate)
            names, time_range = (
                tuple(entry.name for entry in self._state.targets),
                TimeRange(self._state.after, self._state.before),
            )
            self._persist_initial_state()
            yield FetchStarted(names, source.title, time_range, source.rate, self._options.output, self._state.fetched)
            for index, entry in enumerate(self._state.targets):
                if not entry.ended:
                    yield from self._fetch_target(source, index)
        state = self._state
        if state.fetched == 0:
            if not state.output_started:
                restore_state(self._path, self._previous_state_json)
            raise _no_comments_error(state)
        assert self.summary is not None
        names = tuple(entry.name for entry in state.targets)
        yield FetchFinished(
            self.summary,
            names,
            self._options.output,
            self._incomplete_reason(),
            state.scores_not_final,
            was_already_complete,
        )

    @property
    def _state(self) -> FetchState:
        assert self._state_or_none is not None, "a fetch is used within its context"
        return self._state_or_none

    def _start(self) -> FetchState:
        """The record of a new fetch. Nothing is written yet."""
        options = self._options
        if not options.names:
            raise UsageError("there is no NAME to fetch", "write r/NAME, such as r/askscience; see: gru fetch --help")
        if not options.force and self._path.exists():
            raise UsageError(f"'{self._path}' exists", "go on with it by --resume, or replace it by --force")
        after, before = (moment[1] if moment else None for moment in self._time_bounds)
        # Nobody has written what lies in the future: a range that ends there would never be complete.
        time_range = TimeRange(after or 0, min(int(self._now) if before is None else before, int(self._now)))
        if time_range.after >= time_range.before:
            raise UsageError(
                f"nothing lies after {format_timestamp(time_range.after)} and before {format_timestamp(time_range.before)}",
                "let --after be earlier than --before",
            )
        state = new_state(
            options.source or ARCTIC_SHIFT, time_range.after, time_range.before, parse_targets(options.names)
        )
        state = replace(state, after_option=options.after, before_option=options.before, base_url=options.base_url)
        return replace(state, output_started=False, may_replace=self._path.exists())

    def _resume(self) -> FetchState | None:
        """The record of the fetch to go on with, and its output open and cut to what the record vouches for."""
        options = self._options
        state = load_state(self._path)
        if state is None:
            if self._path.exists():
                raise self._output.missing_state_error()
            return None
        after, before = self._time_bounds
        targets = parse_targets(options.names)
        check_compatible(self._path, state, source=options.source, targets=targets, after=after, before=before)
        if state.output_started:
            self._output.reopen(state)
        elif self._path.exists() and not state.may_replace:
            raise UsageError(f"'{self._path}' exists, and is not of the fetch to go on with", RESTART_HINT)
        self._state_on_disk = True
        return state if options.base_url is None else replace(state, base_url=options.base_url)

    def _persist_initial_state(self) -> None:
        """Put on the disk what is about to be fetched, so that whatever happens from now on, `--resume` goes on."""
        if not self._state_on_disk:
            self._previous_state_json = read_raw_state(self._path)
            self._save_state(self._state)
            self._state_on_disk = True

    def _fetch_target(self, source: CommentSource, index: int) -> Iterator[FetchEvent]:
        """Fetch what is left of one name."""
        entry, state = self._state.targets[index], self._state
        limit = None if self._options.limit is None else max(self._options.limit - entry.fetched, 0)
        time_range = TimeRange(state.after, state.before)
        for item in source.paginate(Target.parse(entry.name), time_range, entry.cursor, limit):
            match item:
                case Page():
                    self._commit_page(index, item)
                    yield self._page_event(index, item)
                    if item.unreadable and entry.name not in self._notified_targets:
                        self._notified_targets.add(entry.name)
                        count = f"{_count_comments(item.unreadable)} of {entry.name} cannot be read"
                        yield Notice(f"{count} and left out; the end says how many in all")
                case RetryWait():
                    if item.is_retry:
                        self._state_or_none = replace(self._state, retries=self._state.retries + 1)
                    yield item
                case Gap(text):
                    self._state_or_none = replace(self._state, gaps=self._state.gaps + 1)
                    yield Notice(text)
                case EndOfRange(complete):
                    ended = replace(self._state.targets[index], ended=True, complete=complete)
                    self._save_state(self._replace_target(index, ended))
                    yield TargetFinished(ended.name, ended.fetched, complete)

    def _commit_page(self, index: int, page: Page) -> None:
        """Save a page: the output first, then the record that vouches for it; of no comments, the position alone."""
        if not page.comments:
            advanced = replace(self._state.targets[index], cursor=page.cursor)
            self._save_state(
                replace(self._replace_target(index, advanced), unreadable=self._state.unreadable + page.unreadable)
            )
            return
        if not self._output.is_open:
            self._state_or_none = replace(self._state, output_started=True)
            self._output.start(self._state_or_none)
        data = self._output.append(page.comments)
        state, times = self._state, [created_second(comment) for comment in page.comments]
        entry = state.targets[index]
        entry = replace(entry, cursor=page.cursor, fetched=entry.fetched + len(times))
        self._save_state(
            replace(
                self._replace_target(index, entry),
                bytes=state.bytes + len(data),
                page_bytes=len(data),
                page_digest=digest(data),
                pages=state.pages + 1,
                first=min([*times, *_as_list(state.first)], default=None),
                last=max([*times, *_as_list(state.last)], default=None),
                unreadable=state.unreadable + page.unreadable,
                scores_not_final=state.scores_not_final
                + sum(second > self._now - SCORE_SETTLED_AFTER_SECONDS for second in times),
            )
        )

    def _replace_target(self, index: int, entry: TargetState) -> FetchState:
        names = self._state.targets
        return replace(self._state, targets=(*names[:index], entry, *names[index + 1 :]))

    def _save_state(self, state: FetchState) -> None:
        """Make this the record, on the disk first."""
        save_state(self._path, state)
        self._state_or_none = state

    def _page_event(self, index: int, page: Page) -> PageFetched:
        state, entry, target_count = self._state, self._state.targets[index], len(self._state.targets)
        progress = max(page.progress, entry.fetched / self._options.limit if self._options.limit is not None else 0.0)
        progress = (sum(entry.ended for entry in state.targets) + min(progress, 1.0)) / target_count
        return PageFetched(entry.name, len(page.comments), state.fetched, state.pages, page.timestamp, progress)

    def _incomplete_reason(self) -> str:
        """What the output lacks of the range, and what can be done about it; empty where it lacks nothing."""
        state = self._state
        if state.complete:
            return ""
        if not state.ended:
            unreadable = f"{_count_comments(state.unreadable)} could not be read; " if state.unreadable else ""
            command = shlex.join(["gru", "fetch", "-o", self._options.output, "--resume"])
            return f"{unreadable}--limit was reached before the end of the range; to go on:  {command}"
        if not all(entry.complete for entry in state.targets):
            return "Reddit gives only the newest 1,000 comments; --source arctic-shift has older ones too"
        times = "once" if state.gaps == 1 else f"{state.gaps:,} times"
        gaps = [f"{times}, more comments stood in one second than the source gives"] if state.gaps else []
        return "; ".join(
            [
                *gaps,
                *([f"{_count_comments(state.unreadable)} could not be read, and left out"] if state.unreadable else []),
            ]
        )

    def _close(self) -> None:
        """Leave whole pages behind, so that the output can be read as it is, and let the next one in."""
        try:
            saved = self._output.close()
            if saved is not None and self._state_or_none is not None and saved.pages != self._state_or_none.pages:
                self._state_or_none = saved
        finally:
            self._lock.release_and_delete()

    def interrupted_error(self) -> FetchInterruptedError:
        """The error for Ctrl-C, at whatever moment it came: what is there, and how to go on with it."""
        if self._state_or_none is None:
            # It came while an earlier run's record was read, or before: what lies on the disk is all there is.
            with suppress(OSError, GruError):
                self._state_or_none = load_state(self._path) if self._options.resume else None
                self._state_on_disk = self._state_or_none is not None
        return FetchInterruptedError(f"stopped by Ctrl-C; {self._saved_message()}", self._resume_hint())

    def _saved_message(self) -> str:
        fetched = self._state_or_none.fetched if self._state_or_none is not None else 0
        verb = "is" if fetched == 1 else "are"
        return (
            f"{_count_comments(fetched)} {verb} saved in '{self._path}'"
            if fetched
            else "there was no comment to save yet"
        )

    def _resume_hint(self) -> str:
        """What to type to go on."""
        if not self._state_on_disk:
            return "run the same command to begin again"
        command = ["gru", "fetch", "-o", self._options.output, "--resume"]
        for option, value in (("--limit", self._options.limit), ("--rate", self._options.rate)):
            command += [option, f"{value:g}"] if value is not None else []
        return f"go on:  {shlex.join(command)}"


def open_source(name: str, base_url: str | None, rate: float | None) -> CommentSource:
    """The source called `name`, at another `address` than its own where one is given.

    Raises:
        UsageError: the address or the rate cannot be meant, a library is missing, or who asks is not known there.
    """
    if name == ARCTIC_SHIFT:
        return ArcticShift(base_url, rate)
    module = optional_imports.import_optional("grucli.reddit.fetch.praw_source", REDDIT, "--source reddit")
    return cast(CommentSource, module.RedditListings(base_url, rate))


def _parse_time_bounds(options: FetchOptions, now: float) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """The bounds of the range that were typed, each with what it means now."""
    if options.resume and options.force:
        raise UsageError("--resume goes on and --force begins again", "use one of them")
    return (
        (options.after, parse_timestamp(options.after, "--after", now)) if options.after is not None else None,
        (options.before, parse_timestamp(options.before, "--before", now)) if options.before is not None else None,
    )


def _count_comments(count: int) -> str:
    return "1 comment" if count == 1 else f"{count:,} comments"


def _as_list(value: int | None) -> list[int]:
    return [] if value is None else [value]


def _no_comments_error(state: FetchState) -> EmptyInputError:
    names = " or ".join(entry.name for entry in state.targets)
    until = format_timestamp(state.before)
    when = f"from {format_timestamp(state.after)} to {until}" if state.after else f"before {until}"
    return EmptyInputError(
        f"there are no comments of {names} {when}"
        + (f" but {state.unreadable:,} that cannot be read" if state.unreadable else ""),
        "check how the name is spelt, and the range",
    )
