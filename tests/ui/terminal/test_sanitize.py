"""Sanitizing, against an independent description of control characters."""

import json
import random
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grucli.ui.terminal.sanitize import escape_control_json, mark_line_breaks, sanitize, sanitize_line

ALL_CHARS = "".join(map(chr, range(sys.maxunicode + 1)))
BIDI_CLASSES = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
BIDI_MARK_NAMES = {"LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK", "ARABIC LETTER MARK"}


def is_control(char: str) -> bool:
    """Return True if a character can control a terminal or the direction of text, by the Unicode database."""
    return (
        (unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t")
        or unicodedata.bidirectional(char) in BIDI_CLASSES
        or unicodedata.name(char, "") in BIDI_MARK_NAMES
    )


CONTROL_CHARS = [char for char in ALL_CHARS if is_control(char)]
any_text = st.text(st.one_of(st.characters(categories=None, exclude_categories=()), st.sampled_from(CONTROL_CHARS)))


@pytest.mark.slow
def test_every_code_point_is_kept_or_taken_out_as_the_unicode_database_says() -> None:
    assert sanitize(ALL_CHARS) == "".join(char for char in ALL_CHARS if not is_control(char))


@pytest.mark.slow
def test_a_hundred_thousand_hostile_strings_come_out_harmless() -> None:
    draw = random.Random(5)
    ordinary = list("abc [/]\n\té漢🙂")
    for _ in range(100_000):
        text = "".join(draw.choices(CONTROL_CHARS, k=4) + draw.choices(ordinary, k=4))
        text = "".join(draw.sample(text, len(text)))
        assert sanitize(text) == "".join(char for char in text if char in ordinary)


@given(any_text)
@example("\x1b[31mred\x1b[0m \x9b2J \u202egnp.exe")
def test_safe_changes_nothing_twice_and_keeps_the_order_of_what_stays(text: str) -> None:
    once = sanitize(text)
    assert sanitize(once) == once
    assert not any(map(is_control, once))
    rest = iter(text)
    assert all(char in rest for char in once)


@given(any_text)
def test_a_safe_line_is_one_line(text: str) -> None:
    line = sanitize_line(text)
    assert line.splitlines() in ([], [line])
    assert "\t" not in line


def test_a_safe_line_keeps_the_words_apart() -> None:
    assert sanitize_line("one\ntwo\r\n\tthree\u2028four \x1b[2J\n") == "one two three four [2J"


@given(any_text)
def test_marked_lines_are_one_line(text: str) -> None:
    marked = mark_line_breaks(text)
    assert marked == sanitize_line(marked)
    assert marked.splitlines() in ([], [marked])


def test_marks_are_between_lines_that_are_not_blank() -> None:
    assert mark_line_breaks("\none\ttwo\r\n \n three\u2028four\x1b[2J\n") == "one two / three / four[2J"
    assert mark_line_breaks(" \n") == ""


@given(any_text)
@example("\ud800\udc00")
def test_escaped_json_is_the_same_value_and_steers_nothing(text: str) -> None:
    document = escape_control_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert not any(map(is_control, document))
    # In JSON, the escapes of two halves of a surrogate pair are one character.
    assert json.loads(document) == json.loads(json.dumps({text: [text]}))
