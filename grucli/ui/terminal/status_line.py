"""A word on the screen while nothing else can be: libraries load, kernels compile, files are read."""

import time
from collections.abc import Callable

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.progress import progress_bar
from grucli.ui.terminal.sanitize import safe_line
from grucli.ui.terminal.startup_message import FIRST_WORD
from grucli.ui.terminal.transient_bar import TransientBar
from grucli.ui.training.dashboard import COMPILING

_LOADING_SECONDS = 3.0


class Waiting(TransientBar):
    """Says on stderr's terminal that work goes on, and takes its words back at the end. Silent everywhere else.

    Loading compiled kernels takes no more than a moment; whoever waits longer is waiting for the compiler.
    """

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._clock = clock
        self._began = clock()
        self._words: str | None = None
        self._share: float | None = None

    def say(self, words: str) -> None:
        """Say what is being done; until then, that work goes on."""
        self.progress(words, 0, None)

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Say what is being done, and how much of it is."""
        self._words, self._share = stage, min(done / total, 1.0) if total else None

    def _draw(self) -> list[Text]:
        words, share = self._words, self._share
        if words is not None and share is not None:
            return [progress_bar(self._terminal.messages, share, [f"{share:4.0%}", safe_line(words)])]
        waited = self._clock() - self._began
        loading = FIRST_WORD if waited < _LOADING_SECONDS else f"{COMPILING} ({waited:.0f} s)"
        line = Text(safe_line(loading if words is None else words))
        line.truncate(self._width)
        return [line]
