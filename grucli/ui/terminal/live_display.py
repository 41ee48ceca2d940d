"""Lines that are redrawn in place by a thread while they change; messages are printed above them.

`LiveDisplay` draws any lines. A `TransientBar`, such as a `StatusLine`, draws on stderr's terminal while work is in
progress and is removed at the end; nothing is printed elsewhere.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import progress_bar
from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import COMPILING_MESSAGE, STARTUP_MESSAGE
from grucli.ui.terminal.tty_control import is_in_background

_MAX_LOADING_SECONDS = 3.0  # loading cached kernels takes less: after that they are being compiled


class LiveDisplay:
    """Draws the lines of `render_lines` on the message console from `start` until `stop`, whenever they changed.

    `render_lines` is called from either thread, and returns at most as many lines as the console has.
    """

    def __init__(
        self, terminal: Terminal, render_lines: Callable[[], Sequence[Text]], refresh_per_second: float = 4
    ) -> None:
        self._terminal, self._console = terminal, terminal.messages
        self._region, self._render_lines = LiveRegion(self._console), render_lines
        self._interval = 1 / refresh_per_second
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._last_frame: tuple[list[Text], int] | None = None

    def start(self) -> None:
        """Draw now, and start the thread."""
        if self._region.live:
            self._region.__enter__()
            self._redraw()
            self._terminal.message_handler = self._print_above
            self._thread.start()

    def stop(self, keep: bool) -> None:
        """Stop drawing; leave the lines if `keep`, else remove them. A second call does nothing."""
        if not self._region.live or self._stopped.is_set():
            return
        self._stopped.set()
        self._thread.join()
        self._terminal.message_handler = None
        with self._console:
            self._region.render(self._render_lines() if keep else [], [])
            self._region.__exit__()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self._redraw()

    def _redraw(self) -> None:
        if is_in_background(self._console.file):
            return
        lines = list(self._render_lines())
        width = self._console.width
        if (lines, width) != self._last_frame:
            self._last_frame = (lines, width)
            self._region.render([], lines[: self._region.max_lines])

    def _print_above(self, message: Text) -> None:
        live = [] if is_in_background(self._console.file) else list(self._render_lines())
        self._region.print_above(message, live[: self._region.max_lines])


class TransientBar(ABC):
    """Draws its lines inside a `with` block, or from `show_bar` until `hide_bar`, in a thread."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._live: LiveDisplay | None = None

    def __enter__(self) -> Self:
        self.show_bar()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.hide_bar()

    def show_bar(self) -> None:
        """Start drawing, unless already started or not on a terminal."""
        if self._terminal.live and self._live is None:
            self._live = LiveDisplay(self._terminal, self._render)
            self._live.start()

    def hide_bar(self) -> None:
        """Remove the bar, if there is one."""
        if self._live is not None:
            self._live.stop(keep=False)
            self._live = None

    @property
    def _width(self) -> int:
        return max(self._terminal.messages.width - 1, 1)

    @abstractmethod
    def _render(self) -> Sequence[Text]:
        """Return the current lines, at most `_width` columns each."""


class StatusLine(TransientBar):
    """Shows what is being done: loading, compiling, or the latest `update` or `progress`."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._clock = clock
        self._started_at = clock()
        self._message: str | None = None
        self._progress: float | None = None

    def update(self, message: str) -> None:
        """Set the message."""
        self.progress(message, 0, None)

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Set the message and the progress; `total` None shows no bar."""
        self._message, self._progress = stage, min(done / total, 1.0) if total else None

    def _render(self) -> list[Text]:
        message, progress = self._message, self._progress
        if message is not None and progress is not None:
            return [progress_bar(self._terminal.messages, progress, [f"{progress:4.0%}", sanitize_line(message)])]
        elapsed = self._clock() - self._started_at
        loading = STARTUP_MESSAGE if elapsed < _MAX_LOADING_SECONDS else f"{COMPILING_MESSAGE} ({elapsed:.0f} s)"
        line = Text(sanitize_line(loading if message is None else message))
        line.truncate(self._width)
        return [line]


@contextmanager
def report_compiling(terminal: Terminal) -> Iterator[None]:
    """Print once, where no progress is drawn, that kernels are being compiled within the block."""
    if terminal.live:
        yield
        return
    from grucli.kernels.jit import notify_on_compile

    reported = threading.Event()

    def report() -> None:
        if not reported.is_set():
            reported.set()
            terminal.info(COMPILING_MESSAGE)

    with notify_on_compile(report):
        yield
