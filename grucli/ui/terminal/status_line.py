"""A word on the screen while nothing else can be: libraries load, kernels compile, files are read."""

import time
from collections.abc import Callable

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.progress import progress_bar
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import STARTUP_MESSAGE
from grucli.ui.terminal.transient_bar import TransientBar
from grucli.ui.training.dashboard import COMPILING_MESSAGE

_LOADING_SECONDS = 3.0


class StatusLine(TransientBar):
    """Says on stderr's terminal that work goes on, and takes its words back at the end. Silent everywhere else.

    Loading compiled kernels takes no more than a moment; whoever waits longer is waiting for the compiler.
    """

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._clock = clock
        self._started_at = clock()
        self._message: str | None = None
        self._progress: float | None = None

    def update(self, message: str) -> None:
        """Say what is being done; until then, that work goes on."""
        self.progress(message, 0, None)

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Say what is being done, and how much of it is."""
        self._message, self._progress = stage, min(done / total, 1.0) if total else None

    def _render(self) -> list[Text]:
        message, progress = self._message, self._progress
        if message is not None and progress is not None:
            return [progress_bar(self._terminal.messages, progress, [f"{progress:4.0%}", sanitize_line(message)])]
        elapsed = self._clock() - self._started_at
        loading = STARTUP_MESSAGE if elapsed < _LOADING_SECONDS else f"{COMPILING_MESSAGE} ({elapsed:.0f} s)"
        line = Text(sanitize_line(loading if message is None else message))
        line.truncate(self._width)
        return [line]
