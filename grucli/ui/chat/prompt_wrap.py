"""The rows that a line takes while it is typed: broken between words, like all that is shown, where there is room.

The editor breaks rows at their last column alone. So a row that ends before that is filled up with blanks, which are
shown and are no part of the line. It also counts, for how high a line is, as if every row were full: with the blanks
it counts right, also where a wide character has no room in the last column, and with the signs of a character that is
spelt out.
"""

import re
from bisect import bisect_right
from functools import lru_cache

from prompt_toolkit.formatted_text import OneStyleAndTextTuple, StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.layout.utils import explode_text_fragments

MAX_WRAPPED_CHARS = 5000
"""Characters of a line that is broken between words: more are not looked through at each key."""

_runs = re.compile(" +|[^ ]+")


class WrappedLine:
    """The rows of `line`, of `columns` each. `fills` has (place, blanks): so many stand before the character there.

    A word always has a column behind it, for the blank or the cursor that comes next; only words that no row has room
    for are broken. `end` is the columns of the last row that are taken.
    """

    def __init__(self, line: str, columns: int) -> None:
        self.padding: list[tuple[int, int]] = []
        self.last_row_width = 0
        for run in _runs.finditer(line):
            if run[0][0] != " " and 0 < self.last_row_width < columns < self.last_row_width + _width(run[0]) + 1:
                self._begin_row(run.start(), columns)
            for index, char in enumerate(run[0], run.start()):
                if self.last_row_width + _columns(char) > columns:
                    self._begin_row(index, columns)
                self.last_row_width += _columns(char)

    def _begin_row(self, index: int, columns: int) -> None:
        if self.last_row_width < columns:
            self.padding.append((index, columns - self.last_row_width))
        self.last_row_width = 0


class WordWrapProcessor(Processor):
    """Shows each line in its rows; `indent` columns stand before each of them."""

    def __init__(self, indent: int) -> None:
        self._indent = indent

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Put the blanks in, spell what is shown in several signs, and tell where that moves each character."""
        fragments = transformation_input.fragments
        line = fragment_list_to_text(fragments)
        padding = dict(wrap_line(line, transformation_input.width - self._indent).padding)
        if not padding and not _has_expanded_chars(line):
            return Transformation(fragments)
        shown: StyleAndTextTuples = []
        starts, positions = [], []  # where each character and the blanks before it begin, and where it stands
        for index, fragment in enumerate(explode_text_fragments(fragments)):
            starts.append(len(shown))
            shown += [("", " ")] * padding.get(index, 0)
            positions.append(len(shown))
            shown += _display_chars(fragment)
        starts.append(len(shown))
        positions.append(len(shown))

        def to_display(index: int) -> int:
            return positions[min(index, len(line))] + max(index - len(line), 0)

        def to_source(index: int) -> int:
            return bisect_right(starts, index) - 1 + max(index - len(shown), 0)

        return Transformation(shown, to_display, to_source)


def _has_expanded_chars(line: str) -> bool:
    """Whether the editor shows a character of the line in several signs, such as ^A. It would count them as one."""
    return len(line) <= MAX_WRAPPED_CHARS and not Char.display_mappings.keys().isdisjoint(line)


def _display_chars(fragment: OneStyleAndTextTuple) -> StyleAndTextTuples:
    """What is shown of one character."""
    style, char = fragment[:2]
    expanded = Char.display_mappings.get(char, char)
    return [fragment] if len(expanded) == 1 else [(f"{style} class:control-character", each) for each in expanded]


def wrap_line(line: str, columns: int) -> WrappedLine:
    """The rows of a line, or of none, as the editor breaks it, where it is too long or there is no room for rows."""
    return WrappedLine(line if len(line) <= MAX_WRAPPED_CHARS and columns > 1 else "", columns)


def _width(text: str) -> int:
    """The columns of a text."""
    return sum(map(_columns, text))


@lru_cache(maxsize=4096)
def _columns(char: str) -> int:
    """The columns that the editor gives to a character."""
    return Char(char).width
