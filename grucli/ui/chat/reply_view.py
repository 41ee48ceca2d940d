"""A reply while it streams: its text at a reading pace, and a progress bar below it."""

from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.errors import pluralize
from grucli.ui.terminal.formatting import progress_bar
from grucli.ui.terminal.live_text import FramePacer, PacedText


class ReplyView:
    """Shows one reply in a `with` block, at the pace of `pacer`."""

    def __init__(self, console: Console, pacer: FramePacer) -> None:
        self._console, self._pacer, self._text = console, pacer, PacedText(console, pacer)
        self._seed = self._max_chars = 0
        self._bits_per_char: float | None = None

    def __enter__(self) -> Self:
        self._text.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._text.__exit__(*exc_info)

    def read(self, done: int, total: int) -> None:
        """Show how many of `total` characters of a long text the model has read."""
        fields = [f"reading {done / total:4.0%}", pluralize(total, "character")]
        self._text.render_if_due(lambda: progress_bar(self._console, done / total, fields))

    def start(self, prefix: str, seed: int, max_chars: int) -> None:
        """Start a reply of up to `max_chars` characters; show the end of the text that it continues in half a row."""
        self._seed, self._max_chars = seed, max_chars
        self._pacer.start()
        self._text.render_if_due(self._bar)
        self._pacer.force_frame()  # show the first character at once
        self._text.add(tail(prefix, self._console.width // 2), "dim")

    def write(self, text: str, bits_per_char: float | None) -> None:
        """Show the next characters; return when the last of them is due."""
        self._bits_per_char = bits_per_char
        self._text.write(text, self._bar)

    def _bar(self) -> Text:
        seconds, shown = self._pacer.seconds, self._text.shown
        fields = [
            f"{shown:{len(str(self._max_chars))}}/{self._max_chars}",
            f"{self._bits_per_char or 0:.2f} bits/char",
            f"{shown / seconds if seconds > 0 else 0:3,.0f} chars/s",
            f"seed {self._seed}",
        ]
        return progress_bar(self._console, shown / self._max_chars, fields)


def tail(text: str, width: int) -> str:
    """Return the last line of `text`, or its end after an ellipsis if it has more than `width` columns."""
    line = text.rpartition("\n")[2]
    if cell_len(line) <= width:
        return line
    start = len(line)
    while start > 0 and cell_len(line[start - 1 :]) <= width:
        start -= 1
    return "…" + line[start:]
