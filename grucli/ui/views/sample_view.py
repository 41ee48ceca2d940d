"""The output of `gru sample`: samples on stdout, their progress and summary on stderr.

On a terminal the first sample streams at reading pace; a line `--` separates samples. Samples can be checked for copies
of the training text: copies are marked or omitted.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from rich.text import Text

from grucli.chat.inputs import validate_pace
from grucli.errors import pluralize
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import format_eta, format_si, progress_bar
from grucli.ui.terminal.live_display import StatusLine, TransientBar
from grucli.ui.terminal.live_text import FramePacer, PacedText

if TYPE_CHECKING:
    from grucli.api.model import Copies, SampleBatch
    from grucli.generation.copy_detection import CheckedSample

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


def show_samples(
    terminal: Terminal, view: SampleWriter, batch: "SampleBatch", prompt: str, n: int, *, copies: "Copies", json: bool
) -> None:
    """Write `n` samples to stdout: the stream of the batch first, then the others as they come."""
    for notice in batch.notices:
        view.warn(notice)
    progress = view.progress(n)
    if batch.checked is not None:
        show_checked_samples(terminal, view, progress.track(batch.checked), refuse=copies == "replace", json=json)
        return
    if batch.first is not None:
        view.stream((chunk.text for chunk in progress.timed(batch.first)), prompt)
        progress.count(batch.first.sample.text)
    for sample in progress.track(batch.rest):
        if json:
            view.write_json(sample)
        else:
            view.write(sample.text, sample.prompt)
    progress.finish()


_COPY_CRITERION = "50 or more characters of the training text"


def show_checked_samples(
    terminal: Terminal, view: SampleWriter, samples: "Iterable[CheckedSample]", *, refuse: bool, json: bool
) -> None:
    """Write samples as they come, on a terminal the first one at reading pace, and finally the number of copies.

    A copy is followed by a warning on stderr; in JSON the object has a field instead. With `refuse` it is omitted.
    """
    generated = copies = shown = 0
    for sample in samples:
        generated += 1
        copies += not sample.novel
        if refuse and not sample.novel:
            continue
        if json:
            view.write_json(sample)
        elif shown == 0 and view.is_interactive:
            view.stream([sample.text], sample.prompt)
        else:
            view.write(sample.text, sample.prompt)
        shown += 1
        if not (sample.novel or json):
            terminal.warn(f"seed {sample.seed} copies {sample.copied:,} characters of the training text")
    terminal.info(_copy_summary(generated, copies, refuse), "dim")


def _copy_summary(generated: int, copies: int, refuse: bool) -> str:
    counted = f"{f'{copies:,}' if copies else 'none'} of {generated:,} sample{'s' if generated > 1 else ''}"
    if not refuse:
        return f"{counted} cop{'y' if copies > 1 else 'ies'} {_COPY_CRITERION}"
    return f"refused {counted}" + (
        f": {'they copy' if copies > 1 else 'it copies'} {_COPY_CRITERION}" if copies else ""
    )
