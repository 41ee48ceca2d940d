"""The fast path is certain only of what the rules do: a promise that each new rule has to keep."""

import copy
import doctest
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.make_dump import write_dump
from grucli.read.sources import resolve_sources
from grucli.reddit.clean import fast_path
from grucli.reddit.clean.fast_path import clean_if_simple, clean_simple_batch, make_batch_cleaner
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.pipeline import clean
from grucli.reddit.clean.rule_engine import RuleEngine, make_cleaner
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import RULES
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.writer import parse_output
from tests.reddit.strategies import hostile_text

FRAGMENTS = st.one_of(
    st.text(st.sampled_from("abcdeXYZ \n,.?!;:'\"()%$-0123456789‘’“”&/[]–—…😀🐢"), max_size=12),
    st.sampled_from(
        ["www.", "WWW.", "wWw.x.com", "do", "t", "dot", "at", "com", "http", "https", "://", "u/", "x.com/", "bot", "é"]
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
            "[1]",
            "](a)",
            "[x]: /y",
            "[at]",
            "[dot]",
            "r/name",
            "🐢\ufe0f",
            "\u200d",
            "\x1f",
            "\ufffd",
            "I am a bot",
            "[deleted]",
            "nan",
            "N/A",
            "<NA>",
            "**None**",
        ]
    ),
    st.sampled_from([" ", "\n", "\n\n", "  ", " at ", " dot ", "1) one\n2) two", "a:b\n:c", "...", "call me at 12345"]),
)


def test_the_example_holds() -> None:
    result = doctest.testmod(fast_path)
    assert result.attempted
    assert not result.failed


TEXTS = st.lists(FRAGMENTS, max_size=8).map("".join)
TRANSFORMS = tuple((rule.name, rule.transform) for rule in RULES if rule.transform)


@pytest.mark.slow
@settings(max_examples=1000)
@given(TEXTS)
@example("a\x1c")
@example("")
@example("call me: 12345")
@example("2001:4860::8888")
@example("555 123 4567")
@example("- one\n- two")
def test_a_simple_text_becomes_what_the_rules_make_of_it(text: str) -> None:
    result = clean_if_simple(text, True)
    if result is not None:
        assert RuleEngine(RuleConfig())._apply_until_stable(text, None) == result
    if (result := clean_if_simple(text, False)) is not None:
        assert result == text
        assert all(transform(text) == text for _, transform in TRANSFORMS)


@pytest.mark.slow
def test_every_character_that_passes_alone_is_left_as_it_is() -> None:
    passing = [
        char
        for char in map(chr, [*range(0x80, 0xD800), *range(0xE000, 0x110000)])
        if clean_if_simple(char, False) is not None
    ]

    assert 1000 > len(passing) > 800
    assert [
        char for char in passing if any(transform(f"a{char}{char}") != f"a{char}{char}" for _, transform in TRANSFORMS)
    ] == []


@pytest.mark.slow
@settings(max_examples=500)
@given(st.lists(st.one_of(TEXTS, hostile_text), max_size=6), st.booleans())
@example(["", "a", "", " b", "c ", "\n"], True)
@example(["x", "y\x1fz"], True)
def test_a_batch_of_texts_becomes_what_each_does(texts: list[str], normalize_quotes: bool) -> None:
    for text, result in zip(texts, clean_simple_batch(texts, normalize_quotes), strict=True):
        assert result is None or result == clean_if_simple(text, normalize_quotes)


def test_a_batch_leaves_no_more_to_the_rules_than_it_must() -> None:
    fast_path = ["It's plain.", "a\n\nb", "dots", "robot", "nodot"]
    untidy = [" x", "x ", "a  b", "a\n\n\nb", "a\n b"]
    doubtful = ["x--y", "www.a", "dot", "a bot", "Bot!", ""]

    assert clean_simple_batch(fast_path + untidy + doubtful, False) == fast_path + [None] * len(untidy + doubtful)
    assert clean_simple_batch(fast_path + untidy + doubtful, True) == [
        *fast_path,
        *("x", "x", "a b", "a\n\nb", "a\nb"),
        *[None] * len(doubtful),
    ]


COMMENTS = st.builds(
    Comment,
    body=st.one_of(st.none(), TEXTS, hostile_text),
    author=st.sampled_from(
        ["a", "AutoModerator", "RemindMeBot", "a\n", "İ", "", "[deleted]", "u/AutoModerator", "@a", " a", "NaN", "a b"]
    ),
    score=st.sampled_from([1, 2]),
    created_utc=st.just(3),
    subreddit=st.sampled_from(["pics", "a\x1bb", "r/pics", None]),
    link_id=st.sampled_from(["t3_a", "https://www.reddit.com/r/pics/comments/a/title/", None]),
)
MALFORMED = st.builds(Comment, body=TEXTS, author=st.sampled_from([None, "a"]), score=st.sampled_from([None, "3", 1.5]))
RULE_CONFIGS = (
    RuleConfig(),
    RuleConfig(min_chars=8, max_chars=20),
    RuleConfig(skip_rules=frozenset({"length", "unicode"})),
    RuleConfig(skip_rules=frozenset({"bot", "deleted", "missing"}), min_score=2),
    RuleConfig(no_match=re.compile("[a-c]")),
)


@pytest.mark.slow
@settings(max_examples=500)
@given(
    st.one_of(st.lists(COMMENTS, max_size=6), st.lists(st.one_of(COMMENTS, MALFORMED), max_size=4)),
    st.sampled_from(RULE_CONFIGS),
)
def test_many_comments_at_once_are_cleaned_as_one_by_one(comments: list[Comment], choices: RuleConfig) -> None:
    alone = copy.deepcopy(comments)
    clean = make_cleaner(choices)
    reasons = make_batch_cleaner(choices)(comments)

    assert reasons == [clean(comment) for comment in alone]
    assert [c for c, dropped in zip(comments, reasons, strict=True) if dropped is None] == [
        c for c, dropped in zip(alone, reasons, strict=True) if dropped is None
    ]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dump") / "dump.zst"
    write_dump(path, 5000)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("replies", [False, True])
@pytest.mark.parametrize(
    "rule_config", [RuleConfig(), RuleConfig(skip_rules=frozenset({"unicode", "bot"}), max_chars=300)]
)
def test_a_dump_is_cleaned_the_same_without_it(
    dump: Path, tmp_path: Path, home: Path, rule_config: RuleConfig, replies: bool
) -> None:
    reports = []
    for use_fast_path in (True, False):
        options = CleanOptions(
            sources=resolve_sources([str(dump)]),
            output=parse_output(tmp_path / f"{use_fast_path}.csv", conversations=replies),
            rule_config=rule_config,
            replies=replies,
            use_fast_path=use_fast_path,
        )
        reports.append(replace(clean(options), seconds=0.0))

    assert reports[0] == reports[1]
    assert reports[0].kept > 3000
    assert (tmp_path / "True.csv").read_bytes() == (tmp_path / "False.csv").read_bytes()


@pytest.mark.parametrize(
    "text",
    ["Yes.", "I think so (more or less), don't you?\n\nIt was $5 in 2005: 10% off!", 'He said "no"; so-called "no".'],
)
def test_what_people_write_is_simple(text: str) -> None:
    assert clean_if_simple(text, False) == clean_if_simple(text.replace("'", "’"), True) == text


@pytest.mark.parametrize(
    "text",
    [" x", "x\n", "a  b", "a\tb", "a*b*", "&amp;", "é", "www.a.b", "x\n\n\n\ny", "555-123-4567", "it’s", "x\n---"],
)
def test_what_a_rule_might_change_is_not_simple(text: str) -> None:
    assert clean_if_simple(text, False) is None


def test_without_the_rule_on_characters_quotes_stay() -> None:
    comment = Comment("it’s")
    assert make_cleaner(RuleConfig(skip_rules=frozenset({"unicode"})))(comment) is None
    assert comment.body == "it’s"
