"""Many samples at once: how far they are, on stderr, while the samples themselves go elsewhere; and what they were."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from rich.live import Live
from rich.text import Text

from grucli.ui.console import Terminal
from grucli.ui.figures import count_of, duration, short_count

_REDRAWS_PER_SECOND = 4
_BAR, _LEAST_BAR = 20, 5
_SETTLED_SECONDS = 1.0


class Drawn(Protocol):
    """A sample, as far as it is counted."""

    @property
    def text(self) -> str:
        """What was drawn."""


S = TypeVar("S", bound=Drawn)
P = TypeVar("P")


class BatchView:
    """Counts `n` samples, and the time that it took to draw them: none that was spent on showing them.

    There is a bar while nobody sees the samples themselves, as they go to a file or another program.
    """

    def __init__(self, terminal: Terminal, n: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal, self._n, self._clock = terminal, n, clock
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
        live = None
        try:
            for sample in self.timed(samples):
                self.count(sample.text)
                yield sample
                if live is None:  # not before the first one: until then the kernels may be compiling, which is said
                    live = self._bar()
        finally:
            if live is not None:
                live.stop()

    def _bar(self) -> Live:
        """The bar, drawn by a thread of its own; where it has no place, it is never begun."""
        bar = Live(
            get_renderable=self._draw,
            console=self._terminal.messages,
            refresh_per_second=_REDRAWS_PER_SECOND,
            transient=True,
            redirect_stdout=False,  # the samples go past it
            redirect_stderr=False,
        )
        if self._n > 1 and self._terminal.live and not self._terminal.data.is_terminal:
            bar.start(refresh=True)
        return bar

    def finish(self) -> None:
        """Say on stderr how much it was, if it was more than one sample."""
        if self._n > 1:
            written = f"{count_of(self._samples, 'sample')}, {count_of(self._characters, 'character')}"
            self._terminal.say(f"{written}, {self._rate:,.0f} characters/s", "dim")

    @property
    def _rate(self) -> float:
        return self._characters / self._seconds if self._seconds > 0 else 0.0

    def _draw(self) -> Text:
        share = min(self._samples / self._n, 1.0)
        most = f"{self._n:,}"
        facts = [f"{self._samples:>{len(most)},} of {most} samples"]
        if share > 0 and self._seconds > _SETTLED_SECONDS:
            facts.append(f"{short_count(self._rate):>4} characters/s")
            facts.append(f"{duration(self._seconds * (1 - share) / share)} left")
        room = self._terminal.messages.width - len("100%   ") - 1
        while len(facts) > 1 and room - len("  ".join(facts)) < _LEAST_BAR:
            facts.pop()
        bar = min(_BAR, room - len("  ".join(facts)))
        done = int(share * bar)
        drawn = (("━" * done, "green"), ("━" * (bar - done), "dim"), "  ") if bar >= _LEAST_BAR else ()
        line = Text.assemble(f"{share:>4.0%} ", *drawn, "  ".join(facts))
        line.truncate(self._terminal.messages.width, overflow="ellipsis")
        return line
