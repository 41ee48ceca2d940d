"""Several replies that stream together: side by side, a progress bar below each of them.

Rows that no column will change any more go to the scrollback, the others are live. A terminal that became narrower
meanwhile has broken the rows in the scrollback, so the replies are printed again at the end. In a terminal too narrow
for columns the replies are stacked, and go to the scrollback as they end. On a console without cursor control each is
printed when all have ended.
"""

from collections import deque
from collections.abc import Sequence
from itertools import zip_longest
from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.chat.turns import Turn
from grucli.ui.chat.reply_view import tail
from grucli.ui.terminal.formatting import fit_fields, progress_bar
from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.terminal.live_text import FramePacer
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.wrapping import IncrementalWrapper, RenderedLine

MIN_SIDE_BY_SIDE_COLUMNS = 60  # of the terminal
_MIN_REPLY_COLUMNS, _MAX_REPLY_COLUMNS, _GAP = 16, 72, 3
_MIN_REPLY_LINES = 3  # a title, a line of text, a bar


class _ReplyColumn:
    """One of the replies: the text shown, the text pending, and how it ended."""

    def __init__(self, title: str, prefix: str, seed: int, max_chars: int) -> None:
        self.title = Text(title, "bold cyan")
        self.pending = ""
        self.shown = 0
        self.bits_per_char: float | None = None
        self.ended = False
        self.stopped = ""
        self._seed, self._max_chars = seed, max_chars
        self._prefix, self._chunks = prefix, list[str]()
        self.text = IncrementalWrapper()
        self.reset()

    def reset(self) -> None:
        """Mark all text as not printed yet."""
        self.text = IncrementalWrapper()
        self.text.feed(self._prefix, "dim")
        self.text.feed("".join(self._chunks))

    @property
    def finished(self) -> bool:
        """True if all of it is shown."""
        return self.ended and not self.pending

    def release(self, count: int) -> None:
        """Show the next `count` characters."""
        shown, self.pending = self.pending[:count], self.pending[count:]
        self.shown += len(shown)
        self._chunks.append(shown)
        self.text.feed(shown)

    def lines(self, width: int) -> list[RenderedLine]:
        """Return the lines that were not discarded; until the reply has ended, the last one is incomplete."""
        lines = self.text.lines(width)
        return lines[:-1] if self.finished and not lines[-1] else lines

    def footer(self, console: Console, width: int) -> Text:
        """Return the progress bar, or after the end the figures of the reply."""
        bits = "" if self.bits_per_char is None else f"{self.bits_per_char:.2f} bits/char"
        if not self.finished:
            fields = [f"{self.shown:{len(str(self._max_chars))}}/{self._max_chars}", bits]
            return progress_bar(console, self.shown / self._max_chars, fields, width)
        ending = {"length": "length limit", "interrupted": "stopped"}.get(self.stopped, "")
        counted = f"{self.shown} chars"
        if len(f"{counted} · {bits}") > width:
            bits = bits.removesuffix("/char")
        return Text(" · ".join(fit_fields([counted, bits, ending, f"seed {self._seed}"], width)), "dim")


class SpreadView:
    """Shows several replies in a `with` block, at the pace of `pacer`."""

    def __init__(self, console: Console, pacer: FramePacer) -> None:
        self._console, self._pacer, self._region = console, pacer, LiveRegion(console)
        self._replies: list[_ReplyColumn] = []
        self._stacked = False
        self._columns = self._min_columns = 0  # of the terminal: at the start, and the minimum since
        self._printed = 0  # stacked replies in the scrollback

    def __enter__(self) -> Self:
        self._region.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for reply in self._replies:
            reply.release(len(reply.pending))
            reply.ended = True
        with self._console:
            self._min_columns = min(self._min_columns, self._console.width)
            header = self._restart() if self._min_columns < self._columns and not self._stacked else []
            finished, live = self._stack() if self._stacked else self._rows()
            finished = [*header, *finished]
            if self._region.live:
                self._region.render([*finished, *live, Text()], [])
            else:
                self._console.print(*finished, *live, Text(), sep="\n", soft_wrap=True)
            self._region.__exit__(None, None, None)

    def start(self, titles: Sequence[str], prefix: str, seed: int, max_chars: int) -> None:
        """Start replies of up to `max_chars` characters each."""
        titles = [f"{number} · {sanitize_line(title)}" for number, title in enumerate(titles, 1)]
        width = self._column_width(len(titles))
        self._columns = self._min_columns = self._console.width
        self._stacked = self._must_stack(width)
        prefix_columns = (self._region.width if self._stacked else width) // 2
        self._replies = [_ReplyColumn(title, tail(prefix, prefix_columns), seed, max_chars) for title in titles]
        self._pacer.start()
        if not self._stacked:
            self._region.render([self._titles(width)], [])
        if self._pacer.frame_due():
            self._render()
        self._pacer.force_frame()  # show the first characters at once

    def write(self, column: int, text: str, bits_per_char: float | None) -> None:
        """Add the next characters of a reply; return when one of the replies has nothing left to show."""
        reply = self._replies[column]
        reply.pending += text
        reply.bits_per_char = bits_per_char
        self._show()

    def finish(self, column: int, turn: Turn) -> None:
        """End a reply; return as `write` does, after the last one when everything is shown."""
        reply = self._replies[column]
        reply.ended, reply.stopped, reply.bits_per_char = True, turn.stopped, turn.bits_per_char
        self._show()

    def _show(self) -> None:
        while all(reply.pending or reply.ended for reply in self._replies):
            for reply in self._replies:
                if reply.pending:
                    reply.release(self._pacer.chars_due(reply.shown, len(reply.pending)))
            if self._pacer.frame_due():
                self._render()
            if not any(reply.pending for reply in self._replies):
                break
            self._pacer.wait_for_frame()

    def _restart(self) -> list[RenderedLine]:
        """Lay out all replies again in the current width, and return the rows before them."""
        for reply in self._replies:
            reply.reset()
        width = self._column_width(len(self._replies))
        self._stacked = self._must_stack(width)
        return [Text()] if self._stacked else [Text(), self._titles(width)]

    def _must_stack(self, width: int) -> bool:
        return not self._region.live or self._console.width < MIN_SIDE_BY_SIDE_COLUMNS or width < _MIN_REPLY_COLUMNS

    def _titles(self, width: int) -> RenderedLine:
        return self._row([reply.title for reply in self._replies], width)

    def _column_width(self, columns: int) -> int:
        return max(min((self._region.width - _GAP * (columns - 1)) // columns, _MAX_REPLY_COLUMNS), 1)

    def _render(self) -> None:
        if self._region.live:
            self._min_columns = min(self._min_columns, self._console.width)
            finished, live = self._stack() if self._stacked else self._rows()
            self._region.render(finished, live[-self._region.max_lines :])

    def _rows(self) -> tuple[list[RenderedLine], list[RenderedLine]]:
        """Return the finished rows, then the live ones with the progress bars."""
        width = self._column_width(len(self._replies))
        lines = [reply.lines(width) for reply in self._replies]
        finished = [len(each) - 1 for each, reply in zip(lines, self._replies, strict=True) if not reply.finished]
        num_finished = min(finished, default=max(map(len, lines), default=0))
        rows = [self._row(row, width) for row in zip_longest(*lines, fillvalue="")]
        for reply in self._replies:
            reply.text.discard(width, num_finished)
        return rows[:num_finished], [
            *rows[num_finished:],
            self._row([reply.footer(self._console, width) for reply in self._replies], width),
        ]

    def _stack(self) -> tuple[list[RenderedLine], list[RenderedLine]]:
        """Return the finished replies with their footers, then the end of each of the others with its progress bar."""
        width, finished, live = self._region.width, [], []
        remaining = deque(self._replies[self._printed :])
        while remaining and remaining[0].finished:
            reply = remaining.popleft()
            gap = [Text()] if self._printed else []
            finished += [*gap, reply.title, *reply.lines(width), reply.footer(self._console, width)]
            self._printed += 1
        max_lines = max(self._region.max_lines // max(len(remaining), 1), _MIN_REPLY_LINES)
        for reply in list(remaining)[: self._region.max_lines // max_lines]:
            live += [reply.title, *reply.lines(width)[2 - max_lines :], reply.footer(self._console, width)]
        return finished, live

    def _row(self, cells: Sequence[RenderedLine], width: int) -> RenderedLine:
        if all(isinstance(cell, str) for cell in cells):
            return "".join(str(cell) + " " * (width + _GAP - cell_len(str(cell))) for cell in cells).rstrip()
        row = Text()
        for column, cell in enumerate(cells):
            row.append(" " * (column * (width + _GAP) - row.cell_len))
            row.append_text(Text.assemble(cell))
        return row
