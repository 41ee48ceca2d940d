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

from grucli.ui.terminal.console import can_redraw
from grucli.ui.terminal.job_control import is_in_background, suspending
from grucli.ui.terminal.wrapping import Line


def _control(sequence: str) -> Segment:
    """A control, some of which rich has no name for."""
    return Segment(sequence, None, [(ControlType.CARRIAGE_RETURN,)])


_home = _control("\r")
_end_of_line, _erase_below = _control("\x1b[K"), _control("\x1b[J")
# A terminal may have become narrower a moment ago: what no longer fits is cut off there, and is still a single row.
_clip, _wrap = _control("\x1b[?7l"), _control("\x1b[?7h")
# With the cursor at its beginning, a whole screen that is erased is kept by tmux as a past.
_clear = _control("\r\x1b[K \x1b[J\r")
_newline = Segment.line()


class LiveRegion:
    """See the module. `live` says whether the console can be drawn over; where it cannot, nothing may be drawn.

    A `with` block hides the cursor and shows it again however it ends; the last drawing should leave nothing live.
    Any thread may draw. Where the main thread entered, what is live is taken away while Ctrl-Z has stopped the program.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.live = can_redraw(console) and not console.legacy_windows
        self._until_left = contextlib.ExitStack()
        self._columns = console.width
        self._drawn: Sequence[Line] = []
        self._lock = threading.RLock()
        self._drawing = False
        self._due: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        if self.live:
            self._console.show_cursor(False)
            self._until_left.enter_context(suspending(self._between_drawings, self._taken_away))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self._until_left.close()
            self._console.show_cursor(True)

    @property
    def width(self) -> int:
        """The columns of a line."""
        return max(1, self._console.width - 1)

    @property
    def room(self) -> int:
        """The most lines that can be live."""
        return max(1, self._console.height - 1)

    def put_above(self, message: Text, live: Sequence[Line]) -> None:
        """Write a message above the lines that are `live`, of any length: the terminal breaks it."""
        self._write([_clear, *self._render(message), _newline], live)

    def draw(self, finished: Sequence[Line], live: Sequence[Line]) -> None:
        """Write the lines that are `finished` above those that are `live` until the next drawing.

        None is wider than `width`, and no more than `room` are live.
        """
        columns = self._console.width
        written = [_home if columns == self._columns else _clear]
        self._columns = columns
        for line in finished:
            written += [*self._render(line), _end_of_line, _newline]
        self._write(written, live)

    def _write(self, above: Sequence[Segment], live: Sequence[Line]) -> None:
        written = [*above, _clip]
        # A terminal that keeps what is erased all at once, as tmux does, is left an empty line to keep.
        for index, line in enumerate(live or [""]):
            written += [*([_newline] if index else []), *self._render(line), _end_of_line]
        written += [_erase_below, _wrap]
        if len(live) > 1:
            written.append(Control.move(0, 1 - len(live)).segment)
        with self._lock:
            self._drawing = True
            # In one write, so that nobody sees the half of it.
            self._console.print(Segments([*written, _home]), end="", soft_wrap=True)
            self._drawing, self._drawn = False, live
            if self._due is not None:
                act, self._due = self._due, None
                act()

    def _between_drawings(self, act: Callable[[], None]) -> None:
        """Do something at once, or, amid a drawing, after it; no other thread draws meanwhile."""
        with self._lock:
            if self._drawing:
                self._due = act
            else:
                act()

    @contextlib.contextmanager
    def _taken_away(self) -> Iterator[None]:
        """Leave nothing of it on the terminal; afterwards it is there again, wherever the cursor is then."""
        live = self._drawn
        self._write([_clear], [])
        self._console.show_cursor(True)
        try:
            yield
        finally:
            if not is_in_background(self._console.file):
                self._console.show_cursor(False)
                self._write([_clear], live)

    def _render(self, line: Line) -> Iterable[Segment]:
        # A text without spans would be rendered without its own style.
        return Text.assemble(line).render(self._console) if isinstance(line, Text) else (Segment(line),)
