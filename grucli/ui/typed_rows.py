"""The rows that a line takes while it is typed: broken between words, like all that is shown, where there is room.

The editor breaks rows at their last column alone. So a row that ends before that is filled up with blanks, which are
shown and are no part of the line. It also counts, for how high a line is, as if every row were full: with the blanks
it counts right, also where a wide character has no room in the last column.
"""

import re
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.layout.utils import explode_text_fragments

LONGEST = 5000
"""Characters of a line that is broken between words: more are not looked through at each key."""

_runs = re.compile(" +|[^ ]+")


class Rows:
    """The rows of `line`, of `columns` each. `fills` has (place, blanks): so many stand before the character there.

    A word always has a column behind it, for the blank or the cursor that comes next; only words that no row has room
    for are broken. `end` is the columns of the last row that are taken.
    """

    def __init__(self, line: str, columns: int) -> None:
        self.fills: list[tuple[int, int]] = []
        self.end = 0
        for run in _runs.finditer(line):
            if run[0][0] != " " and 0 < self.end < columns < self.end + _width(run[0]) + 1:
                self._begin_row(run.start(), columns)
            for place, sign in enumerate(run[0], run.start()):
                if self.end + _columns(sign) > columns:
                    self._begin_row(place, columns)
                self.end += _columns(sign)

    def _begin_row(self, place: int, columns: int) -> None:
        if self.end < columns:
            self.fills.append((place, columns - self.end))
        self.end = 0


class WordsWhole(Processor):
    """Shows each line in its rows; `indent` columns stand before each of them."""

    def __init__(self, indent: int) -> None:
        self._indent = indent

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Put the blanks in, and tell where that moves each character."""
        fragments = transformation_input.fragments
        line = fragment_list_to_text(fragments)
        fills = rows(line, transformation_input.width - self._indent).fills
        if not fills:
            return Transformation(fragments)
        shown: StyleAndTextTuples = []
        begin, signs = 0, explode_text_fragments(fragments)
        for place, blanks in fills:
            shown += [*signs[begin:place], ("", " " * blanks)]
            begin = place
        shown += signs[begin:]
        places = [place for place, _ in fills]
        before = [0, *accumulate(blanks for _, blanks in fills)]
        ends = [place + more for place, more in zip(places, before[1:], strict=True)]

        def to_display(place: int) -> int:
            return place + before[bisect_right(places, place)]

        def to_source(place: int) -> int:
            passed = bisect_right(ends, place)
            within = passed < len(places) and place >= places[passed] + before[passed]
            return places[passed] if within else place - before[passed]

        return Transformation(shown, to_display, to_source)


def rows(line: str, columns: int) -> Rows:
    """The rows of a line, or of none, as the editor breaks it, where it is too long or there is no room for rows."""
    return Rows(line if len(line) <= LONGEST and columns > 1 else "", columns)


def _width(text: str) -> int:
    """The columns of a text."""
    return sum(map(_columns, text))


@lru_cache(maxsize=4096)
def _columns(sign: str) -> int:
    """The columns that the editor gives to a character."""
    return Char(sign).width
