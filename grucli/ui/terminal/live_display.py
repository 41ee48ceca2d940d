"""A picture that stays in its place while its parts change, drawn by a thread of its own; messages go above it."""

import threading
from collections.abc import Callable, Sequence

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.job_control import is_in_background
from grucli.ui.terminal.live_region import LiveRegion


class LivePicture:
    """Draws what `lines` gives a few times a second, from `start` until `stop`; nothing while it has not changed.

    It stands on the message console of `terminal`, which sends it the messages meanwhile. `lines` is called in either
    thread, and gives no more lines than the console has room for.
    """

    def __init__(self, terminal: Terminal, lines: Callable[[], Sequence[Text]], per_second: float = 4) -> None:
        self._terminal, self._console = terminal, terminal.messages
        self._region, self._lines, self._pause = LiveRegion(self._console), lines, 1 / per_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._drawn: tuple[list[Text], int] | None = None

    def start(self) -> None:
        """Draw it now, and from now on."""
        if self._region.live:
            self._region.__enter__()
            self._draw()
            self._terminal.put_above = self._put_above
            self._thread.start()

    def stop(self, keep: bool) -> None:
        """Draw it no more: `keep` leaves it as it is now, else it is taken away. Does nothing the second time."""
        if not self._region.live or self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        self._terminal.put_above = None
        with self._console:
            self._region.draw(self._lines() if keep else [], [])
            self._region.__exit__(None, None, None)

    def _follow(self) -> None:
        while not self._over.wait(self._pause):
            self._draw()

    def _draw(self) -> None:
        if is_in_background(self._console.file):
            return
        lines = list(self._lines())
        width = self._console.width
        if (lines, width) != self._drawn:
            self._drawn = (lines, width)
            self._region.draw([], lines[: self._region.room])

    def _put_above(self, message: Text) -> None:
        live = [] if is_in_background(self._console.file) else list(self._lines())
        self._region.put_above(message, live[: self._region.room])
