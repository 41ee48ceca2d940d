"""Lines on stderr's terminal while work is in progress, removed at the end. Nothing is printed elsewhere."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import progress_bar
from grucli.ui.terminal.live_display import LiveDisplay
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import COMPILING_MESSAGE, STARTUP_MESSAGE

_MAX_LOADING_SECONDS = 3.0  # loading cached kernels takes less: after that they are being compiled


class TransientBar(ABC):
    """Draws its lines inside a `with` block, or from `show_bar` until `hide_bar`, in a thread."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._live: LiveDisplay | None = None

    def __enter__(self) -> Self:
        self.show_bar()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.hide_bar()

    def show_bar(self) -> None:
        """Start drawing, unless already started or not on a terminal."""
        if self._terminal.live and self._live is None:
            self._live = LiveDisplay(self._terminal, self._render)
            self._live.start()

    def hide_bar(self) -> None:
        """Remove the bar, if there is one."""
        if self._live is not None:
            self._live.stop(keep=False)
            self._live = None

    @property
    def _width(self) -> int:
        return max(self._terminal.messages.width - 1, 1)

    @abstractmethod
    def _render(self) -> Sequence[Text]:
        """Return the current lines, at most `_width` columns each."""


class StatusLine(TransientBar):
    """Shows what is being done: loading, compiling, or the latest `update` or `progress`."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._clock = clock
        self._started_at = clock()
        self._message: str | None = None
        self._progress: float | None = None

    def update(self, message: str) -> None:
        """Set the message."""
        self.progress(message, 0, None)

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Set the message and the progress; `total` None shows no bar."""
        self._message, self._progress = stage, min(done / total, 1.0) if total else None

    def _render(self) -> list[Text]:
        message, progress = self._message, self._progress
        if message is not None and progress is not None:
            return [progress_bar(self._terminal.messages, progress, [f"{progress:4.0%}", sanitize_line(message)])]
        elapsed = self._clock() - self._started_at
        loading = STARTUP_MESSAGE if elapsed < _MAX_LOADING_SECONDS else f"{COMPILING_MESSAGE} ({elapsed:.0f} s)"
        line = Text(sanitize_line(loading if message is None else message))
        line.truncate(self._width)
        return [line]
