"""A reply while it streams: its text at a reading pace, and a progress bar below it."""

from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.ui.terminal.formatting import pluralize
from grucli.ui.terminal.frame_pacer import FramePacer
from grucli.ui.terminal.live_text import LiveText
from grucli.ui.terminal.progress import progress_bar


class ReplyView:
    """Shows one reply in a `with` block, at the pace of `pacer`."""

    def __init__(self, console: Console, pacer: FramePacer) -> None:
        self._console, self._pacer, self._text = console, pacer, LiveText(console)
        self._seed = self._max_chars = self._shown = 0
        self._pending = ""
        self._bits_per_char: float | None = None

    def __enter__(self) -> Self:
        self._text.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._release(len(self._pending))
        self._text.__exit__(None, None, None)

    def read(self, done: int, total: int) -> None:
        """Show how many of `total` characters of a long text the model has read."""
        if self._pacer.frame_due():
            fields = [f"reading {done / total:4.0%}", pluralize(total, "character")]
            self._text.render(progress_bar(self._console, done / total, fields))

    def start(self, seed: int, max_chars: int) -> None:
        """Start a reply of up to `max_chars` characters."""
        self._seed, self._max_chars = seed, max_chars
        self._pacer.start()
        self._render()
        self._pacer.force_frame()  # show the first character at once

    def show_prefix(self, text: str) -> None:
        """Show the end of the text that the reply continues, in half a line."""
        self._text.add(tail(text, self._console.width // 2), "dim")

    def write(self, text: str, bits_per_char: float | None) -> None:
        """Show the next characters; return when the last of them is due."""
        self._pending += text
        self._bits_per_char = bits_per_char
        while self._pending:
            self._release(self._pacer.chars_due(self._shown, len(self._pending)))
            self._render()
            if self._pending:
                self._pacer.wait_for_frame()

    def _release(self, count: int) -> None:
        shown, self._pending = self._pending[:count], self._pending[count:]
        self._shown += len(shown)
        self._text.add(shown)

    def _render(self) -> None:
        if self._pacer.frame_due():
            self._text.render(self._bar())

    def _bar(self) -> Text:
        seconds = self._pacer.seconds
        fields = [
            f"{self._shown:{len(str(self._max_chars))}}/{self._max_chars}",
            f"{self._bits_per_char or 0:.2f} bits/char",
            f"{self._shown / seconds if seconds > 0 else 0:3,.0f} chars/s",
            f"seed {self._seed}",
        ]
        return progress_bar(self._console, self._shown / self._max_chars, fields)


def tail(text: str, width: int) -> str:
    """Return the last line of `text`, or its end after an ellipsis if it has more than `width` columns."""
    line = text.rpartition("\n")[2]
    if cell_len(line) <= width:
        return line
    start = len(line)
    while start > 0 and cell_len(line[start - 1 :]) <= width:
        start -= 1
    return "…" + line[start:]
