"""Progress and summary of many samples, on stderr."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import format_eta, format_si, pluralize, progress_bar
from grucli.ui.terminal.status_line import TransientBar

_MIN_ETA_SECONDS = 1.0


class TextSample(Protocol):
    """A sample that can be counted."""

    @property
    def text(self) -> str:
        """The generated text."""


S = TypeVar("S", bound=TextSample)
P = TypeVar("P")


class SampleProgress(TransientBar):
    """Counts `n` samples and the time to generate them, without the time to print them.

    A bar is shown if the samples themselves go to a file or a pipe.
    """

    def __init__(self, terminal: Terminal, n: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._n, self._clock = n, clock
        self._samples = self._characters = 0
        self._seconds = 0.0

    def timed(self, pieces: Iterable[P]) -> Iterator[P]:
        """Yield the items, timing their iterator."""
        iterator = iter(pieces)
        while True:
            started_at = self._clock()
            try:
                piece = next(iterator)
            except StopIteration:
                return
            finally:
                self._seconds += self._clock() - started_at
            yield piece

    def count(self, text: str) -> None:
        """Count a sample."""
        self._samples += 1
        self._characters += len(text)

    def track(self, samples: Iterable[S]) -> Iterator[S]:
        """Yield the samples, counted and timed; the consumer prints each before the next."""
        visible = self._terminal.data.is_terminal
        try:
            for sample in self.timed(samples):
                self.count(sample.text)
                yield sample
                if self._n > 1 and not visible:  # the status line is shown until the first one
                    self.show_bar()
        finally:
            self.hide_bar()

    def finish(self) -> None:
        """Print a summary on stderr, if there was more than one sample."""
        if self._n > 1:
            summary = f"{pluralize(self._samples, 'sample')}, {pluralize(self._characters, 'character')}"
            self._terminal.info(f"{summary}, {self._rate:,.0f} characters/s", "dim")

    @property
    def _rate(self) -> float:
        return self._characters / self._seconds if self._seconds > 0 else 0.0

    def _render(self) -> list[Text]:
        progress = min(self._samples / self._n, 1.0)
        has_estimate = progress > 0 and self._seconds > _MIN_ETA_SECONDS
        total = f"{self._n:,}"
        fields = [
            f"{progress:4.0%}",
            format_eta(self._seconds * (1 - progress) / progress if has_estimate else None),
            f"{self._samples:>{len(total)},} of {total} samples",
            f"{format_si(self._rate):>4} characters/s" if has_estimate else "",
        ]
        return [progress_bar(self._terminal.messages, progress, fields)]
