"""A fetch as a person sees it: a bar over the time range on a terminal, a line now and then everywhere else."""

import re
import shlex
import threading
import time
from collections.abc import Callable

from rich.text import Text

from grucli.reddit.fetch.comment_source import Notice, RetryWait
from grucli.reddit.fetch.events import FetchEvent, FetchFinished, FetchStarted, PageFetched, TargetFinished
from grucli.reddit.timestamps import format_timestamp
from grucli.ui.terminal.console import Terminal, plain_text
from grucli.ui.terminal.formatting import format_duration, format_eta, pluralize
from grucli.ui.terminal.progress import progress_bar
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import STARTUP_MESSAGE
from grucli.ui.terminal.transient_bar import TransientBar

_REPORT_INTERVAL_SECONDS = 60.0
_REPORT_WAIT_ABOVE = 5.0
_MIN_ETA_PROGRESS = 0.001
_SECONDS_PER_DAY = 86_400


class FetchView(TransientBar):
    """Shows events as they come. Use as a context manager: progress and messages go to stderr alone."""

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
        """Take in and show one event."""
        with self._lock:
            self._update(event)
        match event:
            case FetchStarted():
                self._terminal.info(_announcement(event))
            case Notice(text):
                self._terminal.warn(text)
            case TargetFinished(name=name, fetched=0) if self._num_targets > 1:  # of a single one the error says so
                self._terminal.warn(f"there are no comments of {name} in this range; check how the name is spelt")
            case PageFetched() | RetryWait() if self._live is None:
                self._report(event)
            case _:
                pass

    def _update(self, event: FetchEvent) -> None:
        match event:
            case FetchStarted():
                self._initial_count, self._started_at, self._num_targets = (
                    event.fetched,
                    self._clock(),
                    len(event.names),
                )
            case PageFetched():
                self._page, self._wait = event, None
                if self._initial_progress is None and event.new:
                    # What the first page covers may be years without a comment, or what an earlier run has fetched.
                    self._initial_progress, self._initial_count, self._started_at = (
                        event.progress,
                        event.fetched,
                        self._clock(),
                    )
            case RetryWait():
                self._wait = event, self._clock() + event.seconds
            case _:
                pass

    def _report(self, event: PageFetched | RetryWait) -> None:
        """Say something where nothing can be drawn: each tenth of the way, each minute, and why it takes so long."""
        now = self._clock()
        if isinstance(event, RetryWait):
            # Until there is a way to tell of, the waits are all that can be told.
            if event.seconds >= _REPORT_WAIT_ABOVE or (
                self._page is None and now >= self._reported_at + _REPORT_INTERVAL_SECONDS
            ):
                self._reported_at = now
                self._terminal.info(f"waiting {format_duration(event.seconds)}: {sanitize_line(event.reason)}")
            return
        tenths = int(event.progress * 10 + _MIN_ETA_PROGRESS)
        if tenths > self._reported_tenths or now >= self._reported_at + _REPORT_INTERVAL_SECONDS:
            self._reported_tenths, self._reported_at = tenths, now
            eta = self._eta_seconds(event)
            fields = (
                self._status_fields(event) if eta is None else [*self._status_fields(event), format_eta(eta).strip()]
            )
            self._terminal.info(f"{event.progress:>4.0%}  {'  '.join(fields)}")

    def _render(self) -> list[Text]:
        """Render under the lock: the bar is drawn by a thread of its own while events come in."""
        with self._lock:
            wait = self._render_wait()
            if self._page is None:
                return wait or [Text(STARTUP_MESSAGE)]
            progress = self._page.progress
            fields = [f"{progress:4.0%}", format_eta(self._eta_seconds(self._page)), *self._status_fields(self._page)]
            line = progress_bar(self._terminal.messages, progress, fields)
            return [line, *wait]

    def _render_wait(self) -> list[Text]:
        """Say why nothing comes, and for how long: in full, as it may be the user who has to do something."""
        if self._wait is None:
            return []
        waiting, until = self._wait
        remaining = until - self._clock()
        status = "asking again" if remaining <= 0 else f"waiting {format_duration(remaining)}"
        return list(
            plain_text(f"{status}: {sanitize_line(waiting.reason)}", "yellow").wrap(
                self._terminal.messages, self._width
            )
        )

    def _eta_seconds(self, page: PageFetched) -> float | None:
        """How many seconds it will take, as far as anybody knows."""
        elapsed = self._clock() - self._started_at
        initial = self._initial_progress if self._initial_progress is not None else page.progress
        if elapsed <= 0 or page.progress <= initial + _MIN_ETA_PROGRESS:
            return None
        return elapsed * (1 - page.progress) / (page.progress - initial)

    def _status_fields(self, page: PageFetched) -> list[str]:
        """How much there is, where it is, and how fast."""
        elapsed, new = self._clock() - self._started_at, page.fetched - self._initial_count
        fields = [
            pluralize(page.fetched, "comment"),
            f"{sanitize_line(page.name)} {format_timestamp(page.timestamp - page.timestamp % _SECONDS_PER_DAY)}",
        ]
        return [*fields, f"{new / elapsed:,.0f}/s"] if elapsed > 0 and new > 0 else fields


def show_fetch_result(terminal: Terminal, result: FetchFinished) -> None:
    """Say what there is now, whether anything is missing, and what to do next."""
    summary, output = result.summary, sanitize_line(result.output)
    first, last = (format_timestamp(moment or 0) for moment in (summary.first, summary.last))
    again = "was fetched to its end before: " if result.was_already_complete else ""
    names = sanitize_line(" ".join(result.names))
    terminal.info(
        f"{again}{output} holds {pluralize(summary.fetched, 'comment')} of {names}, from {first} to {last} UTC"
    )
    if result.incomplete_reason:
        terminal.warn(f"not complete: {result.incomplete_reason}")
    else:
        terminal.info("the range is complete", "green")
    if result.scores_not_final:
        is_single = result.scores_not_final == 1
        young = "1 of them was" if is_single else f"{result.scores_not_final:,} of them were"
        scores = "its score" if is_single else "their scores"
        terminal.info(f"{young} younger than 36 hours: {scores} may still change")
    terminal.info(f"try:  {shlex.join(['gru', 'clean', output, '-o', _corpus_name(output)])}", indent=6)


def _corpus_name(output: str) -> str:
    """How the corpus may be called that comes out of a fetched file."""
    return re.sub(r"\.(jsonl|ndjson)(\.\w+)?$", "", output, flags=re.IGNORECASE) + ".csv"


def _announcement(started: FetchStarted) -> str:
    """What is about to be done, and how fast."""
    since = f"from {format_timestamp(started.time_range.after)}" if started.time_range.after else "from the beginning"
    rate = f"{started.rate:g} request{'s' if started.rate != 1 else ''} a second at most"
    resumed = f", going on after {pluralize(started.fetched, 'comment')}" if started.fetched else ""
    return sanitize_line(
        f"fetching {' '.join(started.names)} from {started.title}, {since} to {format_timestamp(started.time_range.before)} UTC, "
        f"into {started.output}{resumed}; {rate}; Ctrl-C stops, --resume goes on"
    )
