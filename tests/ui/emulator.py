"""A terminal emulator in memory."""

from itertools import groupby

import pyte
from pyte.screens import Char

from tests.ui.fake_streams import TtyStream


class _DimAwareScreen(pyte.HistoryScreen):
    """A screen with faint text, which pyte lacks: it is stored as blinking text, which is not used here."""

    def select_graphic_rendition(self, *attrs: int, **_: bool) -> None:
        super().select_graphic_rendition(*({2: 5, 22: 25}.get(attr, attr) for attr in attrs))
        if 22 in attrs:
            super().select_graphic_rendition(22)


class TerminalEmulator(TtyStream):
    """A stream that is a terminal. `written` is all output, `rows` the rows of scrollback and screen."""

    def __init__(self, width: int = 80, height: int = 30) -> None:
        super().__init__()
        self.screen = _DimAwareScreen(width, height, history=5000)
        self._stream = pyte.Stream(self.screen)

    def write(self, text: str) -> int:
        # What the line discipline of a terminal does on the way.
        self._stream.feed(text.replace("\n", "\r\n"))
        return super().write(text)

    @property
    def written(self) -> str:
        return self.getvalue()

    @property
    def rows(self) -> list[str]:
        return [text.rstrip() for text, _ in self._rows()]

    @property
    def styled_rows(self) -> list[str]:
        """The rows with the style of each run before it, in `⟨⟩`."""
        rows = []
        for text, styles in self._rows():
            row = ""
            previous_style = ""
            for style, run in groupby(zip(styles, text, strict=True), key=lambda each: each[0]):
                text_run = "".join(char for _, char in run)
                row += (f"⟨{style}⟩" if style != previous_style else "") + text_run
                previous_style = style
            rows.append(row + ("⟨⟩" if previous_style else ""))
        return rows

    def _rows(self) -> list[tuple[str, list[str]]]:
        """Return the text of each row and the style of each character, without empty rows at the end."""
        columns = self.screen.columns
        buffer = self.screen.buffer
        lines = [*self.screen.history.top, *(buffer[y] for y in range(self.screen.lines))]
        rows = []
        for line in lines:
            cells = [line[x] for x in range(columns)]
            while cells and cells[-1].data == " " and not _cell_style(cells[-1]):
                cells.pop()
            # The second cell of a wide character is empty.
            rows.append(
                ("".join(cell.data for cell in cells), [_cell_style(cell) for cell in cells for _ in cell.data])
            )
        while rows and not rows[-1][0].rstrip():
            rows.pop()
        return rows

    def cursor_visible(self) -> bool:
        return not self.screen.cursor.hidden


def _cell_style(cell: Char) -> str:
    attributes = [name for name, on in (("bold", cell.bold), ("dim", cell.blink), ("reverse", cell.reverse)) if on]
    colors = [cell.fg] if cell.fg != "default" else []
    colors += [f"on {cell.bg}"] if cell.bg != "default" else []
    return " ".join([*attributes, *colors])
