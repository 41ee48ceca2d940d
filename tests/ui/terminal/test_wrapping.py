"""Where lines end, by a plain reading of the rules, for text of any kind."""

import sys

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from grucli.ui.terminal import wrapping
from grucli.ui.terminal.wrapping import Growing, line_ends

TEXT = st.text(st.sampled_from("ab  \n漢é’\u0301😀█"), max_size=60)


def lines_of(text: str, width: int) -> list[str]:
    begin, lines = 0, []
    for end, next_line in line_ends(text, width):
        lines.append(text[begin:end])
        begin = next_line
    return [*lines, text[begin:]]


def naive(text: str, width: int) -> list[str]:
    """One character after the other."""
    lines: list[str] = []
    line = ""
    for index, sign in enumerate(text):
        if sign == "\n":
            return [*lines, line, *naive(text[index + 1 :], width)]
        if line and cell_len(line) + cell_len(sign) > width:
            head, blank, tail = (line + sign).rpartition(" ")
            if blank and head.strip(" "):
                return [*lines, head, *naive(tail + text[index + 1 :], width)]
            return [*lines, line, *naive(text[index:], width)]
        line += sign
    return [*lines, line]


@given(TEXT, st.integers(1, 20))
def test_lines_end_where_a_plain_reading_ends_them(text: str, width: int) -> None:
    assert lines_of(text, width) == naive(text, width)


def test_a_picture_may_take_two_columns_and_is_not_torn_from_its_sign() -> None:
    assert lines_of("❤\ufe0f" * 5, 5) == ["❤\ufe0f❤\ufe0f", "❤\ufe0f❤\ufe0f", "❤\ufe0f"]
    assert lines_of("❤\ufe0f" * 2, 1) == ["❤\ufe0f", "❤\ufe0f"]  # there is no room for either


def test_what_is_taken_for_narrow_is() -> None:
    signs = [sign for sign in map(chr, range(sys.maxunicode)) if sign != "\n" and wrapping._narrow.fullmatch(sign)]
    assert len(signs) > 1000
    assert all(cell_len(sign) == 1 for sign in signs)


@given(st.lists(st.tuples(TEXT, st.sampled_from(["", "", "dim"])), max_size=6), st.integers(1, 20), st.integers(0, 4))
def test_a_text_that_grows_has_the_lines_of_the_whole(parts: list[tuple[str, str]], width: int, drop: int) -> None:
    whole = "".join(text for text, _ in parts)
    growing, taken = Growing(), []
    for text, style in parts:
        growing.add(text, style)
        taken += [str(line) for line in growing.take(width)]
    assert [*taken, str(growing.rest)] == lines_of(whole, width)
    again = Growing()
    for text, style in parts:
        again.add(text, style)
    again.drop(width, drop)
    expected = lines_of(whole, width)[drop:] or [""]
    assert [str(line) for line in again.lines(width)] == expected


def test_styles_stay_with_their_characters() -> None:
    growing = Growing()
    growing.add("dim words ", "dim")
    growing.add("and plain ones\x1b[2J that go on")
    first, second, *_ = growing.lines(12)
    assert isinstance(first, Text)
    assert (first.plain, [span.style for span in first.spans]) == ("dim words", ["dim"])
    assert second == "and plain"


@given(st.lists(st.tuples(st.text("ab \n漢", max_size=30), st.integers(3, 12), st.integers(0, 3)), max_size=8))
def test_what_was_looked_at_is_not_taken_for_what_it_has_become(steps: list[tuple[str, int, int]]) -> None:
    growing, left = Growing(), ""
    for added, width, count in steps:
        growing.add(added)
        left += added
        fresh = Growing()
        fresh.add(left)
        assert growing.lines(width) == fresh.lines(width)
        growing.drop(width, count)
        fresh.drop(width, count)
        left = str(fresh.rest)
        assert str(growing.rest) == left
