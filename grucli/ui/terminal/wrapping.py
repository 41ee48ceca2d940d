"""Where the lines of a growing text end: at its newlines, and between two words where a line is full.

A line that ends here ends there for good, whatever is added to the text later. Only words that no line has room for
are broken.
"""

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text

from grucli.ui.terminal.sanitize import sanitize

RenderedLine = Text | str
"""A line to draw, guarded for the terminal."""

_TAB = " " * 4
_VARIATION_SELECTOR_16 = "\ufe0f"  # behind a sign such as a heart: it is to be drawn as a picture
# Characters that surely take one column, as nearly all in languages of Europe do: nobody needs to look each of them up.
_SINGLE_WIDTH = re.compile("[\\n -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0377\u0388-\u0482\u2010-\u2027\u2500-\u25fc]*")


def expand_tabs(text: str) -> str:
    """Give `text` with blanks for its tabs: a terminal would put the cursor where nobody counted it."""
    return text.replace("\t", _TAB)


def wrap_points(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where each finished line of `text` ends and where the next one begins, for lines of at most `width` columns.

    The last line is never finished: there may be room for more.
    """
    full_at = _narrow_full_at if _SINGLE_WIDTH.fullmatch(text) else _full_at
    begin = 0
    while True:
        full = text.find("\n", begin, begin + width + 1)
        if full_at is _full_at or full < 0:
            full = full_at(text, begin, width)
            if full < 0:
                return
        if text[full] == "\n":
            end, begin = full, full + 1
        elif (space := text.rfind(" ", begin, full + 1)) > begin and not text[begin:space].isspace():
            end, begin = space, space + 1
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
        has_selector = text[index] == _VARIATION_SELECTOR_16
        # Some terminals give the sign before it a second column, and would break a line that has no room for that.
        cells += 1 if has_selector else cell_len(text[index])
        if cells > width and index - has_selector > begin:
            return index - has_selector
    return -1


def truncate(text: str, width: int, ascii_only: bool) -> str:
    """The beginning of a text that has no room, with a mark at its end."""
    if cell_len(text) <= width:
        return text
    ellipsis = "..." if ascii_only and width > 3 else "…" if not ascii_only else ""
    while text and cell_len(text) > width - len(ellipsis):
        text = text[:-1]
    return text + ellipsis


class IncrementalWrapper:
    """A text that grows at its end and gives away the lines that are finished, each guarded for the terminal.

    Lines without a style are plain strings: thousands of them a second cost nothing then.
    """

    def __init__(self) -> None:
        self._pending: RenderedLine = ""
        self._chunks: list[str] = []
        self._style = ""
        self._cached_points: tuple[int, int, list[tuple[int, int]]] = (0, 0, [])

    @property
    def pending(self) -> RenderedLine:
        """What was added and not taken."""
        if self._chunks:
            added = expand_tabs(sanitize("".join(self._chunks)))
            self._chunks.clear()
            if self._style or isinstance(self._pending, Text):
                self._pending = Text.assemble(self._pending, (added, self._style))
            else:
                self._pending += added
        return self._pending

    def feed(self, text: str, style: str = "") -> None:
        """Let it grow."""
        if style != self._style:
            self._pending, self._style = self.pending, style
        self._chunks.append(text)

    def lines(self, width: int) -> list[RenderedLine]:
        """The lines of what was not taken, at most `width` columns each; the last one is not finished."""
        return self._split(self._wrap_points(width))

    def pop_finished(self, width: int) -> list[RenderedLine]:
        """Take away the finished lines."""
        *lines, rest = self.lines(width)
        self._set_pending(rest)
        return lines

    def discard(self, width: int, count: int) -> None:
        """Take away the first lines, so many; all where there are not so many finished ones."""
        if count:
            ends = self._wrap_points(width)[:count]
            self._set_pending(self._split(ends)[-1] if len(ends) == count else "")

    def _set_pending(self, pending: RenderedLine) -> None:
        self._pending, self._cached_points = pending, (0, 0, [])

    def _wrap_points(self, width: int) -> list[tuple[int, int]]:
        """As `line_ends`, kept: whoever looks at the lines drops some of them the next moment."""
        pending = self.pending
        if self._cached_points[:2] != (width, len(pending)):  # a text that only grows is another one when it is longer
            self._cached_points = width, len(pending), list(wrap_points(str(pending), width))
        return self._cached_points[2]

    def _split(self, ends: list[tuple[int, int]]) -> list[RenderedLine]:
        """The text in parts, each but the last one without the blank or the newline that ends it."""
        pending = self.pending
        begins = [0, *(begin for _, begin in ends)]
        parts = zip(begins, [*(end for end, _ in ends), len(pending)], strict=True)
        if isinstance(pending, str):
            return [pending[begin:end] for begin, end in parts]
        return [_unstyled(pending[begin:end]) for begin, end in parts]


def _unstyled(text: Text) -> RenderedLine:
    """A string, where there are no styles."""
    return text if text.spans else text.plain
