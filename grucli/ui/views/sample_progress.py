"""Many samples at once: how far they are, on stderr, while the samples themselves go elsewhere; and what they were."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import count_of, short_count, time_left
from grucli.ui.terminal.progress import progress_bar
from grucli.ui.terminal.transient_bar import TransientBar

_SETTLED_SECONDS = 1.0


class Drawn(Protocol):
    """A sample, as far as it is counted."""

    @property
    def text(self) -> str:
        """What was drawn."""


S = TypeVar("S", bound=Drawn)
P = TypeVar("P")


class BatchView(TransientBar):
    """Counts `n` samples, and the time that it took to draw them: none that was spent on showing them.

    There is a bar while nobody sees the samples themselves, as they go to a file or another program.
    """

    def __init__(self, terminal: Terminal, n: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._n, self._clock = n, clock
        self._samples = self._characters = 0
        self._seconds = 0.0

    def timed(self, pieces: Iterable[P]) -> Iterator[P]:
        """The pieces as they come, and the time that they took."""
        rest = iter(pieces)
        while True:
            began = self._clock()
            try:
                piece = next(rest)
            except StopIteration:
                return
            finally:
                self._seconds += self._clock() - began
            yield piece

    def count(self, text: str) -> None:
        """Note a sample that was drawn."""
        self._samples += 1
        self._characters += len(text)

    def follow(self, samples: Iterable[S]) -> Iterator[S]:
        """The samples as they come, counted and timed; whoever takes them shows each before the next."""
        seen = self._terminal.data.is_terminal
        try:
            for sample in self.timed(samples):
                self.count(sample.text)
                yield sample
                if self._n > 1 and not seen:  # before the first one the kernels may be compiling, which is said
                    self.show_bar()
        finally:
            self.hide_bar()

    def finish(self) -> None:
        """Say on stderr how much it was, if it was more than one sample."""
        if self._n > 1:
            written = f"{count_of(self._samples, 'sample')}, {count_of(self._characters, 'character')}"
            self._terminal.say(f"{written}, {self._rate:,.0f} characters/s", "dim")

    @property
    def _rate(self) -> float:
        return self._characters / self._seconds if self._seconds > 0 else 0.0

    def _draw(self) -> list[Text]:
        share = min(self._samples / self._n, 1.0)
        settled = share > 0 and self._seconds > _SETTLED_SECONDS
        most = f"{self._n:,}"
        fields = [
            f"{share:4.0%}",
            time_left(self._seconds * (1 - share) / share if settled else None),
            f"{self._samples:>{len(most)},} of {most} samples",
            f"{short_count(self._rate):>4} characters/s" if settled else "",
        ]
        return [progress_bar(self._terminal.messages, share, fields)]
