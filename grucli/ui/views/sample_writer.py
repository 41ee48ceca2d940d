"""Samples on stdout: on a terminal the first one streams at reading pace; a line `--` separates samples."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Self

from grucli.chat.inputs import validate_pace
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.frame_pacer import FramePacer
from grucli.ui.terminal.live_text import PacedText
from grucli.ui.terminal.status_line import StatusLine
from grucli.ui.views.sample_progress import SampleProgress

SEPARATOR = "--"


class SampleWriter:
    """Writes samples one after the other; off a terminal nothing but text and separators.

    The `with` block shows a status line until the first sample.
    """

    def __init__(
        self,
        terminal: Terminal,
        pace: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`pace` is in characters per second on a terminal, 0 disables the limit.

        Raises:
            UsageError: `pace` is negative or not a number.
        """
        self._terminal = terminal
        self._pacer, self._unpaced = (
            FramePacer(each, lambda: False, clock, sleep) for each in (validate_pace(pace), 0.0)
        )
        self._clock = clock
        self._num_written = 0
        self._status = StatusLine(terminal, clock)

    @property
    def is_interactive(self) -> bool:
        """True if stdout is a terminal."""
        return self._terminal.data.is_terminal

    def __enter__(self) -> Self:
        self._status.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._status.hide_bar()

    def stream(self, chunks: Iterable[str], prompt: str = "") -> None:
        """Write one sample as its chunks are generated, after its prompt. If it is interrupted, its line is ended."""
        with contextlib.ExitStack() as stack:
            write: Callable[[str], None] | None = None
            for chunk in chunks:
                write = write or stack.enter_context(self._open_sample(prompt, self._pacer))
                write(chunk)

    def write(self, text: str, prompt: str = "") -> None:
        """Write one complete sample, after its prompt."""
        with self._open_sample(prompt, self._unpaced) as write:
            write(text)

    def write_json(self, sample: object) -> None:
        """Write one sample as a JSON document on one line."""
        self._status.hide_bar()
        self._terminal.print_json(sample)

    def progress(self, n: int) -> SampleProgress:
        """Return a counter of n samples."""
        return SampleProgress(self._terminal, n, self._clock)

    def warn(self, text: str) -> None:
        """Print a warning before the first sample."""
        self._status.hide_bar()
        self._terminal.warn(text)

    @contextlib.contextmanager
    def _open_sample(self, prompt: str, pacer: FramePacer) -> Iterator[Callable[[str], None]]:
        """Start a sample, yield the function that writes its text, and end its line."""
        self._status.hide_bar()
        if self._num_written:
            self._terminal.print_data(SEPARATOR)
        self._num_written += 1
        if not self.is_interactive:
            try:
                self._terminal.print_data(prompt, end="")
                yield lambda text: self._terminal.print_data(text, end="")
            finally:
                self._terminal.print_data("")
            return
        pacer.start()
        with PacedText(self._terminal.data, pacer) as live_text:
            live_text.add(prompt, "bold")
            try:
                yield live_text.write
            finally:
                live_text.end_line()
