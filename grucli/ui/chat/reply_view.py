"""A reply while it is drawn: its text at the pace a person reads, and under it a bar with how far it is."""

from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.ui.terminal.formatting import count_of
from grucli.ui.terminal.frame_pacer import Rhythm
from grucli.ui.terminal.live_text import LiveText
from grucli.ui.terminal.progress import progress_bar


class ReplyView:
    """Shows one reply in a `with` block, in the rhythm given."""

    def __init__(self, console: Console, rhythm: Rhythm) -> None:
        self._console, self._rhythm, self._text = console, rhythm, LiveText(console)
        self._seed = self._limit = self._shown = 0
        self._waiting = ""
        self._bits_per_char: float | None = None

    def __enter__(self) -> Self:
        self._text.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release(len(self._waiting))
        self._text.__exit__(kind, error, trace)

    def read(self, done: int, total: int) -> None:
        """Show how far the model is in reading a long line, in characters."""
        if self._rhythm.beat():
            fields = [f"reading {done / total:4.0%}", count_of(total, "character")]
            self._text.draw(progress_bar(self._console, done / total, fields))

    def begin(self, seed: int, limit: int) -> None:
        """The reply begins now; `limit` is in characters."""
        self._seed, self._limit = seed, limit
        self._rhythm.begin()
        self._draw()
        self._rhythm.hurry()  # the first character need not wait

    def lead(self, text: str) -> None:
        """Show the text that the reply goes on from: its last line, and no more of that than leaves room."""
        self._text.add(last_words(text, self._console.width // 2), "dim")

    def say(self, text: str, bits_per_char: float | None) -> None:
        """Show the next characters; returns when the last of them is due."""
        self._waiting += text
        self._bits_per_char = bits_per_char
        while self._waiting:
            self._release(self._rhythm.due(self._shown, len(self._waiting)))
            self._draw()
            if self._waiting:
                self._rhythm.rest()

    def _release(self, count: int) -> None:
        shown, self._waiting = self._waiting[:count], self._waiting[count:]
        self._shown += len(shown)
        self._text.add(shown)

    def _draw(self) -> None:
        if self._rhythm.beat():
            self._text.draw(self._bar())

    def _bar(self) -> Text:
        seconds = self._rhythm.seconds
        fields = [
            f"{self._shown:{len(str(self._limit))}}/{self._limit}",
            f"{self._bits_per_char or 0:.2f} bits/char",
            f"{self._shown / seconds if seconds > 0 else 0:3,.0f} chars/s",
            f"seed {self._seed}",
        ]
        return progress_bar(self._console, self._shown / self._limit, fields)


def last_words(text: str, room: int) -> str:
    """The last line of `text`, or its end with a mark where it has more than `room` columns."""
    line = text.rpartition("\n")[2]
    if cell_len(line) <= room:
        return line
    start = len(line)
    while start > 0 and cell_len(line[start - 1 :]) <= room:
        start -= 1
    return "…" + line[start:]
