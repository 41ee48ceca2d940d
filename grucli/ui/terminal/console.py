"""The two ways out of the program: data on stdout, messages on stderr. Everything printed goes through here.

Each stream is asked by itself whether it is a terminal. Every string passes `safe()` and prints literally: no markup,
no emoji codes, no highlighting, no wrapping of data. Tests hand in streams of their own and a width.
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
# What a shell would take for one word stays one: more blanks in a quoted name would name another file.
_word = re.compile(r" *(?P<word>'[^']*'[^ ]*|[^ ]+)")


def plain_text(text: str, style: str = "") -> Text:
    """Give untrusted text as something rich can draw: guarded, and with its brackets as they are."""
    return Text(sanitize(text), style)


class Terminal:
    """The data console (`data`, stdout), the message console (`messages`, stderr) and how quiet to be.

    `quiet` is how many `-q` were given: one silences messages and progress, two silence warnings as well. Errors and
    data are always printed.
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
        """Open both consoles; None means the process's own stream, `width` and `height` are measured unless given."""
        self.quiet = quiet
        self.data = _console(_DataConsole, sys.stdout if out is None else out, width, height)
        self.messages = _console(Console, sys.stderr if err is None else err, width, height)
        self.message_handler: Callable[[Text], None] | None = None
        """Takes a message while something is drawn in place on the message console."""

    @property
    def live(self) -> bool:
        """Whether progress may be drawn in place on the message console."""
        return self.quiet == 0 and supports_cursor_control(self.messages) and not self.messages.legacy_windows

    def print_data(self, text: str, end: str = "\n") -> None:
        """Write data to stdout exactly as it is, but for what `safe` takes out, and hand it on at once.

        Past rich, which would expand tabs: while a live view stands on the data console, print through that instead.
        """
        self.data.file.write(sanitize(text) + end)
        self.data.file.flush()

    def print_json(self, value: object) -> None:
        """Write one JSON document on one line of stdout: a value with `to_json`, or one of JSON's own types.

        Raises:
            TypeError: `value` holds something that JSON has no form for.
        """
        utf8 = self.data.encoding.lower().replace("-", "").startswith("utf8")
        self.print_data(escape_control_json(json.dumps(to_json(value), ensure_ascii=not utf8, allow_nan=False)))

    def print_line(self, line: str | Text, indent: int = 0) -> None:
        """Write a line for people to stdout; on a terminal its further rows begin at `indent`. A `Text` is guarded."""
        self.data.print(_fit_width(self.data, _sanitized(line), indent), soft_wrap=True)

    def info(self, text: str, style: str = "", indent: int = 0) -> None:
        """Write a message to stderr, unless `-q`; on a terminal the further rows of a line begin at `indent`."""
        if self.quiet < 1:
            for line in text.split("\n"):
                self._print_message(plain_text(line, style), indent)

    def warn(self, text: str) -> None:
        """Write a warning to stderr, unless `-qq`."""
        if self.quiet < 2:
            self._print_message(Text.assemble((_NAME, "yellow"), sanitize_line(text)), len(_NAME))

    def print_error(self, error: GruError) -> None:
        """Write the line that says what is wrong and the line that says what to do.

        On a terminal they take the place of what stands in the line: the first word, or the ^C that was typed.
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


def _sanitized(line: str | Text) -> Text:
    return plain_text(line) if isinstance(line, str) else line


def _fit_width(console: Console, line: Text, indent: int) -> Text:
    return pad_for_word_wrap(line, console.width, indent) if console.is_terminal else line


def pad_for_word_wrap(line: Text, width: int, indent: int = 0) -> Text:
    """Give `line` so that a terminal of `width` columns breaks it between words alone, and further rows at `indent`.

    There are blanks up to the edge instead of line ends: whoever copies a command gets one line, which means the same.
    """
    if line.cell_len < width:
        return line
    indent = min(indent, width // 2)
    parts: list[Text | str] = []
    consumed = column = 0
    for match in _word.finditer(line.plain):
        begin, word = match.start("word"), match["word"]
        gap = begin - match.start()
        # The last column stays blank: without it two words would be copied as one.
        if column + gap > indent and column + gap + cell_len(word) >= width:
            gap = max(width - column + indent, 1)
            parts += [line[consumed : match.start()], " " * gap]
            consumed = begin
        column = _column_after(word, (column + gap) % width, width)
    return Text.assemble(*parts, line[consumed:])


def _column_after(word: str, column: int, width: int) -> int:
    """Where the cursor is after a word, which the terminal breaks where it must, but not within a wide character."""
    for char in word:
        cells = cell_len(char)
        column = cells if column + cells > width else column + cells
    return column


def supports_cursor_control(console: Console) -> bool:
    """Whether what was drawn on `console` can be drawn over: a terminal, and one that knows how."""
    return console.is_terminal and not console.is_dumb_terminal


_current: Terminal | None = None


def open_terminal(quiet: int = 0) -> Terminal:
    """Open the process's consoles anew, as quiet as asked, and make them what `terminal()` gives."""
    return set_terminal(Terminal(quiet=quiet))


def set_terminal(new_terminal: Terminal) -> Terminal:
    """Make `chosen` what `terminal()` gives, for tests that hand in their own streams."""
    global _current
    _current = new_terminal
    return new_terminal


def terminal() -> Terminal:
    """The consoles of this process, opened at the first call."""
    return _current if _current is not None else open_terminal()


class _DataConsole(Console):
    """One that tells its callers that whoever read it is gone, where rich would end the program as if it had failed."""

    def on_broken_pipe(self) -> None:
        """Let the error pass that is being handled."""
        raise


def _console(console_class: type[Console], stream: TextIO, width: int | None, height: int | None) -> Console:
    """Wrap a stream. Its own `isatty` decides, whatever the environment would force on a pipe."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        # A character that the stream's encoding lacks must not end a run that took an hour.
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
