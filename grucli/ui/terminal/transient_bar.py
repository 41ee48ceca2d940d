"""A bar on stderr's terminal while something is read, fetched or drawn, taken back at the end. Nowhere else."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.live_display import LiveDisplay


class TransientBar(ABC):
    """Draws its lines in a `with` block, or from `show_bar` until `hide_bar`, in a thread of its own."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._live: LiveDisplay | None = None

    def __enter__(self) -> Self:
        """Show the first words at once."""
        self.show_bar()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Take the bar back."""
        self.hide_bar()

    def show_bar(self) -> None:
        """Begin to draw, where that can be done and has not been."""
        if self._terminal.live and self._live is None:
            self._live = LiveDisplay(self._terminal, self._render)
            self._live.start()

    def hide_bar(self) -> None:
        """Take the bar back, if there is one."""
        if self._live is not None:
            self._live.stop(keep=False)
            self._live = None

    @property
    def _width(self) -> int:
        """The columns of a line."""
        return max(self._terminal.messages.width - 1, 1)

    @abstractmethod
    def _render(self) -> Sequence[Text]:
        """The lines as they are now, none wider than `_width`."""
