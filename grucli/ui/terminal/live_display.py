"""A picture that stays in its place while its parts change, drawn by a thread of its own; messages go above it."""

import threading
from collections.abc import Callable, Sequence

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.job_control import is_in_background
from grucli.ui.terminal.live_region import LiveRegion


class LiveDisplay:
    """Draws what `lines` gives a few times a second, from `start` until `stop`; nothing while it has not changed.

    It stands on the message console of `terminal`, which sends it the messages meanwhile. `lines` is called in either
    thread, and gives no more lines than the console has room for.
    """

    def __init__(
        self, terminal: Terminal, render_lines: Callable[[], Sequence[Text]], refresh_per_second: float = 4
    ) -> None:
        self._terminal, self._console = terminal, terminal.messages
        self._region, self._render_lines, self._interval = (
            LiveRegion(self._console),
            render_lines,
            1 / refresh_per_second,
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._last_frame: tuple[list[Text], int] | None = None

    def start(self) -> None:
        """Draw it now, and from now on."""
        if self._region.live:
            self._region.__enter__()
            self._redraw()
            self._terminal.message_handler = self._print_above
            self._thread.start()

    def stop(self, keep: bool) -> None:
        """Draw it no more: `keep` leaves it as it is now, else it is taken away. Does nothing the second time."""
        if not self._region.live or self._stopped.is_set():
            return
        self._stopped.set()
        self._thread.join()
        self._terminal.message_handler = None
        with self._console:
            self._region.render(self._render_lines() if keep else [], [])
            self._region.__exit__(None, None, None)

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
