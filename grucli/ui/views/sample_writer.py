"""Samples on stdout: the first one appears at the pace of a reader on a terminal, a line `--` between any two."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from grucli.chat.inputs import validate_pace
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import sanitize
from grucli.ui.terminal.status_line import StatusLine
from grucli.ui.terminal.typewriter import Typewriter
from grucli.ui.views.sample_progress import SampleProgress

SEPARATOR = "--"
_WRITES_PER_SECOND = 60
_CATCH_UP_SECONDS = 0.1


class SampleWriter:
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
        pace = validate_pace(pace)
        self._pace = pace if self.is_interactive else 0.0
        self._clock = clock
        self._sleep = sleep
        self._num_written = 0
        self._next_write_at = 0.0
        self._status = StatusLine(terminal, clock)
        self._typewriter = Typewriter(terminal.data)

    @property
    def is_interactive(self) -> bool:
        """Whether somebody watches the text appear."""
        return self._terminal.data.is_terminal

    def __enter__(self) -> Self:
        """Say that work goes on."""
        self._status.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Say no longer that work goes on."""
        self._status.hide_bar()

    def stream(self, chunks: Iterable[str], prompt: str = "") -> None:
        """Write one sample as its slices are drawn, after its prompt. One that is cut short still ends its line."""
        started = False
        try:
            for text in chunks:
                if not started:
                    self._start_sample(prompt)
                    started = True
                self._write_paced(sanitize(text))
        finally:
            if started:
                self._put("\n")

    def write(self, text: str, prompt: str = "") -> None:
        """Write one sample that is complete, after its prompt."""
        self._start_sample(prompt)
        self._put(text)
        self._put("\n")

    def write_json(self, sample: object) -> None:
        """Write one sample as a JSON document of its own line."""
        self._status.hide_bar()
        self._terminal.print_json(sample)

    def progress(self, n: int) -> SampleProgress:
        """What counts n samples, to be shown here."""
        return SampleProgress(self._terminal, n, self._clock)

    def warn(self, text: str) -> None:
        """Write a warning, before any sample."""
        self._status.hide_bar()
        self._terminal.warn(text)

    def _start_sample(self, prompt: str) -> None:
        self._status.hide_bar()
        if self._num_written:
            self._terminal.print_data(SEPARATOR)
        self._num_written += 1
        self._next_write_at = self._clock()
        self._typewriter = Typewriter(self._terminal.data)
        self._put(prompt, "bold")

    def _write_paced(self, text: str) -> None:
        """Write a slice in bites small enough to look even, each when it is due."""
        if not self._pace:
            self._put(text)
            return
        chunk_chars = max(round(self._pace / _WRITES_PER_SECOND), 1)
        for start in range(0, len(text), chunk_chars):
            wait = self._next_write_at - self._clock()
            if wait > 0:
                self._sleep(wait)
            part = text[start : start + chunk_chars]
            self._put(part)
            self._next_write_at = max(self._next_write_at, self._clock() - _CATCH_UP_SECONDS) + len(part) / self._pace

    def _put(self, text: str, style: str = "") -> None:
        """Type on a terminal, and write data as they are anywhere else."""
        if self.is_interactive:
            self._typewriter.write(text, style)
        elif text:
            self._terminal.print_data(text, end="")
