"""Samples on stdout: the first one appears at the pace of a reader on a terminal, a line `--` between any two."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from grucli.chat.pace import checked_pace
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import safe
from grucli.ui.terminal.status_line import Waiting
from grucli.ui.terminal.typewriter import Typist
from grucli.ui.views.sample_progress import BatchView

SEPARATOR = "--"
_WRITES_PER_SECOND = 60
_CATCH_UP_SECONDS = 0.1


class StreamView:
    """Writes samples one after the other. `pace` is characters a second, 0 all the speed there is.

    Off a terminal there is no pace, and nothing but the text and the separators. Use as a context manager: until the
    first sample it says that work goes on.
    """

    def __init__(
        self,
        terminal: Terminal,
        pace: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin with nothing written; `clock` gives seconds and `sleep` takes them.

        Raises:
            UsageError: `pace` is not a number from 0 up.
        """
        self._terminal = terminal
        pace = checked_pace(pace)
        self._pace = pace if self.streams else 0.0
        self._clock = clock
        self._sleep = sleep
        self._shown = 0
        self._due = 0.0
        self._waiting = Waiting(terminal, clock)
        self._typist = Typist(terminal.data)

    @property
    def streams(self) -> bool:
        """Whether somebody watches the text appear."""
        return self._terminal.data.is_terminal

    def __enter__(self) -> Self:
        """Say that work goes on."""
        self._waiting.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say no longer that work goes on."""
        self._waiting.hide_bar()

    def stream(self, slices: Iterable[str], prompt: str = "") -> None:
        """Write one sample as its slices are drawn, after its prompt. One that is cut short still ends its line."""
        begun = False
        try:
            for text in slices:
                if not begun:
                    self._begin(prompt)
                    begun = True
                self._write(safe(text))
        finally:
            if begun:
                self._put("\n")

    def show(self, text: str, prompt: str = "") -> None:
        """Write one sample that is complete, after its prompt."""
        self._begin(prompt)
        self._put(text)
        self._put("\n")

    def show_json(self, sample: object) -> None:
        """Write one sample as a JSON document of its own line."""
        self._waiting.hide_bar()
        self._terminal.print_json(sample)

    def batch(self, n: int) -> BatchView:
        """What counts n samples, to be shown here."""
        return BatchView(self._terminal, n, self._clock)

    def warn(self, text: str) -> None:
        """Write a warning, before any sample."""
        self._waiting.hide_bar()
        self._terminal.warn(text)

    def _begin(self, prompt: str) -> None:
        self._waiting.hide_bar()
        if self._shown:
            self._terminal.print(SEPARATOR)
        self._shown += 1
        self._due = self._clock()
        self._typist = Typist(self._terminal.data)
        self._put(prompt, "bold")

    def _write(self, text: str) -> None:
        """Write a slice in bites small enough to look even, each when it is due."""
        if not self._pace:
            self._put(text)
            return
        bite = max(round(self._pace / _WRITES_PER_SECOND), 1)
        for start in range(0, len(text), bite):
            wait = self._due - self._clock()
            if wait > 0:
                self._sleep(wait)
            part = text[start : start + bite]
            self._put(part)
            self._due = max(self._due, self._clock() - _CATCH_UP_SECONDS) + len(part) / self._pace

    def _put(self, text: str, style: str = "") -> None:
        """Type on a terminal, and write data as they are anywhere else."""
        if self.streams:
            self._typist.type(text, style)
        elif text:
            self._terminal.print(text, end="")
