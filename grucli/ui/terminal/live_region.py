"""The last lines of a console, redrawn in place; finished lines above them go to the scrollback.

Between two frames the cursor is at the start of the first live line, so that resizing moves both together. Frames
overwrite the previous one without erasing it first, which avoids flicker. After a resize they do erase: the terminal
remembers which rows it wrapped, and would join them when it becomes wider.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Self

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType, Segment, Segments
from rich.text import Text

from grucli.ui.terminal.console import supports_cursor_control
from grucli.ui.terminal.tty_control import handle_suspend, is_in_background
from grucli.ui.terminal.wrapping import RenderedLine


def _control(sequence: str) -> Segment:
    return Segment(sequence, None, [(ControlType.CARRIAGE_RETURN,)])


_CARRIAGE_RETURN = _control("\r")
_ERASE_TO_END_OF_LINE, _ERASE_BELOW = _control("\x1b[K"), _control("\x1b[J")
# If the terminal just became narrower, long lines are cut off instead of wrapped: each stays one row.
_AUTOWRAP_OFF, _AUTOWRAP_ON = _control("\x1b[?7l"), _control("\x1b[?7h")
# tmux keeps a whole screen that is erased from its first cell in its history: hence the space.
_CLEAR = _control("\r\x1b[K \x1b[J\r")
_NEWLINE = Segment.line()


class LiveRegion:
    """Redraws the last lines of a console; if `live` is False it cannot be drawn over, and nothing may be drawn.

    The `with` block hides the cursor; the last frame should leave nothing live. Any thread may draw. If the main thread
    entered, the live lines are removed while the process is stopped by Ctrl-Z.
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

    def __exit__(self, *exc_info: object) -> None:
        if self.live:
            self._exit_stack.close()
            self._console.show_cursor(True)

    @property
    def width(self) -> int:
        """Columns of a line."""
        return max(1, self._console.width - 1)

    @property
    def max_lines(self) -> int:
        """Maximum number of live lines."""
        return max(1, self._console.height - 1)

    def print_above(self, message: Text, live: Sequence[RenderedLine]) -> None:
        """Print a message of any length above the `live` lines; the terminal wraps it."""
        self._write([_CLEAR, *self._segments(message), _NEWLINE], live)

    def render(self, finished: Sequence[RenderedLine], live: Sequence[RenderedLine]) -> None:
        """Print the `finished` lines above those that are `live` until the next frame.

        Lines are at most `width` columns wide, and at most `max_lines` are live.
        """
        columns = self._console.width
        segments = [_CARRIAGE_RETURN if columns == self._columns else _CLEAR]
        self._columns = columns
        for line in finished:
            segments += [*self._segments(line), _ERASE_TO_END_OF_LINE, _NEWLINE]
        self._write(segments, live)

    def _write(self, above: Sequence[Segment], live: Sequence[RenderedLine]) -> None:
        segments = [*above, _AUTOWRAP_OFF]
        # tmux keeps what is erased at once: an empty line is written first for it to keep.
        for index, line in enumerate(live or [""]):
            segments += [*([_NEWLINE] if index else []), *self._segments(line), _ERASE_TO_END_OF_LINE]
        segments += [_ERASE_BELOW, _AUTOWRAP_ON]
        if len(live) > 1:
            segments.append(Control.move(0, 1 - len(live)).segment)
        with self._lock:
            self._rendering = True
            # In one write, so that no partial frame is visible.
            self._console.print(Segments([*segments, _CARRIAGE_RETURN]), end="", soft_wrap=True)
            self._rendering, self._live_lines = False, live
            if self._deferred is not None:
                action, self._deferred = self._deferred, None
                action()

    def _run_between_frames(self, action: Callable[[], None]) -> None:
        """Run `action` now, or after the frame being drawn; no other thread draws meanwhile."""
        with self._lock:
            if self._rendering:
                self._deferred = action
            else:
                action()

    @contextlib.contextmanager
    def _erased(self) -> Iterator[None]:
        """Remove the live lines in the block, and draw them again at the cursor after it."""
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
        # rich renders a Text without spans without its base style.
        return Text.assemble(line).render(self._console) if isinstance(line, Text) else (Segment(line),)
