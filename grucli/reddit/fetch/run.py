"""A fetch: comments from an online source into a file, resumable after any interruption without a gap or a duplicate.

The state beside the output (`state`) is saved before the first request, so that a fetch can resume from its very start.
After each page the output is forced to the disk and then the state, in this order: the output is never shorter than its
state says. A fetch yields events and never prints.
"""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from msgspec.structs import replace

from grucli import optional_imports
from grucli.errors import EmptyInputError, ExitStatus, GruError, ServiceError, UsageError
from grucli.files import OutputLock
from grucli.reddit.fetch import state as fetch_state
from grucli.reddit.fetch.arctic_shift import ArcticShift
from grucli.reddit.fetch.comment_source import (
    CommentSource,
    EndOfRange,
    Gap,
    Notice,
    Page,
    RetryWait,
    Target,
    TimeRange,
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
from grucli.reddit.fetch.state import RESTART_HINT, FetchState, load_state, remove_stale_temporaries, save_state
from grucli.reddit.timestamps import format_timestamp, parse_timestamp

ARCTIC_SHIFT, REDDIT = "arctic-shift", "reddit"


@dataclass(frozen=True)
class FetchOptions:
    """What to fetch, as typed; None where an option was not given.

    `names`: each r/NAME or u/NAME. `after`, `before`: the range, see `parse_timestamp`; by default everything until
    now. `limit`: comments per name. `rate`: requests per second.
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
    """Ctrl-C during a fetch."""

    status = ExitStatus.SIGINT


class FetchRun:
    """One run of a fetch: `with FetchRun(options) as fetch: for event in fetch.run(): ...`.

    The output is created with the first page; until then `--force` has replaced nothing.

    Raises:
        UsageError: an option is invalid, a file would be overwritten, or the options differ from those of the fetch
            to resume.
        LockedError: another process writes the same output.
        ServiceError: the network or the service failed. What was fetched is saved; the hint says how to resume.
        EmptyInputError: no comments were found.
        GruError: the output or its state is corrupt.
        FetchInterruptedError: Ctrl-C was pressed.
        OSError: the disk failed before there was a state to resume from.
    """

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self._now = time.time()
        self._path = Path(options.output)
        self._output = FetchOutput(self._path)
        self._time_bounds = _parse_time_bounds(options, self._now)
        if options.limit is not None and options.limit < 1:
            raise UsageError("--limit must be at least 1", "use a number from 1 up")
        self._lock = OutputLock(self._path)
        self._state_or_none: FetchState | None = None
        self._previous_state_json: bytes | None = None
        self._state_on_disk = False
        self._notified_targets: set[str] = set()

    def __enter__(self) -> Self:
        self._lock.__enter__()
        try:
            remove_stale_temporaries(self._path)
            self._state_or_none = (self._resume() if self._options.resume else None) or self._start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        self._close()
        if isinstance(exc, KeyboardInterrupt):
            raise self.interrupted_error() from None
        if isinstance(exc, ServiceError) and self._state_on_disk:
            # If nothing was fetched, the hint of the service comes first: the name may be misspelled.
            hint_prefix = "" if self._state.fetched else f"{exc.hint}; "
            raise ServiceError(f"{exc.message}; {self._saved_message()}", hint_prefix + self._resume_hint()) from exc
        if isinstance(exc, OSError) and self._state_on_disk:
            reason = (exc.strerror or "disk error").lower()
            raise GruError(f"{reason}: '{self._path}'; {self._saved_message()}", self._resume_hint()) from exc

    @property
    def summary(self) -> FetchSummary | None:
        """What has been fetched so far; None if the fetch was refused before it started."""
        state = self._state_or_none
        if state is None:
            return None
        return FetchSummary(state.fetched, state.pages, state.retries, state.first, state.last, state.complete)

    @property
    def _state(self) -> FetchState:
        assert self._state_or_none is not None, "used outside its context"
        return self._state_or_none

    def _start(self) -> FetchState:
        """Return the state of a new fetch. Nothing is written yet."""
        options = self._options
        if not options.names:
            raise UsageError("missing NAME", "write r/NAME, such as r/askscience; see: gru fetch --help")
        if not options.force and self._path.exists():
            raise UsageError(f"file exists: '{self._path}'", "use --resume to continue it, or --force to replace it")
        after, before = (bound[1] if bound else None for bound in self._time_bounds)
        # A range that ended in the future could never be complete.
        time_range = TimeRange(after or 0, min(int(self._now) if before is None else before, int(self._now)))
        if time_range.after >= time_range.before:
            after_text, before_text = format_timestamp(time_range.after), format_timestamp(time_range.before)
            raise UsageError(
                f"empty range: after {after_text}, before {before_text}", "use an --after that is earlier than --before"
            )
        source, targets = options.source or ARCTIC_SHIFT, parse_targets(options.names)
        return replace(
            fetch_state.new_state(source, time_range.after, time_range.before, targets),
            after_option=options.after,
            before_option=options.before,
            base_url=options.base_url,
            output_started=False,
            may_replace=self._path.exists(),
        )

    def _resume(self) -> FetchState | None:
        """Load the state of the fetch to resume and reopen its output; None if there is nothing to resume."""
        options = self._options
        state = load_state(self._path)
        if state is None:
            if self._path.exists():
                path = fetch_state.state_path(self._path)
                raise UsageError(f"cannot resume '{self._path}': no such file: '{path}'", RESTART_HINT)
            return None
        targets = parse_targets(options.names)
        fetch_state.check_compatible(self._path, state, options.source, targets, self._time_bounds)
        if state.output_started:
            self._output.reopen(state)
        elif self._path.exists() and not state.may_replace:
            raise UsageError(f"file exists, and is not the output of this fetch: '{self._path}'", RESTART_HINT)
        self._state_on_disk = True
        return state if options.base_url is None else replace(state, base_url=options.base_url)

    def run(self) -> Iterator[FetchEvent]:
        """Fetch what is left; yield what happens.

        Raises:
            UsageError: the rate or the URL is invalid, a library is not installed, or credentials are missing.
            ServiceError: the network or the service failed.
            EmptyInputError: no comments were found.
            OSError: the disk failed.
        """
        was_already_complete = self._state.ended
        if not was_already_complete:
            state = self._state
            source = open_source(state.source, state.base_url, self._options.rate)
            self._save_initial_state()
            time_range = TimeRange(state.after, state.before)
            output = self._options.output
            yield FetchStarted(state.names, source.title, time_range, source.rate, output, state.fetched)
            for index, target in enumerate(state.targets):
                if not target.ended:
                    yield from self._fetch_target(source, index)
        state, summary = self._state, self.summary
        if state.fetched == 0:
            if not state.output_started:
                fetch_state.restore_state(self._path, self._previous_state_json)
            raise _no_comments_error(state)
        assert summary is not None
        reason = "" if state.complete else self._incomplete_reason()
        yield FetchFinished(
            summary, state.names, self._options.output, reason, state.scores_not_final, was_already_complete
        )

    def _fetch_target(self, source: CommentSource, index: int) -> Iterator[FetchEvent]:
        target, time_range = self._state.targets[index], TimeRange(self._state.after, self._state.before)
        limit = None if self._options.limit is None else max(self._options.limit - target.fetched, 0)
        for item in source.paginate(Target.parse(target.name), time_range, target.cursor, limit):
            match item:
                case Page():
                    self._commit_page(index, item)
                    yield self._page_event(index, item)
                    if item.unreadable and target.name not in self._notified_targets:
                        self._notified_targets.add(target.name)
                        count = _count(item.unreadable, "unreadable comment")
                        yield Notice(f"{count} of {target.name} left out; the total follows at the end")
                case RetryWait():
                    if item.is_retry:
                        self._state_or_none = replace(self._state, retries=self._state.retries + 1)
                    yield item
                case Gap(text):
                    self._state_or_none = replace(self._state, gaps=self._state.gaps + 1)
                    yield Notice(text)
                case EndOfRange(complete):
                    self._save_state(fetch_state.after_end(self._state, index, complete=complete))
                    yield TargetFinished(target.name, self._state.targets[index].fetched, complete)

    def _commit_page(self, index: int, page: Page) -> None:
        data = b""
        if page.comments:
            if not self._output.is_open:
                self._state_or_none = replace(self._state, output_started=True)
                self._output.start(self._state)
            data = self._output.append(page.comments)
        self._save_state(fetch_state.after_page(self._state, index, page, data, self._now))

    def _page_event(self, index: int, page: Page) -> PageFetched:
        state, target = self._state, self._state.targets[index]
        progress = max(page.progress, target.fetched / self._options.limit if self._options.limit else 0.0)
        progress = (sum(one.ended for one in state.targets) + min(progress, 1.0)) / len(state.targets)
        return PageFetched(target.name, len(page.comments), state.fetched, state.pages, page.timestamp, progress)

    def _save_initial_state(self) -> None:
        """Save what is about to be fetched, so that `--resume` works from here on."""
        if not self._state_on_disk:
            self._previous_state_json = fetch_state.read_raw_state(self._path)
            self._save_state(self._state)
            self._state_on_disk = True

    def _save_state(self, state: FetchState) -> None:
        save_state(self._path, state)
        self._state_or_none = state

    def _close(self) -> None:
        """Truncate the output to complete pages, and release the lock."""
        try:
            saved = self._output.close()
            if saved is not None and self._state_or_none is not None and saved.pages != self._state_or_none.pages:
                self._state_or_none = saved
        finally:
            self._lock.release_and_delete()

    def _incomplete_reason(self) -> str:
        state = self._state
        unreadable = [f"{_count(state.unreadable, 'unreadable comment')} left out"] if state.unreadable else []
        if not state.ended:
            command = shlex.join(["gru", "fetch", "-o", self._options.output, "--resume"])
            return "; ".join([*unreadable, f"--limit was reached before the end of the range; resume:  {command}"])
        if not all(target.complete for target in state.targets):
            return "Reddit returns only the newest 1,000 comments; --source arctic-shift has older ones"
        gaps = f"{_count(state.gaps, 'gap')}: more comments in one second than the API returns"
        return "; ".join([*([gaps] if state.gaps else []), *unreadable])

    def interrupted_error(self) -> FetchInterruptedError:
        """Return the error for a `KeyboardInterrupt`, at any time: what is saved, and how to resume."""
        if self._state_or_none is None:
            # Interrupted before the state was loaded: what is on the disk counts.
            with suppress(OSError, GruError):
                self._state_or_none = load_state(self._path) if self._options.resume else None
                self._state_on_disk = self._state_or_none is not None
        return FetchInterruptedError(f"stopped by Ctrl-C; {self._saved_message()}", self._resume_hint())

    def _saved_message(self) -> str:
        fetched = self._state_or_none.fetched if self._state_or_none is not None else 0
        return f"{_count(fetched, 'comment')} saved in '{self._path}'" if fetched else "no comments fetched yet"

    def _resume_hint(self) -> str:
        if not self._state_on_disk:
            return "run the same command again"
        command = ["gru", "fetch", "-o", self._options.output, "--resume"]
        for option, value in (("--limit", self._options.limit), ("--rate", self._options.rate)):
            command += [option, f"{value:g}"] if value is not None else []
        return f"resume:  {shlex.join(command)}"


def open_source(name: str, base_url: str | None, rate: float | None) -> CommentSource:
    """Open the source `name`, ARCTIC_SHIFT or REDDIT, at its own URL or at `base_url`.

    Raises:
        UsageError: the URL or the rate is invalid, a library is not installed, or credentials are missing.
    """
    if name == ARCTIC_SHIFT:
        return ArcticShift(base_url, rate)
    module = optional_imports.import_optional("grucli.reddit.fetch.praw_source", REDDIT, "--source reddit")
    return cast(CommentSource, module.RedditListings(base_url, rate))


def _parse_time_bounds(options: FetchOptions, now: float) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """Return --after and --before, each as typed and in seconds since 1970."""
    if options.resume and options.force:
        raise UsageError("--resume and --force cannot be used together", "use one of them")
    return (
        (options.after, parse_timestamp(options.after, "--after", now)) if options.after is not None else None,
        (options.before, parse_timestamp(options.before, "--before", now)) if options.before is not None else None,
    )


def _no_comments_error(state: FetchState) -> EmptyInputError:
    until = format_timestamp(state.before)
    when = f"from {format_timestamp(state.after)} to {until}" if state.after else f"before {until}"
    unreadable = f" except {_count(state.unreadable, 'unreadable one')}" if state.unreadable else ""
    return EmptyInputError(
        f"no comments found for {' or '.join(state.names)} {when}{unreadable}", "check the name and the date range"
    )


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
