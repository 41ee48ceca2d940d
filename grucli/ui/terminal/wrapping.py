"""Where the lines of a growing text end: at its newlines, and between two words where a line is full.

A line that ends here ends there for good, whatever is added to the text later. Only words that no line has room for
are broken.
"""

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text

from grucli.ui.terminal.sanitize import safe

Line = Text | str
"""A line to draw, guarded for the terminal."""

_TAB = " " * 4
_AS_PICTURE = "\ufe0f"  # behind a sign such as a heart: it is to be drawn as a picture
# Characters that surely take one column, as nearly all in languages of Europe do: nobody needs to look each of them up.
_narrow = re.compile("[\\n -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0377\u0388-\u0482\u2010-\u2027\u2500-\u25fc]*")


def expand(text: str) -> str:
    """Give `text` with blanks for its tabs: a terminal would put the cursor where nobody counted it."""
    return text.replace("\t", _TAB)


def line_ends(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where each finished line of `text` ends and where the next one begins, for lines of at most `width` columns.

    The last line is never finished: there may be room for more.
    """
    full_at = _narrow_full_at if _narrow.fullmatch(text) else _full_at
    begin = 0
    while True:
        full = text.find("\n", begin, begin + width + 1)
        if full_at is _full_at or full < 0:
            full = full_at(text, begin, width)
            if full < 0:
                return
        if text[full] == "\n":
            end, begin = full, full + 1
        elif (blank := text.rfind(" ", begin, full + 1)) > begin and not text[begin:blank].isspace():
            end, begin = blank, blank + 1
        else:
            end = begin = full
        yield end, begin


def _narrow_full_at(text: str, begin: int, width: int) -> int:
    """As `_full_at`, where every character takes one column and no newline is near."""
    return begin + width if begin + width < len(text) else -1


def _full_at(text: str, begin: int, width: int) -> int:
    """The first character from `begin` on that is a newline, or for which `width` columns have no room; else -1."""
    cells = 0
    for index in range(begin, len(text)):
        if text[index] == "\n":
            return index
        pictured = text[index] == _AS_PICTURE
        # Some terminals give the sign before it a second column, and would break a line that has no room for that.
        cells += 1 if pictured else cell_len(text[index])
        if cells > width and index - pictured > begin:
            return index - pictured
    return -1


def clipped(text: str, room: int, plain: bool) -> str:
    """The beginning of a text that has no room, with a mark at its end."""
    if cell_len(text) <= room:
        return text
    mark = "..." if plain and room > 3 else "…" if not plain else ""
    while text and cell_len(text) > room - len(mark):
        text = text[:-1]
    return text + mark


class Growing:
    """A text that grows at its end and gives away the lines that are finished, each guarded for the terminal.

    Lines without a style are plain strings: thousands of them a second cost nothing then.
    """

    def __init__(self) -> None:
        self._rest: Line = ""
        self._added: list[str] = []
        self._style = ""
        self._known: tuple[int, int, list[tuple[int, int]]] = (0, 0, [])

    @property
    def rest(self) -> Line:
        """What was added and not taken."""
        if self._added:
            added = expand(safe("".join(self._added)))
            self._added.clear()
            if self._style or isinstance(self._rest, Text):
                self._rest = Text.assemble(self._rest, (added, self._style))
            else:
                self._rest += added
        return self._rest

    def add(self, text: str, style: str = "") -> None:
        """Let it grow."""
        if style != self._style:
            self._rest, self._style = self.rest, style
        self._added.append(text)

    def lines(self, width: int) -> list[Line]:
        """The lines of what was not taken, at most `width` columns each; the last one is not finished."""
        return self._cut(self._ends(width))

    def take(self, width: int) -> list[Line]:
        """Take away the finished lines."""
        *lines, rest = self.lines(width)
        self._leave(rest)
        return lines

    def drop(self, width: int, count: int) -> None:
        """Take away the first lines, so many; all where there are not so many finished ones."""
        if count:
            ends = self._ends(width)[:count]
            self._leave(self._cut(ends)[-1] if len(ends) == count else "")

    def _leave(self, rest: Line) -> None:
        self._rest, self._known = rest, (0, 0, [])

    def _ends(self, width: int) -> list[tuple[int, int]]:
        """As `line_ends`, kept: whoever looks at the lines drops some of them the next moment."""
        rest = self.rest
        if self._known[:2] != (width, len(rest)):  # a text that only grows is another one when it is longer
            self._known = width, len(rest), list(line_ends(str(rest), width))
        return self._known[2]

    def _cut(self, ends: list[tuple[int, int]]) -> list[Line]:
        """The text in parts, each but the last one without the blank or the newline that ends it."""
        rest = self.rest
        begins = [0, *(begin for _, begin in ends)]
        parts = zip(begins, [*(end for end, _ in ends), len(rest)], strict=True)
        if isinstance(rest, str):
            return [rest[begin:end] for begin, end in parts]
        return [_plainest(rest[begin:end]) for begin, end in parts]


def _plainest(text: Text) -> Line:
    """A string, where there are no styles."""
    return text if text.spans else text.plain
