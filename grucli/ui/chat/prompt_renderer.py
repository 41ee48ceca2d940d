"""Drawing of the input line in a window whose width changes."""

import os
from collections.abc import Mapping

from prompt_toolkit.layout.screen import Char
from prompt_toolkit.renderer import Renderer

# tmux keeps a whole screen that is erased from its first cell in its history: hence the space.
_ERASE_BELOW = "\r\x1b[K \x1b[J\r\x1b[K"
_CUTTING_TERMS = ("linux", "rxvt", "screen")


class WrappingRenderer(Renderer):
    """A renderer for terminals that wrap the rows on the screen when the window becomes narrower.

    The cursor moves down with its row, so that the prompt begins more rows above it than were drawn.
    """

    def erase(self, leave_alternate_screen: bool = True) -> None:
        """Erase the prompt, and move the cursor to where it began."""
        output, cursor, screen = self.output, self._cursor_pos, self.last_rendered_screen
        wraps = 0
        if screen is not None and wraps_on_resize(os.environ):
            rows = [screen.data_buffer[y] for y in range(cursor.y + 1)]
            last_cells = [*map(_last_cell, rows[:-1]), min(cursor.x, _last_cell(rows[-1]))]
            wraps = sum(map(_num_wraps, rows, last_cells, [output.get_size().columns] * len(rows)))
        output.cursor_up(cursor.y + wraps)
        output.write_raw(_ERASE_BELOW)
        output.reset_attributes()
        output.enable_autowrap()
        output.flush()
        self.reset(leave_alternate_screen=leave_alternate_screen)


def wraps_on_resize(environment: Mapping[str, str]) -> bool:
    """Return True if the terminal wraps rows that become too long. A few cut them off."""
    if "TMUX" in environment:
        return True
    return "XTERM_VERSION" not in environment and not environment.get("TERM", "").startswith(_CUTTING_TERMS)


def _last_cell(row: Mapping[int, Char]) -> int:
    return max((x for x, char in row.items() if char.char != " "), default=0)


def _num_wraps(row: Mapping[int, Char], x: int, columns: int) -> int:
    """Return how many times a row wraps before its cell `x`."""
    wraps = column = cell = 0
    while cell <= x:
        width = row[cell].width or 1
        if column + width > columns:
            wraps, column = wraps + 1, 0
        column, cell = column + width, cell + width
    return wraps
