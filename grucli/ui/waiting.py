"""A word on the screen while nothing else can be: libraries load, kernels compile, files are read."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.text import Text

from grucli.ui.console import Terminal
from grucli.ui.first_word import FIRST_WORD
from grucli.ui.live_picture import LivePicture
from grucli.ui.safe import safe_line
from grucli.ui.train_picture import COMPILING

_LOADING_SECONDS = 3.0


class Waiting:
    """Says on stderr's terminal that work goes on, and takes its words back at the end. Silent everywhere else.

    Loading compiled kernels takes no more than a moment; whoever waits longer is waiting for the compiler.
    """

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._words: str | None = None
        self._messages = terminal.messages
        self._live = LivePicture(terminal.messages, lambda: [self._draw()]) if terminal.live else None

    def __enter__(self) -> Self:
        """Show the first words at once."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the words back."""
        self.end()

    def say(self, words: str) -> None:
        """Say what is being done; until then, that work goes on."""
        self._words = words

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Say what is being done, and how much of it is."""
        self._words = f"{stage} {min(done / total, 1.0):.0%}" if total else stage

    def end(self) -> None:
        """Take the words back, if that has not been done."""
        if self._live is not None:
            self._live.stop(keep=False)
            self._live = None

    def _draw(self) -> Text:
        waited = self._clock() - self._began
        words = FIRST_WORD if waited < _LOADING_SECONDS else f"{COMPILING} ({waited:.0f} s)"
        line = Text(safe_line(words if self._words is None else self._words))
        line.truncate(max(self._messages.width - 1, 1))
        return line
