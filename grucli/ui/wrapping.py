"""Where the lines of a growing text end: at its newlines, and between two words where a line is full.

A line that ends here ends there for good, whatever is added to the text later. Only words that no line has room for
are broken.
"""

from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text

from grucli.ui.console import plain

_TAB = " " * 4


def expand(text: str) -> str:
    """Give `text` with blanks for its tabs: a terminal would put the cursor where nobody counted it."""
    return text.replace("\t", _TAB)


def line_ends(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where each finished line of `text` ends and where the next one begins, for lines of at most `width` columns.

    The last line is never finished: there may be room for more.
    """
    begin = 0
    while (found := _line_end(text, begin, width)) is not None:
        yield found
        begin = found[1]


def _line_end(text: str, begin: int, width: int) -> tuple[int, int] | None:
    """The same for the line that begins at `begin`; None if it still has room."""
    full = _full_at(text, begin, width)
    if full is None:
        return None
    if text[full] == "\n":
        return full, full + 1
    blank = text.rfind(" ", begin, full + 1)
    if blank > begin and not text[begin:blank].isspace():
        return blank, blank + 1
    return full, full


def _full_at(text: str, begin: int, width: int) -> int | None:
    """The first character from `begin` on that is a newline, or that a line of `width` columns has no room for."""
    line = text[begin : begin + width + 1]
    if line.isascii():
        newline = line.find("\n")
        return begin + newline if newline >= 0 else begin + width if len(line) > width else None
    cells = 0
    for index in range(begin, len(text)):
        if text[index] == "\n":
            return index
        cells += cell_len(text[index])
        if cells > width and index > begin:
            return index
    return None


class Growing:
    """A text in its styles that grows at its end and gives away the lines that are finished."""

    def __init__(self) -> None:
        self.rest = Text()
        """What was added and not taken."""

    def add(self, text: str, style: str = "") -> None:
        """Let it grow."""
        self.rest.append_text(plain(expand(text), style))

    def lines(self, width: int) -> list[Text]:
        """The lines of what was not taken, at most `width` columns each; the last one is not finished."""
        return self._cut(list(line_ends(self.rest.plain, width)))

    def take(self, width: int, most: int | None = None) -> list[Text]:
        """Take away the finished lines, the first `most` of them."""
        *lines, self.rest = self._cut(list(line_ends(self.rest.plain, width))[:most])
        return lines

    def _cut(self, ends: list[tuple[int, int]]) -> list[Text]:
        """The text in parts, each but the last one without the blank or the newline that ends it."""
        parts = list(self.rest.divide([begin for _, begin in ends]))
        for part, (end, begin) in zip(parts, ends, strict=False):
            if begin > end:
                part.right_crop(begin - end)
        return parts
