"""Text that appears letter by letter on a terminal, and whose words are not broken at the edge of it.

A word that turns out too long for its line is taken back and typed again on the next one. Nothing else is ever drawn
over, so that a terminal of any size, and its scrollback, are safe.
"""

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from grucli.ui.console import can_redraw, plain
from grucli.ui.safe import safe

_TAB = " " * 4


class Typist:
    """Types onto a console, from the beginning of a line. Where nothing can be taken back, words break as they may."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wraps = can_redraw(console) and not console.legacy_windows
        self._column = 0
        self._word = ""

    def type(self, text: str, style: str = "") -> None:
        """Type some more, at once."""
        waiting = ""
        for sign in safe(text).replace("\t", _TAB):
            while self._wraps and self._overflows(sign):
                self._put(waiting, style)
                waiting = ""
                if sign == " ":
                    sign = "\n"
                else:
                    self._next_line(style)
            waiting += sign
            self._follow(sign)
        self._put(waiting, style)

    def end(self) -> None:
        """Finish the line."""
        self.type("\n")

    def _overflows(self, sign: str) -> bool:
        """Whether `sign` has no room on the line; an empty line has room for everything."""
        return sign != "\n" and self._column > 0 and self._column + cell_len(sign) >= self._console.width

    def _put(self, text: str, style: str) -> None:
        if text:
            self._console.print(plain(text, style), end="", soft_wrap=True)

    def _next_line(self, style: str) -> None:
        """Begin a line, with the word that has just become too long unless it fills a line by itself."""
        word, length = self._word, cell_len(self._word)
        if length >= self._column:
            word = ""
        elif word:
            self._console.control(Control((ControlType.CURSOR_BACKWARD, length), (ControlType.ERASE_IN_LINE, 0)))
        self._put(f"\n{word}", style)
        self._column, self._word = cell_len(word), word

    def _follow(self, sign: str) -> None:
        """Note where the cursor is after `sign`, and the word it is in."""
        self._column = 0 if sign == "\n" else self._column + cell_len(sign)
        self._word = "" if sign.isspace() else self._word + sign
