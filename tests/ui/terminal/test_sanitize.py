"""The guard at the door, against an independent description of what can steer a terminal."""

import json
import random
import sys
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from grucli.ui.terminal.sanitize import escape_json, safe, safe_line

EVERYTHING = "".join(map(chr, range(sys.maxunicode + 1)))
BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
MARKS = {"LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK", "ARABIC LETTER MARK"}


def steers(char: str) -> bool:
    """Say, from the Unicode database alone, whether a terminal or a reader's eye could be led astray."""
    return (
        (unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t")
        or unicodedata.bidirectional(char) in BIDI
        or unicodedata.name(char, "") in MARKS
    )


STEERING = [char for char in EVERYTHING if steers(char)]
any_text = st.text(st.one_of(st.characters(categories=None, exclude_categories=()), st.sampled_from(STEERING)))


def test_every_code_point_is_kept_or_taken_out_as_the_unicode_database_says() -> None:
    assert safe(EVERYTHING) == "".join(char for char in EVERYTHING if not steers(char))


def test_a_hundred_thousand_hostile_strings_come_out_harmless() -> None:
    draw = random.Random(5)
    ordinary = list("abc [/]\n\té漢🙂")
    for _ in range(100_000):
        text = "".join(draw.choices(STEERING, k=4) + draw.choices(ordinary, k=4))
        text = "".join(draw.sample(text, len(text)))
        assert safe(text) == "".join(char for char in text if char in ordinary)


@given(any_text)
@example("\x1b[31mred\x1b[0m \x9b2J \u202egnp.exe")
def test_safe_changes_nothing_twice_and_keeps_the_order_of_what_stays(text: str) -> None:
    once = safe(text)
    assert safe(once) == once
    assert not any(map(steers, once))
    rest = iter(text)
    assert all(char in rest for char in once)


@given(any_text)
def test_a_safe_line_is_one_line(text: str) -> None:
    line = safe_line(text)
    assert line.splitlines() in ([], [line])
    assert "\t" not in line


def test_a_safe_line_keeps_the_words_apart() -> None:
    assert safe_line("one\ntwo\r\n\tthree\u2028four \x1b[2J\n") == "one two three four [2J"


@given(any_text)
def test_escaped_json_is_the_same_value_and_steers_nothing(text: str) -> None:
    document = escape_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert not any(map(steers, document))
    assert json.loads(document) == {text: [text]}
