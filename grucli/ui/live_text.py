"""Text that grows at the end of a console, with a bar under it while it does.

Finished lines go to the scrollback for good; only the unfinished line and the bar are drawn again. Between two
drawings the cursor waits at the beginning of the unfinished line: wherever a resized terminal moves that to, erasing
from there downward takes away what was drawn and nothing else.
"""

from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType, Segment
from rich.text import Text

from grucli.ui.console import can_redraw, plain

_TAB = " " * 4


def _control(sequence: str) -> Control:
    """A control that rich has no name for."""
    control = Control()
    control.segment = Segment(sequence, None, [(ControlType.CARRIAGE_RETURN,)])
    return control


_home = Control(ControlType.CARRIAGE_RETURN)
_erase_below = _control("\x1b[J")
# A terminal may have become narrower a moment ago: what no longer fits is cut off there, and is still a single row.
_clip, _wrap = _control("\x1b[?7l"), _control("\x1b[?7h")


class LiveText:
    """See the module. On a console that cannot be drawn over the text is printed as it comes, without a bar.

    A `with` block hides the cursor and, however it ends, leaves it at the beginning of a line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = can_redraw(console) and not console.legacy_windows
        self._unfinished = Text()
        self._midline = False

    def __enter__(self) -> Self:
        if self._live:
            self._console.show_cursor(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.draw(None)
        with self._console:
            if self._unfinished.plain or self._midline:
                self._console.print(self._unfinished, soft_wrap=True)
            if self._live:
                self._console.show_cursor(True)

    def add(self, text: str, style: str = "") -> None:
        """Let the text grow; nothing is shown before the next `draw`."""
        self._unfinished.append_text(plain(text.replace("\t", _TAB), style))

    def draw(self, bar: Text | None) -> None:
        """Show what was added and, in a line under it, `bar`, which must be narrower than the console."""
        if not self._live:
            self._append()
            return
        finished = self._finished_lines(max(1, self._console.width - 1))
        with self._console:  # one write, so that nobody sees the gap
            self._console.control(_home, _erase_below)
            for line in finished:
                self._console.print(line, soft_wrap=True)
            self._console.control(_clip)
            self._console.print(self._unfinished, end="", soft_wrap=True)
            if bar is not None:
                self._console.print(Text("\n"), bar, sep="", end="", soft_wrap=True)
                self._console.control(Control.move(0, -1))
            self._console.control(_wrap, _home)

    def _append(self) -> None:
        text, self._unfinished = self._unfinished, Text()
        if text.plain:
            self._midline = not text.plain.endswith("\n")
            self._console.print(text, end="", soft_wrap=True)

    def _finished_lines(self, width: int) -> list[Text]:
        """Take from the unfinished text what will not change any more: all but its last line of `width` columns."""
        finished = []
        while (cut := _line_end(self._unfinished.plain, width)) is not None:
            end, next_line = cut
            line, self._unfinished = self._unfinished[:end], self._unfinished[next_line:]
            finished.append(line)
        return finished


def _line_end(text: str, width: int) -> tuple[int, int] | None:
    """Where the first line of `text` ends and the next begins; None if it still has room, or is the last."""
    cells = 0
    for index, sign in enumerate(text):
        if sign == "\n":
            return index, index + 1
        cells += cell_len(sign)
        if cells > width and index > 0:
            blank = text.rfind(" ", 0, index + 1)
            return (blank, blank + 1) if text[:blank].strip() and blank > 0 else (index, index)
    return None
