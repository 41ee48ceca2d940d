"""Text that grows at the end of a console, with a bar under it while it does.

Finished lines go to the scrollback for good; only the unfinished line and the bar are drawn again.
"""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.terminal.wrapping import IncrementalWrapper


class LiveText:
    """See the module. On a console that cannot be drawn over the text is printed as it comes, without a bar.

    A `with` block hides the cursor and, however it ends, leaves it at the beginning of a line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._region = LiveRegion(console)
        self._text = IncrementalWrapper()
        self._midline = False

    def __enter__(self) -> Self:
        self._region.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        with self._console:
            if self._region.live:
                *finished, pending = self._text.lines(self._region.width)
                self._region.render([*finished, pending] if pending else finished, [])
            else:
                self._print_pending()
                if self._midline:
                    self._console.print()
            self._region.__exit__(exc_type, exc, tb)

    def add(self, text: str, style: str = "") -> None:
        """Let the text grow; nothing is shown before the next `draw`."""
        self._text.feed(text, style)

    def render(self, bar: Text | None) -> None:
        """Show what was added and, in a line under it, `bar`, which must be narrower than the console."""
        if not self._region.live:
            self._print_pending()
            return
        finished = self._text.pop_finished(self._region.width)
        self._region.render(finished, [self._text.pending] if bar is None else [self._text.pending, bar])

    def _print_pending(self) -> None:
        text, self._text = Text.assemble(self._text.pending), IncrementalWrapper()
        if text:
            self._midline = not text.plain.endswith("\n")
            self._console.print(text, end="", soft_wrap=True)
