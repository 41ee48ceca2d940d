"""Lines that are redrawn in place by a thread while they change; messages are printed above them."""

import threading
from collections.abc import Callable, Sequence

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.terminal.tty_control import is_in_background


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
