"""Text that appears letter by letter on a terminal, and whose words are not broken at the edge of it.

A word that turns out too long for its line is taken back and typed again on the next one. Nothing else is ever drawn
over, so that a terminal of any size, and its scrollback, are safe.
"""

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from grucli.ui.terminal.console import can_redraw, plain
from grucli.ui.terminal.sanitize import safe
from grucli.ui.terminal.wrapping import expand, line_ends


class Typist:
    """Types onto a console, from the beginning of a line. Where nothing can be taken back, words break as they may."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wraps = can_redraw(console) and not console.legacy_windows
        self._line = ""  # what stands in the line where the cursor is

    def type(self, text: str, style: str = "") -> None:
        """Type some more, at once."""
        text = expand(safe(text))
        if not self._wraps:
            self._put(text, style)
            return
        typed, text = len(self._line), self._line + text
        begin = 0
        for end, next_line in line_ends(text, max(1, self._console.width - 1)):
            if end < typed:
                self._take_back(text[end:typed])
            self._put(f"{text[max(typed, begin) : end]}\n", style)
            begin = typed = next_line
        self._line = text[begin:]
        self._put(text[max(typed, begin) :], style)

    def end(self) -> None:
        """Finish the line."""
        self.type("\n")

    def _take_back(self, text: str) -> None:
        self._console.control(Control((ControlType.CURSOR_BACKWARD, cell_len(text)), (ControlType.ERASE_IN_LINE, 0)))

    def _put(self, text: str, style: str) -> None:
        if text:
            self._console.print(plain(text, style), end="", soft_wrap=True)
