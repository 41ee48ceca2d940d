"""A fetch as a person sees it: a bar over the time range on a terminal, a line now and then everywhere else."""

import re
import shlex
import threading
import time
from collections.abc import Callable

from rich.text import Text

from grucli.reddit.fetch.comment_source import Notice, Waiting
from grucli.reddit.fetch.events import Done, Ended, Event, Paged, Started
from grucli.reddit.timestamps import show_moment
from grucli.ui.terminal.console import Terminal, plain
from grucli.ui.terminal.formatting import count_of, duration, time_left
from grucli.ui.terminal.progress import progress_bar
from grucli.ui.terminal.sanitize import safe_line
from grucli.ui.terminal.startup_message import FIRST_WORD
from grucli.ui.terminal.transient_bar import TransientBar

_LINE_SECONDS = 60.0
_LONG_WAIT = 5.0
_SETTLED_SHARE = 0.001
_DAY = 86_400


class FetchView(TransientBar):
    """Shows events as they come. Use as a context manager: progress and messages go to stderr alone."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._clock = clock
        self._lock = threading.Lock()
        self._names = 0
        self._page: Paged | None = None
        self._wait: tuple[Waiting, float] | None = None
        self._began = clock()
        self._begun_share: float | None = None
        self._begun_with = 0
        self._said_at = self._began
        self._said_tenths = 0

    def show(self, event: Event) -> None:
        """Take in and show one event."""
        with self._lock:
            self._take_in(event)
        match event:
            case Started():
                self._terminal.say(_announcement(event))
            case Notice(text):
                self._terminal.warn(text)
            case Ended(name=name, fetched=0) if self._names > 1:  # of a single one the error says so
                self._terminal.warn(f"there are no comments of {name} in this range; check how the name is spelt")
            case Paged() | Waiting() if self._live is None:
                self._tell(event)
            case _:
                pass

    def _take_in(self, event: Event) -> None:
        match event:
            case Started():
                self._begun_with, self._began, self._names = event.fetched, self._clock(), len(event.names)
            case Paged():
                self._page, self._wait = event, None
                if self._begun_share is None and event.new:
                    # What the first page covers may be years without a comment, or what an earlier run has fetched.
                    self._begun_share, self._begun_with, self._began = event.share, event.fetched, self._clock()
            case Waiting():
                self._wait = event, self._clock() + event.seconds
            case _:
                pass

    def _tell(self, event: Paged | Waiting) -> None:
        """Say something where nothing can be drawn: each tenth of the way, each minute, and why it takes so long."""
        now = self._clock()
        if isinstance(event, Waiting):
            # Until there is a way to tell of, the waits are all that can be told.
            if event.seconds >= _LONG_WAIT or (self._page is None and now >= self._said_at + _LINE_SECONDS):
                self._said_at = now
                self._terminal.say(f"waiting {duration(event.seconds)}: {safe_line(event.why)}")
            return
        tenths = int(event.share * 10 + _SETTLED_SHARE)
        if tenths > self._said_tenths or now >= self._said_at + _LINE_SECONDS:
            self._said_tenths, self._said_at = tenths, now
            left = self._left(event)
            facts = self._facts(event) if left is None else [*self._facts(event), time_left(left).strip()]
            self._terminal.say(f"{event.share:>4.0%}  {'  '.join(facts)}")

    def _draw(self) -> list[Text]:
        """Render under the lock: the bar is drawn by a thread of its own while events come in."""
        with self._lock:
            wait = self._draw_wait()
            if self._page is None:
                return wait or [Text(FIRST_WORD)]
            share = self._page.share
            fields = [f"{share:4.0%}", time_left(self._left(self._page)), *self._facts(self._page)]
            line = progress_bar(self._terminal.messages, share, fields)
            return [line, *wait]

    def _draw_wait(self) -> list[Text]:
        """Say why nothing comes, and for how long: in full, as it may be the user who has to do something."""
        if self._wait is None:
            return []
        waiting, until = self._wait
        left = until - self._clock()
        said = "asking again" if left <= 0 else f"waiting {duration(left)}"
        return list(plain(f"{said}: {safe_line(waiting.why)}", "yellow").wrap(self._terminal.messages, self._width))

    def _left(self, page: Paged) -> float | None:
        """How many seconds it will take, as far as anybody knows."""
        elapsed = self._clock() - self._began
        begun = self._begun_share if self._begun_share is not None else page.share
        if elapsed <= 0 or page.share <= begun + _SETTLED_SHARE:
            return None
        return elapsed * (1 - page.share) / (page.share - begun)

    def _facts(self, page: Paged) -> list[str]:
        """How much there is, where it is, and how fast."""
        elapsed, new = self._clock() - self._began, page.fetched - self._begun_with
        facts = [count_of(page.fetched, "comment"), f"{safe_line(page.name)} {show_moment(page.at - page.at % _DAY)}"]
        return [*facts, f"{new / elapsed:,.0f}/s"] if elapsed > 0 and new > 0 else facts


def show_fetched(terminal: Terminal, done: Done) -> None:
    """Say what there is now, whether anything is missing, and what to do next."""
    summary, output = done.summary, safe_line(done.output)
    first, last = (show_moment(moment or 0) for moment in (summary.first, summary.last))
    again = "was fetched to its end before: " if done.before else ""
    names = safe_line(" ".join(done.names))
    terminal.say(f"{again}{output} holds {count_of(summary.fetched, 'comment')} of {names}, from {first} to {last} UTC")
    if done.shortfall:
        terminal.warn(f"not complete: {done.shortfall}")
    else:
        terminal.say("the range is complete", "green")
    if done.unsettled:
        one = done.unsettled == 1
        young = "1 of them was" if one else f"{done.unsettled:,} of them were"
        scores = "its score" if one else "their scores"
        terminal.say(f"{young} younger than 36 hours: {scores} may still change")
    terminal.say(f"try:  {shlex.join(['gru', 'clean', output, '-o', _corpus_name(output)])}", indent=6)


def _corpus_name(output: str) -> str:
    """How the corpus may be called that comes out of a fetched file."""
    return re.sub(r"\.(jsonl|ndjson)(\.\w+)?$", "", output, flags=re.IGNORECASE) + ".csv"


def _announcement(started: Started) -> str:
    """What is about to be done, and how fast."""
    since = f"from {show_moment(started.span.after)}" if started.span.after else "from the beginning"
    rate = f"{started.rate:g} request{'s' if started.rate != 1 else ''} a second at most"
    going_on = f", going on after {count_of(started.fetched, 'comment')}" if started.fetched else ""
    return safe_line(
        f"fetching {' '.join(started.names)} from {started.title}, {since} to {show_moment(started.span.before)} UTC, "
        f"into {started.output}{going_on}; {rate}; Ctrl-C stops, --resume goes on"
    )
