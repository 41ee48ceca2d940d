"""The last lines of a console, drawn again and again; what is finished above them goes to the scrollback for good.

Between two drawings the cursor waits at the beginning of the first line that is drawn again: wherever a resized
terminal moves that to, what stands from there downward is what was drawn, and nothing else. Lines are written over the
old ones and never erased before, so nothing flickers; only on a terminal that was resized are they, as it remembers
which rows it has broken, and would join what is written there when it becomes wider.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType, Segment, Segments
from rich.text import Text

from grucli.ui.terminal.console import supports_cursor_control
from grucli.ui.terminal.job_control import handle_suspend, is_in_background
from grucli.ui.terminal.wrapping import RenderedLine


def _control(sequence: str) -> Segment:
    """A control, some of which rich has no name for."""
    return Segment(sequence, None, [(ControlType.CARRIAGE_RETURN,)])


_CARRIAGE_RETURN = _control("\r")
_ERASE_TO_END_OF_LINE, _ERASE_BELOW = _control("\x1b[K"), _control("\x1b[J")
# A terminal may have become narrower a moment ago: what no longer fits is cut off there, and is still a single row.
_AUTOWRAP_OFF, _AUTOWRAP_ON = _control("\x1b[?7l"), _control("\x1b[?7h")
# With the cursor at its beginning, a whole screen that is erased is kept by tmux as a past.
_CLEAR = _control("\r\x1b[K \x1b[J\r")
_NEWLINE = Segment.line()


class LiveRegion:
    """See the module. `live` says whether the console can be drawn over; where it cannot, nothing may be drawn.

    A `with` block hides the cursor and shows it again however it ends; the last drawing should leave nothing live.
    Any thread may draw. Where the main thread entered, what is live is taken away while Ctrl-Z has stopped the program.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.live = supports_cursor_control(console) and not console.legacy_windows
        self._exit_stack = contextlib.ExitStack()
        self._columns = console.width
        self._live_lines: Sequence[RenderedLine] = []
        self._lock = threading.RLock()
        self._rendering = False
        self._deferred: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        if self.live:
            self._console.show_cursor(False)
            self._exit_stack.enter_context(handle_suspend(self._run_between_frames, self._erased))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.live:
            self._exit_stack.close()
            self._console.show_cursor(True)

    @property
    def width(self) -> int:
        """The columns of a line."""
        return max(1, self._console.width - 1)

    @property
    def max_lines(self) -> int:
        """The most lines that can be live."""
        return max(1, self._console.height - 1)

    def print_above(self, message: Text, live: Sequence[RenderedLine]) -> None:
        """Write a message above the lines that are `live`, of any length: the terminal breaks it."""
        self._write([_CLEAR, *self._segments(message), _NEWLINE], live)

    def render(self, finished: Sequence[RenderedLine], live: Sequence[RenderedLine]) -> None:
        """Write the lines that are `finished` above those that are `live` until the next drawing.

        None is wider than `width`, and no more than `room` are live.
        """
        columns = self._console.width
        segments = [_CARRIAGE_RETURN if columns == self._columns else _CLEAR]
        self._columns = columns
        for line in finished:
            segments += [*self._segments(line), _ERASE_TO_END_OF_LINE, _NEWLINE]
        self._write(segments, live)

    def _write(self, above: Sequence[Segment], live: Sequence[RenderedLine]) -> None:
        segments = [*above, _AUTOWRAP_OFF]
        # A terminal that keeps what is erased all at once, as tmux does, is left an empty line to keep.
        for index, line in enumerate(live or [""]):
            segments += [*([_NEWLINE] if index else []), *self._segments(line), _ERASE_TO_END_OF_LINE]
        segments += [_ERASE_BELOW, _AUTOWRAP_ON]
        if len(live) > 1:
            segments.append(Control.move(0, 1 - len(live)).segment)
        with self._lock:
            self._rendering = True
            # In one write, so that nobody sees the half of it.
            self._console.print(Segments([*segments, _CARRIAGE_RETURN]), end="", soft_wrap=True)
            self._rendering, self._live_lines = False, live
            if self._deferred is not None:
                action, self._deferred = self._deferred, None
                action()

    def _run_between_frames(self, action: Callable[[], None]) -> None:
        """Do something at once, or, amid a drawing, after it; no other thread draws meanwhile."""
        with self._lock:
            if self._rendering:
                self._deferred = action
            else:
                action()

    @contextlib.contextmanager
    def _erased(self) -> Iterator[None]:
        """Leave nothing of it on the terminal; afterwards it is there again, wherever the cursor is then."""
        live = self._live_lines
        self._write([_CLEAR], [])
        self._console.show_cursor(True)
        try:
            yield
        finally:
            if not is_in_background(self._console.file):
                self._console.show_cursor(False)
                self._write([_CLEAR], live)

    def _segments(self, line: RenderedLine) -> Iterable[Segment]:
        # A text without spans would be rendered without its own style.
        return Text.assemble(line).render(self._console) if isinstance(line, Text) else (Segment(line),)
