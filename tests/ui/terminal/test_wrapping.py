"""Word wrap, against a plain implementation, for any text."""

import sys

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from grucli.ui.terminal import wrapping
from grucli.ui.terminal.wrapping import IncrementalWrapper, wrap_points

TEXT = st.text(st.sampled_from("ab  \n漢é’\u0301😀█"), max_size=60)


def wrap_text(text: str, width: int) -> list[str]:
    begin, lines = 0, []
    for end, next_line in wrap_points(text, width):
        lines.append(text[begin:end])
        begin = next_line
    return [*lines, text[begin:]]


def naive_wrap(text: str, width: int) -> list[str]:
    """Wrap character by character."""
    lines: list[str] = []
    line = ""
    for index, char in enumerate(text):
        if char == "\n":
            return [*lines, line, *naive_wrap(text[index + 1 :], width)]
        if line and cell_len(line) + cell_len(char) > width:
            head, space, tail = (line + char).rpartition(" ")
            if space and head.strip(" "):
                return [*lines, head, *naive_wrap(tail + text[index + 1 :], width)]
            return [*lines, line, *naive_wrap(text[index:], width)]
        line += char
    return [*lines, line]


@given(TEXT, st.integers(1, 20))
def test_lines_end_where_a_plain_reading_ends_them(text: str, width: int) -> None:
    assert wrap_text(text, width) == naive_wrap(text, width)


def test_a_picture_may_take_two_columns_and_is_not_torn_from_its_sign() -> None:
    assert wrap_text("❤\ufe0f" * 5, 5) == ["❤\ufe0f❤\ufe0f", "❤\ufe0f❤\ufe0f", "❤\ufe0f"]
    assert wrap_text("❤\ufe0f" * 2, 1) == ["❤\ufe0f", "❤\ufe0f"]  # there is no room for either


def test_what_is_taken_for_narrow_is() -> None:
    chars = [
        char for char in map(chr, range(sys.maxunicode)) if char != "\n" and wrapping._SINGLE_WIDTH.fullmatch(char)
    ]
    assert len(chars) > 1000
    assert all(cell_len(sign) == 1 for sign in chars)


@given(st.lists(st.tuples(TEXT, st.sampled_from(["", "", "dim"])), max_size=6), st.integers(1, 20), st.integers(0, 4))
def test_a_text_that_grows_has_the_lines_of_the_whole(parts: list[tuple[str, str]], width: int, drop: int) -> None:
    whole = "".join(text for text, _ in parts)
    growing, taken = IncrementalWrapper(), []
    for text, style in parts:
        growing.feed(text, style)
        taken += [str(line) for line in growing.pop_finished(width)]
    assert [*taken, str(growing.pending)] == wrap_text(whole, width)
    again = IncrementalWrapper()
    for text, style in parts:
        again.feed(text, style)
    again.discard(width, drop)
    expected = wrap_text(whole, width)[drop:] or [""]
    assert [str(line) for line in again.lines(width)] == expected


def test_styles_stay_with_their_characters() -> None:
    growing = IncrementalWrapper()
    growing.feed("dim words ", "dim")
    growing.feed("and plain ones\x1b[2J that go on")
    first, second, *_ = growing.lines(12)
    assert isinstance(first, Text)
    assert (first.plain, [span.style for span in first.spans]) == ("dim words", ["dim"])
    assert second == "and plain"


@given(st.lists(st.tuples(st.text("ab \n漢", max_size=30), st.integers(3, 12), st.integers(0, 3)), max_size=8))
def test_what_was_looked_at_is_not_taken_for_what_it_has_become(steps: list[tuple[str, int, int]]) -> None:
    growing, left = IncrementalWrapper(), ""
    for added, width, count in steps:
        growing.feed(added)
        left += added
        fresh = IncrementalWrapper()
        fresh.feed(left)
        assert growing.lines(width) == fresh.lines(width)
        growing.discard(width, count)
        fresh.discard(width, count)
        left = str(fresh.pending)
        assert str(growing.pending) == left
