"""What is plain at a glance is what no rule mends: a promise that each new rule has to keep."""

import doctest

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grucli.reddit.cleaning import _settled, cleaner
from grucli.reddit.comments import Comment
from grucli.reddit.rules import plain
from grucli.reddit.rules.plain import glance
from grucli.reddit.rules.settings import Settings
from grucli.reddit.rules.table import RULES

PIECES = st.one_of(
    st.text(st.sampled_from("abcdeXYZ \n,.?!;:'\"()%$-0123456789‘’“”"), max_size=12),
    st.sampled_from(
        ["www.", "WWW.", "wWw.x.com", "do", "t", "dot", "at", "com", "http", "https", "://", "u/", "x.com/"]
    ),
    st.sampled_from(
        [
            "mailto:",
            "call me 12345",
            ":33",
            "1.",
            "1.2.3.4",
            "a::1",
            "(555)",
            "555-",
            "4111",
            "- a",
            "1) ",
            "i.e.",
            ":)",
            "''",
            "((",
            "$",
            "amp;",
            "&amp;",
            "*",
            ">",
            "--",
        ]
    ),
    st.sampled_from([" ", "\n", "\n\n", "  ", " at ", " dot ", "1) one\n2) two", "a:b\n:c", "...", "call me at 12345"]),
)


def test_the_example_holds() -> None:
    found = doctest.testmod(plain)
    assert found.attempted
    assert not found.failed


@settings(max_examples=1000)
@given(st.lists(PIECES, max_size=8).map("".join))
@example("a\x1c")
@example("")
@example("call me: 12345")
@example("2001:4860::8888")
@example("555 123 4567")
@example("- one\n- two")
def test_a_glance_tells_what_the_rules_make_of_a_text(text: str) -> None:
    settled = glance(text, True)
    if settled is not None:
        assert _settled(tuple((rule.name, rule.mend) for rule in RULES if rule.mend), text, None) == settled
    if (settled := glance(text, False)) is not None:
        assert settled == text
        assert all(rule.mend(text) == text for rule in RULES if rule.mend)


@pytest.mark.parametrize(
    "text",
    ["Yes.", "I think so (more or less), don't you?\n\nIt was $5 in 2005: 10% off!", 'He said "no"; so-called "no".'],
)
def test_what_people_write_is_plain(text: str) -> None:
    assert glance(text, False) == glance(text.replace("'", "’"), True) == text


@pytest.mark.parametrize(
    "text",
    [" x", "x\n", "a  b", "a\tb", "a*b*", "&amp;", "é", "www.a.b", "x\n\n\n\ny", "555-123-4567", "it’s", "x\n---"],
)
def test_what_a_rule_might_mend_is_not(text: str) -> None:
    assert glance(text, False) is None


def test_without_the_rule_on_characters_quotes_stay() -> None:
    comment = Comment("it’s")
    assert cleaner(Settings(skip=frozenset({"text"})))(comment) is None
    assert comment.body == "it’s"
