"""A bar on stderr's terminal while something is read or fetched, taken back at the end. Nothing where there is none."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from grucli.ui.console import Terminal

_REDRAWS_PER_SECOND = 4


class TransientBar(ABC):
    """Draws its line in a `with` block, in a thread of its own; `_live` is None where nothing can be drawn."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Show the first words at once."""
        if self._terminal.live:
            self._live = Live(
                get_renderable=self._draw,
                console=self._terminal.messages,
                refresh_per_second=_REDRAWS_PER_SECOND,
                transient=True,
            )
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    @abstractmethod
    def _draw(self) -> Text:
        """The line as it is now."""
