"""Text that appears letter by letter on a terminal, and whose words are not broken at the edge of it.

A word that turns out too long for its line is taken back and typed again on the next one. Nothing else is ever drawn
over, so that a terminal of any size, and its scrollback, are safe.
"""

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from grucli.ui.terminal.console import plain_text, supports_cursor_control
from grucli.ui.terminal.sanitize import sanitize
from grucli.ui.terminal.wrapping import expand_tabs, wrap_points


class Typewriter:
    """Types onto a console, from the beginning of a line. Where nothing can be taken back, words break as they may."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wraps = supports_cursor_control(console) and not console.legacy_windows
        self._line = ""  # what stands in the line where the cursor is

    def write(self, text: str, style: str = "") -> None:
        """Type some more, at once."""
        text = expand_tabs(sanitize(text))
        if not self._wraps:
            self._print(text, style)
            return
        printed, text = len(self._line), self._line + text
        begin = 0
        for end, next_line in wrap_points(text, max(1, self._console.width - 1)):
            if end < printed:
                self._erase(text[end:printed])
            self._print(f"{text[max(printed, begin) : end]}\n", style)
            begin = printed = next_line
        self._line = text[begin:]
        self._print(text[max(printed, begin) :], style)

    def newline(self) -> None:
        """Finish the line."""
        self.write("\n")

    def _erase(self, text: str) -> None:
        self._console.control(Control((ControlType.CURSOR_BACKWARD, cell_len(text)), (ControlType.ERASE_IN_LINE, 0)))

    def _print(self, text: str, style: str) -> None:
        if text:
            self._console.print(plain_text(text, style), end="", soft_wrap=True)
