"""A reply while it is drawn: its text at the pace a person reads, and under it a bar with how far it is."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.ui.live_text import LiveText

REDRAWS = 10  # a second; with the first and the last one there are never more than twelve
MIN_BAR, MAX_BAR = 6, 40  # columns


class ReplyView:
    """Shows one reply in a `with` block. `pace` is in characters a second, 0 for as fast as they come.

    `stopping` is asked whether the user has had enough: what was drawn so far is then shown at once. `clock` gives
    seconds, `sleep` takes them.
    """

    def __init__(
        self,
        console: Console,
        pace: float,
        stopping: Callable[[], bool],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.open = False
        self._console, self._text = console, LiveText(console)
        self._pace, self._stopping, self._clock, self._sleep = pace, stopping, clock, sleep
        self._seed = self._limit = self._shown = 0
        self._waiting = ""
        self._bits_per_char: float | None = None
        self._began = self._next_drawing = clock()

    def __enter__(self) -> Self:
        self._text.__enter__()
        self.open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open = False
        self._release(len(self._waiting))
        self._text.__exit__(kind, error, trace)

    def read(self, done: int, total: int) -> None:
        """Show how far the model is in reading a long line, in characters."""
        self._draw(progress_bar(self._console, done / total, [f"reading {done / total:4.0%}", f"{total:,} characters"]))

    def begin(self, seed: int, limit: int) -> None:
        """The reply begins now; `limit` is in characters."""
        self._seed, self._limit = seed, limit
        self._began = self._next_drawing = self._clock()
        self._draw(self._bar())
        self._next_drawing = self._began  # the first character need not wait

    def lead(self, text: str) -> None:
        """Show the text that the reply goes on from: its last line, and no more of that than leaves room."""
        line = text.rpartition("\n")[2]
        room = self._console.width // 2
        self._text.add(line if cell_len(line) <= room else "…" + line[-room:], "dim")

    def say(self, text: str, bits_per_char: float | None) -> None:
        """Show the next characters; returns when the last of them is due."""
        self._waiting += text
        self._bits_per_char = bits_per_char
        while self._waiting:
            self._release(self._due())
            self._draw(self._bar())
            if self._waiting:
                self._sleep(max(0.0, self._next_drawing - self._clock()))

    def _due(self) -> int:
        """How many of the waiting characters may be shown by now."""
        if self._pace == 0 or self._stopping():
            return len(self._waiting)
        return max(0, int((self._clock() - self._began) * self._pace) + 1 - self._shown)

    def _release(self, count: int) -> None:
        shown, self._waiting = self._waiting[:count], self._waiting[count:]
        self._shown += len(shown)
        self._text.add(shown)

    def _draw(self, bar: Text) -> None:
        now = self._clock()
        if now >= self._next_drawing:
            self._next_drawing = now + 1 / REDRAWS
            self._text.draw(bar)

    def _bar(self) -> Text:
        seconds = self._clock() - self._began
        fields = [
            f"{self._shown:{len(str(self._limit))}}/{self._limit}",
            f"{self._bits_per_char or 0:.2f} bits/char",
            f"{self._shown / seconds if seconds > 0 else 0:3,.0f} chars/s",
            f"seed {self._seed}",
        ]
        return progress_bar(self._console, self._shown / self._limit, fields)


def progress_bar(console: Console, share: float, fields: Sequence[str]) -> Text:
    """A bar filled to `share`, then `fields`, in one line; those that do not fit are left out, the last ones first.

    The first field is worth more than a long bar.
    """
    room = console.width - 1
    words = " · ".join(fitting(fields, room - MIN_BAR - 1) or fields[:1])
    columns = max(0, min(MAX_BAR, room - len(words) - 1))
    filled = min(columns, max(0, round(columns * share)))
    done, rest = "=-" if console.options.ascii_only else "━─"
    bar = Text.assemble((done * filled, "cyan"), (rest * (columns - filled), "dim"), " ", (words, "dim"))
    bar.truncate(room)
    return bar


def fitting(fields: Sequence[str], room: int) -> list[str]:
    """The first of `fields` that fit into `room` columns when joined by ` · `, empty ones left out."""
    chosen: list[str] = []
    for field in filter(None, fields):
        if len(" · ".join([*chosen, field])) > room:
            break
        chosen.append(field)
    return chosen
