"""Growing text at the end of a console, at reading pace, optionally with a bar under it.

Finished lines go to the scrollback; only the unfinished line and the bar are redrawn.
"""

from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.text import Text

from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.terminal.wrapping import IncrementalWrapper

MAX_FPS = 9  # with the first and the last frame of a reply at most 12 in any second


class FramePacer:
    """Says when characters and frames are due, from `start` on.

    `pace` is in characters per second, 0 disables the limit, as does `should_stop` once it returns True. `clock`
    returns seconds and `sleep` takes them.
    """

    def __init__(
        self, pace: float, should_stop: Callable[[], bool], clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._pace, self._should_stop, self._clock, self._sleep = pace, should_stop, clock, sleep
        self._started_at = self._next_frame = clock()

    def start(self) -> None:
        """Start counting; a frame is due."""
        self._started_at = self._next_frame = self._clock()

    @property
    def seconds(self) -> float:
        """Seconds since `start`."""
        return self._clock() - self._started_at

    def chars_due(self, shown: int, pending: int) -> int:
        """Return how many of `pending` characters may be shown now, after `shown`."""
        if self._pace == 0 or self._should_stop():
            return pending
        return min(max(0, int(self.seconds * self._pace) + 1 - shown), pending)

    def force_frame(self) -> None:
        """Make a frame due now."""
        self._next_frame = self._clock()

    def frame_due(self) -> bool:
        """Return True if a frame is due, and schedule the next one."""
        now = self._clock()
        if now < self._next_frame:
            return False
        self._next_frame = now + 1 / MAX_FPS
        return True

    def wait_for_frame(self) -> None:
        """Sleep until the next frame is due."""
        self._sleep(max(0.0, self._next_frame - self._clock()))


class LiveText:
    """Text that grows. On a console that cannot be drawn over it is printed as it comes, without a bar.

    The `with` block hides the cursor and leaves it at the start of a line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._region = LiveRegion(console)
        self._text = IncrementalWrapper()
        self._midline = False

    def __enter__(self) -> Self:
        self._region.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._console:
            if self._region.live:
                *finished, pending = self._text.lines(self._region.width)
                self._region.render([*finished, pending] if pending else finished, [])
            else:
                self._print_pending()
                if self._midline:
                    self._console.print()
            self._region.__exit__(*exc_info)

    def add(self, text: str, style: str = "") -> None:
        """Append text; it is shown by the next `render`."""
        self._text.feed(text, style)

    def render(self, bar: Text | None) -> None:
        """Show the text and under it `bar`, which must be narrower than the console."""
        if not self._region.live:
            self._print_pending()
            return
        finished = self._text.pop_finished(self._region.width)
        self._region.render(finished, [self._text.pending] if bar is None else [self._text.pending, bar])

    def _print_pending(self) -> None:
        text, self._text = Text.assemble(self._text.pending), IncrementalWrapper()
        if text:
            self._midline = not text.plain.endswith("\n")
            self._console.print(text, end="", soft_wrap=True)


class PacedText(LiveText):
    """Text that appears at the pace of `pacer`. The `with` block ends with all of it shown."""

    def __init__(self, console: Console, pacer: FramePacer) -> None:
        super().__init__(console)
        self._pacer = pacer
        self._waiting = ""
        self.shown = 0
        """Characters of paced text shown so far."""

    def __exit__(self, *exc_info: object) -> None:
        self._release(len(self._waiting))
        super().__exit__(*exc_info)

    def write(self, text: str, render_bar: Callable[[], Text | None] = lambda: None) -> None:
        """Append text and return when its last character is due."""
        self._waiting += text
        while self._waiting:
            self._release(self._pacer.chars_due(self.shown, len(self._waiting)))
            self.render_if_due(render_bar)
            if self._waiting:
                self._pacer.wait_for_frame()

    def render_if_due(self, render_bar: Callable[[], Text | None]) -> None:
        """Draw a frame if one is due."""
        if self._pacer.frame_due():
            self.render(render_bar())

    def end_line(self) -> None:
        """Append a newline without waiting for it."""
        self._waiting += "\n"

    def _release(self, count: int) -> None:
        self.add(self._waiting[:count])
        self._waiting = self._waiting[count:]
        self.shown += count
