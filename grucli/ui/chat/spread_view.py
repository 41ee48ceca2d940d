"""Several replies to the same words while they are drawn: beside each other, a bar under each of them.

Rows that no column will change any more go to the scrollback, the others are live. A terminal that has become narrower
meanwhile has broken them there, whatever it is in the end, so then the replies are printed anew. Where the terminal has
no room for columns the replies stand one above the other, and go to the scrollback as they end. On a console that
cannot be drawn over each is printed when all have ended.
"""

from collections import deque
from collections.abc import Sequence
from itertools import zip_longest
from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.chat.turns import Turn
from grucli.ui.chat.reply_view import last_words
from grucli.ui.terminal.frame_pacer import Rhythm
from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.terminal.progress import fitting, progress_bar
from grucli.ui.terminal.sanitize import safe_line
from grucli.ui.terminal.wrapping import Growing, Line

NARROW = 60  # columns of a terminal: below, replies stand one above the other
_NARROWEST, _WIDEST, _GAP = 16, 72, 3  # columns of a reply, and between two
_LOWEST = 3  # lines: a title, a line of text, a bar


class _Reply:
    """One of the replies: what is shown of it, what waits to be, and how it ended."""

    def __init__(self, title: str, lead: str, seed: int, limit: int) -> None:
        self.title = Text(title, "bold cyan")
        self.waiting = ""
        self.shown = 0
        self.bits_per_char: float | None = None
        self.ended = False
        self.stopped = ""
        self._seed, self._limit = seed, limit
        self._lead, self._said = lead, list[str]()
        self._text = Growing()
        self.begin_again()

    def begin_again(self) -> None:
        """Take nothing of it for taken."""
        self._text = Growing()
        self._text.add(self._lead, "dim")
        self._text.add("".join(self._said))

    @property
    def over(self) -> bool:
        """Whether all of it is shown."""
        return self.ended and not self.waiting

    def release(self, count: int) -> None:
        """Show some more of it."""
        shown, self.waiting = self.waiting[:count], self.waiting[count:]
        self.shown += len(shown)
        self._said.append(shown)
        self._text.add(shown)

    def lines(self, width: int) -> list[Line]:
        """The lines that were not taken; while it is not over, the last one is not finished."""
        lines = self._text.lines(width)
        return lines[:-1] if self.over and not lines[-1] else lines

    def drop(self, width: int, count: int) -> None:
        """Take away the first lines, so many, or all there are."""
        self._text.drop(width, count)

    def footer(self, console: Console, width: int) -> Text:
        """How far it is, or how long it has become."""
        bits = "" if self.bits_per_char is None else f"{self.bits_per_char:.2f} bits/char"
        if not self.over:
            fields = [f"{self.shown:{len(str(self._limit))}}/{self._limit}", bits]
            return progress_bar(console, self.shown / self._limit, fields, width)
        cut = {"length": "at the limit", "interrupted": "stopped"}.get(self.stopped, "")
        counted = f"{self.shown} chars"
        if len(f"{counted} · {bits}") > width:
            bits = bits.removesuffix("/char")
        return Text(" · ".join(fitting([counted, bits, cut, f"seed {self._seed}"], width)), "dim")


class SpreadView:
    """Shows several replies in a `with` block, in the rhythm given."""

    def __init__(self, console: Console, rhythm: Rhythm) -> None:
        self._console, self._rhythm, self._region = console, rhythm, LiveRegion(console)
        self._replies: list[_Reply] = []
        self._stacked = False
        self._columns = self._narrowest = 0  # of the terminal, when they began and at any time since
        self._printed = 0  # replies that are in the scrollback, where they are stacked

    def __enter__(self) -> Self:
        self._region.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reply in self._replies:
            reply.release(len(reply.waiting))
            reply.ended = True
        with self._console:
            self._narrowest = min(self._narrowest, self._console.width)
            anew = self._begin_again() if self._narrowest < self._columns and not self._stacked else []
            finished, live = self._stack() if self._stacked else self._rows()
            finished = [*anew, *finished]
            if self._region.live:
                self._region.draw([*finished, *live, Text()], [])
            else:
                self._console.print(*finished, *live, Text(), sep="\n", soft_wrap=True)
            self._region.__exit__(kind, error, trace)

    def begin(self, titles: Sequence[str], lead: str, seed: int, limit: int) -> None:
        """The replies begin now; `limit` is in characters, and the same for all."""
        titles = [f"{number} · {safe_line(title)}" for number, title in enumerate(titles, 1)]
        width = self._share(len(titles))
        self._columns = self._narrowest = self._console.width
        self._stacked = self._too_narrow(width)
        room = (self._region.width if self._stacked else width) // 2
        self._replies = [_Reply(title, last_words(lead, room), seed, limit) for title in titles]
        self._rhythm.begin()
        if not self._stacked:
            self._region.draw([self._titles(width)], [])
        if self._rhythm.beat():
            self._draw()
        self._rhythm.hurry()  # the first characters need not wait

    def say(self, column: int, text: str, bits_per_char: float | None) -> None:
        """Take the next characters of a reply; returns when there is nothing left to show of one of them."""
        reply = self._replies[column]
        reply.waiting += text
        reply.bits_per_char = bits_per_char
        self._show()

    def end(self, column: int, turn: Turn) -> None:
        """One of the replies is over; returns as `say` does, after the last one when all is shown."""
        reply = self._replies[column]
        reply.ended, reply.stopped, reply.bits_per_char = True, turn.stopped, turn.bits_per_char
        self._show()

    def _show(self) -> None:
        while all(reply.waiting or reply.ended for reply in self._replies):
            for reply in self._replies:
                if reply.waiting:
                    reply.release(self._rhythm.due(reply.shown, len(reply.waiting)))
            if self._rhythm.beat():
                self._draw()
            if not any(reply.waiting for reply in self._replies):
                break
            self._rhythm.rest()

    def _begin_again(self) -> list[Line]:
        """Draw all of them once more, as there is room for them now; what comes before the first rows."""
        for reply in self._replies:
            reply.begin_again()
        width = self._share(len(self._replies))
        self._stacked = self._too_narrow(width)
        return [Text()] if self._stacked else [Text(), self._titles(width)]

    def _too_narrow(self, width: int) -> bool:
        """Whether there is no room for columns of this width, or no way to draw them."""
        return not self._region.live or self._console.width < NARROW or width < _NARROWEST

    def _titles(self, width: int) -> Line:
        return self._row([reply.title for reply in self._replies], width)

    def _share(self, columns: int) -> int:
        """The columns of the terminal that each reply has where they stand beside each other."""
        return max(min((self._region.width - _GAP * (columns - 1)) // columns, _WIDEST), 1)

    def _draw(self) -> None:
        if self._region.live:
            self._narrowest = min(self._narrowest, self._console.width)
            finished, live = self._stack() if self._stacked else self._rows()
            self._region.draw(finished, live[-self._region.room :])

    def _rows(self) -> tuple[list[Line], list[Line]]:
        """The rows that are finished, then those that are not and the bars under them."""
        width = self._share(len(self._replies))
        lines = [reply.lines(width) for reply in self._replies]
        finished = [len(each) - 1 for each, reply in zip(lines, self._replies, strict=True) if not reply.over]
        done = min(finished, default=max(map(len, lines), default=0))
        rows = [self._row(row, width) for row in zip_longest(*lines, fillvalue="")]
        for reply in self._replies:
            reply.drop(width, done)
        return rows[:done], [
            *rows[done:],
            self._row([reply.footer(self._console, width) for reply in self._replies], width),
        ]

    def _stack(self) -> tuple[list[Line], list[Line]]:
        """The replies that are over, each with its footer, then the end of each of the others with its bar."""
        width, finished, live = self._region.width, [], []
        waiting = deque(self._replies[self._printed :])
        while waiting and waiting[0].over:
            reply = waiting.popleft()
            gap = [Text()] if self._printed else []
            finished += [*gap, reply.title, *reply.lines(width), reply.footer(self._console, width)]
            self._printed += 1
        each = max(self._region.room // max(len(waiting), 1), _LOWEST)
        for reply in list(waiting)[: self._region.room // each]:
            live += [reply.title, *reply.lines(width)[2 - each :], reply.footer(self._console, width)]
        return finished, live

    def _row(self, cells: Sequence[Line], width: int) -> Line:
        """Cells beside each other."""
        if all(isinstance(cell, str) for cell in cells):
            return "".join(_padded(str(cell), width + _GAP) for cell in cells).rstrip()
        row = Text()
        for column, cell in enumerate(cells):
            row.append(" " * (column * (width + _GAP) - row.cell_len))
            row.append_text(Text.assemble(cell))
        return row


def _padded(text: str, width: int) -> str:
    """The text with blanks behind it up to `width` columns; most need not be measured."""
    return text.ljust(width) if text.isascii() else text + " " * (width - cell_len(text))
