"""A terminal in memory: what stands on its screen after a program wrote to it."""

import pyte

from tests.ui.streams import Screen


class Emulator(Screen):
    """A stream that is a terminal. `written` is all that was written, `rows` the rows of the screen with its past."""

    def __init__(self, width: int = 80, height: int = 30) -> None:
        super().__init__()
        self.screen = pyte.HistoryScreen(width, height, history=5000)
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
        past = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        rows = [row.rstrip() for row in [*past, *self.screen.display]]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def cursor_visible(self) -> bool:
        return not self.screen.cursor.hidden
