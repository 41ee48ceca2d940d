"""Word wrap of growing text. A finished line never changes, whatever is added later.

Lines end at newlines, and between words where they are full; only words longer than a line are broken.
"""

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text

from grucli.ui.terminal.sanitize import sanitize

RenderedLine = Text | str
"""A sanitized line to draw."""

_TAB = " " * 4  # of a fixed width, whatever the column
_VARIATION_SELECTOR_16 = "\ufe0f"  # after a character such as a heart: draw it as an emoji
# Characters that are known to take one column: no need to look up each of them.
_SINGLE_WIDTH = re.compile("[\\n -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0377\u0388-\u0482\u2010-\u2027\u2500-\u25fc]*")


def wrap_points(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield the end of each finished line of `text` and the start of the next, for lines of at most `width` columns.

    The last line is not finished: more text may fit.
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
    # As _full_at, if every character takes one column and no newline is near.
    return begin + width if begin + width < len(text) else -1


def _full_at(text: str, begin: int, width: int) -> int:
    """Return the index of the first newline from `begin`, or character beyond `width` columns; -1 without one."""
    cells = 0
    for index in range(begin, len(text)):
        if text[index] == "\n":
            return index
        has_selector = text[index] == _VARIATION_SELECTOR_16
        # Some terminals give the character before it a second column.
        cells += 1 if has_selector else cell_len(text[index])
        if cells > width and index - has_selector > begin:
            return index - has_selector
    return -1


def truncate(text: str, width: int, ascii_only: bool) -> str:
    """Return `text` cut to `width` columns, with an ellipsis if it was cut."""
    if cell_len(text) <= width:
        return text
    ellipsis = "..." if ascii_only and width > 3 else "…" if not ascii_only else ""
    while text and cell_len(text) > width - len(ellipsis):
        text = text[:-1]
    return text + ellipsis


class IncrementalWrapper:
    """Growing text, split into sanitized lines. Lines without a style are plain strings, which are cheap."""

    def __init__(self) -> None:
        self._pending: RenderedLine = ""
        self._chunks: list[str] = []
        self._style = ""
        self._cached_points: tuple[int, int, list[tuple[int, int]]] = (0, 0, [])

    @property
    def pending(self) -> RenderedLine:
        """The text that was added and not removed."""
        if self._chunks:
            added = sanitize("".join(self._chunks)).replace("\t", _TAB)
            self._chunks.clear()
            if self._style or isinstance(self._pending, Text):
                self._pending = Text.assemble(self._pending, (added, self._style))
            else:
                self._pending += added
        return self._pending

    def feed(self, text: str, style: str = "") -> None:
        """Append text."""
        if style != self._style:
            self._pending, self._style = self.pending, style
        self._chunks.append(text)

    def lines(self, width: int) -> list[RenderedLine]:
        """Return the pending text as lines of at most `width` columns; the last one is not finished."""
        return self._split(self._wrap_points(width))

    def pop_finished(self, width: int) -> list[RenderedLine]:
        """Remove and return the finished lines."""
        *lines, rest = self.lines(width)
        self._set_pending(rest)
        return lines

    def discard(self, width: int, count: int) -> None:
        """Discard the first `count` lines, or everything if fewer are finished."""
        if count:
            ends = self._wrap_points(width)[:count]
            self._set_pending(self._split(ends)[-1] if len(ends) == count else "")

    def _set_pending(self, pending: RenderedLine) -> None:
        self._pending, self._cached_points = pending, (0, 0, [])

    def _wrap_points(self, width: int) -> list[tuple[int, int]]:
        """Return `wrap_points` as a list, cached: `lines` is usually followed by `discard`."""
        pending = self.pending
        if self._cached_points[:2] != (width, len(pending)):  # the text only grows, so its length identifies it
            self._cached_points = width, len(pending), list(wrap_points(str(pending), width))
        return self._cached_points[2]

    def _split(self, ends: list[tuple[int, int]]) -> list[RenderedLine]:
        pending = self.pending
        begins = [0, *(begin for _, begin in ends)]
        parts = zip(begins, [*(end for end, _ in ends), len(pending)], strict=True)
        if isinstance(pending, str):
            return [pending[begin:end] for begin, end in parts]
        return [_unstyled(pending[begin:end]) for begin, end in parts]


def _unstyled(text: Text) -> RenderedLine:
    return text if text.spans else text.plain
