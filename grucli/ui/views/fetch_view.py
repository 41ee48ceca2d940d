"""The view of a fetch: a progress bar on a terminal, occasional lines elsewhere."""

import re
import shlex
import threading
import time
from collections.abc import Callable

from rich.text import Text

from grucli.errors import pluralize
from grucli.reddit.fetch.comment_source import Notice, RetryWait
from grucli.reddit.fetch.events import FetchEvent, FetchFinished, FetchStarted, PageFetched, TargetFinished
from grucli.reddit.timestamps import format_timestamp
from grucli.ui.terminal.console import Terminal, plain_text
from grucli.ui.terminal.formatting import format_duration, format_eta, progress_bar
from grucli.ui.terminal.live_display import TransientBar
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import STARTUP_MESSAGE

_REPORT_INTERVAL_SECONDS = 60.0
_REPORT_WAIT_ABOVE = 5.0
_MIN_ETA_PROGRESS = 0.001
_SECONDS_PER_DAY = 86_400


class FetchView(TransientBar):
    """Shows events as they come, on stderr. Use as a context manager."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._clock = clock
        self._lock = threading.Lock()
        self._num_targets = 0
        self._page: PageFetched | None = None
        self._wait: tuple[RetryWait, float] | None = None
        self._started_at = clock()
        self._initial_progress: float | None = None
        self._initial_count = 0
        self._reported_at = self._started_at
        self._reported_tenths = 0

    def show(self, event: FetchEvent) -> None:
        """Show an event."""
        with self._lock:
            self._update(event)
        match event:
            case FetchStarted():
                self._terminal.info(_announcement(event))
            case Notice(text):
                self._terminal.warn(text)
            case TargetFinished(name=name, fetched=0) if self._num_targets > 1:  # for a single one it is an error
                self._terminal.warn(f"no comments found for {name}; check the name and the date range")
            case PageFetched() | RetryWait() if self._live is None:
                self._report(event)
            case _:
                pass

    def _update(self, event: FetchEvent) -> None:
        match event:
            case FetchStarted():
                self._num_targets = len(event.names)
                self._initial_count, self._started_at = event.fetched, self._clock()
            case PageFetched():
                self._page, self._wait = event, None
                if self._initial_progress is None and event.new:
                    # The first page may cover years without a comment, or what an earlier run fetched.
                    self._initial_progress = event.progress
                    self._initial_count, self._started_at = event.fetched, self._clock()
            case RetryWait():
                self._wait = event, self._clock() + event.seconds
            case _:
                pass

    def _report(self, event: PageFetched | RetryWait) -> None:
        """Print a line for each tenth of the progress, each minute, and each long wait."""
        now = self._clock()
        is_due = now >= self._reported_at + _REPORT_INTERVAL_SECONDS
        if isinstance(event, RetryWait):
            # Before the first page there is nothing but waits to report.
            if event.seconds >= _REPORT_WAIT_ABOVE or (self._page is None and is_due):
                self._reported_at = now
                self._terminal.info(f"waiting {format_duration(event.seconds)}: {sanitize_line(event.reason)}")
            return
        tenths = int(event.progress * 10 + _MIN_ETA_PROGRESS)
        if tenths > self._reported_tenths or is_due:
            self._reported_tenths, self._reported_at = tenths, now
            eta = self._eta_seconds(event)
            fields = [*self._status_fields(event), *([] if eta is None else [format_eta(eta).strip()])]
            self._terminal.info(f"{event.progress:>4.0%}  {'  '.join(fields)}")

    def _render(self) -> list[Text]:
        # A thread renders the bar while events come in.
        with self._lock:
            wait = self._render_wait()
            if self._page is None:
                return wait or [Text(STARTUP_MESSAGE)]
            progress = self._page.progress
            fields = [f"{progress:4.0%}", format_eta(self._eta_seconds(self._page)), *self._status_fields(self._page)]
            line = progress_bar(self._terminal.messages, progress, fields)
            return [line, *wait]

    def _render_wait(self) -> list[Text]:
        if self._wait is None:
            return []
        wait, until = self._wait
        remaining = until - self._clock()
        status = "retrying" if remaining <= 0 else f"waiting {format_duration(remaining)}"
        # In full, over several lines: the user may have to act on it.
        text = plain_text(f"{status}: {sanitize_line(wait.reason)}", "yellow")
        return list(text.wrap(self._terminal.messages, self._width))

    def _eta_seconds(self, page: PageFetched) -> float | None:
        elapsed = self._clock() - self._started_at
        initial = self._initial_progress if self._initial_progress is not None else page.progress
        if elapsed <= 0 or page.progress <= initial + _MIN_ETA_PROGRESS:
            return None
        return elapsed * (1 - page.progress) / (page.progress - initial)

    def _status_fields(self, page: PageFetched) -> list[str]:
        elapsed, new = self._clock() - self._started_at, page.fetched - self._initial_count
        day = format_timestamp(page.timestamp - page.timestamp % _SECONDS_PER_DAY)
        fields = [pluralize(page.fetched, "comment"), f"{sanitize_line(page.name)} {day}"]
        return [*fields, f"{new / elapsed:,.0f}/s"] if elapsed > 0 and new > 0 else fields


def show_fetch_result(terminal: Terminal, result: FetchFinished) -> None:
    """Print what was fetched, what is missing, and the next command."""
    summary, output = result.summary, sanitize_line(result.output)
    first, last = (format_timestamp(timestamp or 0) for timestamp in (summary.first, summary.last))
    prefix = "already complete: " if result.was_already_complete else ""
    names, count = sanitize_line(" ".join(result.names)), pluralize(summary.fetched, "comment")
    terminal.info(f"{prefix}{output} contains {count} from {names}, {first} to {last} UTC")
    if result.incomplete_reason:
        terminal.warn(f"incomplete: {result.incomplete_reason}")
    else:
        terminal.info("the range is complete", "green")
    if result.scores_not_final:
        recent = "1 comment was" if result.scores_not_final == 1 else f"{result.scores_not_final:,} comments were"
        terminal.info(f"{recent} less than 36 hours old: scores may still change")
    terminal.info(f"try:  {shlex.join(['gru', 'clean', output, '-o', _corpus_name(output)])}", indent=6)


def _corpus_name(output: str) -> str:
    return re.sub(r"\.(jsonl|ndjson)(\.\w+)?$", "", output, flags=re.IGNORECASE) + ".csv"


def _announcement(event: FetchStarted) -> str:
    since = f"from {format_timestamp(event.time_range.after)}" if event.time_range.after else "from the beginning"
    resumed = f", resuming after {pluralize(event.fetched, 'comment')}" if event.fetched else ""
    return sanitize_line(
        f"fetching {' '.join(event.names)} from {event.title}, {since} to {format_timestamp(event.time_range.before)} "
        f"UTC, into {event.output}{resumed}; at most {event.rate:g} request{'s' if event.rate != 1 else ''} per "
        "second; Ctrl-C stops, --resume continues"
    )
