"""Text that grows at the end of a console, with a bar under it while it does.

Finished lines go to the scrollback for good; only the unfinished line and the bar are drawn again.
"""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.terminal.wrapping import Growing


class LiveText:
    """See the module. On a console that cannot be drawn over the text is printed as it comes, without a bar.

    A `with` block hides the cursor and, however it ends, leaves it at the beginning of a line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._region = LiveRegion(console)
        self._text = Growing()
        self._midline = False

    def __enter__(self) -> Self:
        self._region.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._console:
            if self._region.live:
                *finished, rest = self._text.lines(self._region.width)
                self._region.draw([*finished, rest] if rest else finished, [])
            else:
                self._append()
                if self._midline:
                    self._console.print()
            self._region.__exit__(kind, error, trace)

    def add(self, text: str, style: str = "") -> None:
        """Let the text grow; nothing is shown before the next `draw`."""
        self._text.add(text, style)

    def draw(self, bar: Text | None) -> None:
        """Show what was added and, in a line under it, `bar`, which must be narrower than the console."""
        if not self._region.live:
            self._append()
            return
        finished = self._text.take(self._region.width)
        self._region.draw(finished, [self._text.rest] if bar is None else [self._text.rest, bar])

    def _append(self) -> None:
        text, self._text = Text.assemble(self._text.rest), Growing()
        if text:
            self._midline = not text.plain.endswith("\n")
            self._console.print(text, end="", soft_wrap=True)
