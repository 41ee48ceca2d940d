"""Output of the program: data on stdout, messages on stderr, each checked for a terminal on its own.

Every string is sanitized and printed literally: no markup, no emoji codes, no highlighting, no wrapping of data.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from grucli.errors import GruError
from grucli.json_record import to_json
from grucli.ui.terminal.sanitize import escape_control_json, sanitize, sanitize_line

_NAME = "gru: "
# A quoted string is one word: more spaces in a quoted file name would name another file.
_word = re.compile(r" *(?P<word>'[^']*'[^ ]*|[^ ]+)")


def plain_text(text: str, style: str = "") -> Text:
    """Return untrusted text as a sanitized rich Text without markup."""
    return Text(sanitize(text), style)


class Terminal:
    """The data console (`data`, stdout) and the message console (`messages`, stderr).

    `quiet` is the number of `-q` options: 1 disables messages and progress, 2 warnings too. Errors and data are always
    printed.
    """

    def __init__(
        self,
        out: TextIO | None = None,
        err: TextIO | None = None,
        *,
        quiet: int = 0,
        width: int | None = None,
        height: int | None = None,
    ) -> None:
        """Open both consoles; None is the stream of the process, and the measured `width` and `height`."""
        self.quiet = quiet
        self.data = _console(_DataConsole, sys.stdout if out is None else out, width, height)
        self.messages = _console(Console, sys.stderr if err is None else err, width, height)
        self.message_handler: Callable[[Text], None] | None = None
        """Receives messages while something is drawn in place on the message console."""

    @property
    def live(self) -> bool:
        """True if progress may be drawn in place on the message console."""
        return self.quiet == 0 and supports_cursor_control(self.messages) and not self.messages.legacy_windows

    def print_data(self, text: str, end: str = "\n") -> None:
        """Write sanitized data to stdout and flush.

        Bypasses rich, which would expand tabs: must not be used while a live view is on the data console.
        """
        self.data.file.write(sanitize(text) + end)
        self.data.file.flush()

    def print_json(self, value: object) -> None:
        """Write one JSON document on one line of stdout: a value with `to_json`, or one of JSON's own types.

        Raises:
            TypeError: `value` contains an object that is not JSON serializable.
        """
        utf8 = self.data.encoding.lower().replace("-", "").startswith("utf8")
        self.print_data(escape_control_json(json.dumps(to_json(value), ensure_ascii=not utf8, allow_nan=False)))

    def print_line(self, line: str | Text, indent: int = 0) -> None:
        """Print a line on stdout, wrapped at `indent` on a terminal. A `Text` must be sanitized already."""
        text = plain_text(line) if isinstance(line, str) else line
        self.data.print(_fit_width(self.data, text, indent), soft_wrap=True)

    def info(self, text: str, style: str = "", indent: int = 0) -> None:
        """Print a message on stderr, wrapped at `indent` on a terminal, unless `-q`."""
        if self.quiet < 1:
            for line in text.split("\n"):
                self._print_message(plain_text(line, style), indent)

    def warn(self, text: str) -> None:
        """Print a warning on stderr, unless `-qq`."""
        if self.quiet < 2:
            self._print_message(Text.assemble((_NAME, "yellow"), sanitize_line(text)), len(_NAME))

    def print_error(self, error: GruError) -> None:
        """Print the message of an error and its hint, two lines.

        On a terminal they overwrite the current line: the startup message, or the ^C that was typed.
        """
        if supports_cursor_control(self.messages):
            self.messages.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        self._print_message(Text.assemble((_NAME, "bold red"), sanitize_line(error.message)), len(_NAME))
        self._print_message(Text.assemble(" " * len(_NAME), sanitize_line(error.hint)), len(_NAME))

    def _print_message(self, line: Text, indent: int) -> None:
        line = _fit_width(self.messages, line, indent)
        if self.message_handler is not None:
            self.message_handler(line)
        else:
            self.messages.print(line, soft_wrap=True)


def _fit_width(console: Console, line: Text, indent: int) -> Text:
    return pad_for_word_wrap(line, console.width, indent) if console.is_terminal else line


def pad_for_word_wrap(line: Text, width: int, indent: int = 0) -> Text:
    """Return `line` padded so that a terminal of `width` columns wraps it between words, at `indent`.

    Spaces up to the edge instead of newlines: a command copied from the terminal is still one line.
    """
    if line.cell_len < width:
        return line
    indent = min(indent, width // 2)
    parts: list[Text | str] = []
    consumed = column = 0
    for match in _word.finditer(line.plain):
        begin, word = match.start("word"), match["word"]
        gap = begin - match.start()
        # The last column stays empty: otherwise two words would be copied as one.
        if column + gap > indent and column + gap + cell_len(word) >= width:
            gap = max(width - column + indent, 1)
            parts += [line[consumed : match.start()], " " * gap]
            consumed = begin
        column = _column_after(word, (column + gap) % width, width)
    return Text.assemble(*parts, line[consumed:])


def _column_after(word: str, column: int, width: int) -> int:
    """Return the column of the cursor after a word; the terminal does not break wide characters."""
    for char in word:
        cells = cell_len(char)
        column = cells if column + cells > width else column + cells
    return column


def supports_cursor_control(console: Console) -> bool:
    """Return True if `console` is a terminal with cursor control."""
    return console.is_terminal and not console.is_dumb_terminal


_current: Terminal | None = None


def open_terminal(quiet: int = 0) -> Terminal:
    """Open the consoles of the process; `terminal()` returns them from now on."""
    global _current
    _current = Terminal(quiet=quiet)
    return _current


def terminal() -> Terminal:
    """Return the consoles of the process, opened at the first call."""
    return _current if _current is not None else open_terminal()


class _DataConsole(Console):
    """A console that raises BrokenPipeError, where rich would exit with status 1."""

    def on_broken_pipe(self) -> None:
        """Re-raise the error being handled."""
        raise


def _console(console_class: type[Console], stream: TextIO, width: int | None, height: int | None) -> Console:
    """Wrap a stream; only its `isatty` decides whether it is a terminal, not FORCE_COLOR and the like."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        # A character that the encoding lacks must not end a long run.
        reconfigure(errors="backslashreplace")
    return console_class(
        file=stream,
        force_terminal=stream.isatty(),
        no_color=bool(os.environ.get("NO_COLOR")),
        width=width,
        height=height,
        markup=False,
        emoji=False,
        highlight=False,
    )
