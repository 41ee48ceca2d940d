"""The rules one by one: what each does to what people write, and what it leaves alone."""

import doctest
import importlib
import pkgutil
import re

import ftfy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import grucli.reddit.clean.rules
from grucli.reddit.clean import rule_engine
from grucli.reddit.clean.rules import filters
from grucli.reddit.clean.rules.config import MAX_CHARS, RuleConfig
from grucli.reddit.clean.rules.filters import length
from grucli.reddit.clean.rules.markdown import remove_quotes, strip_markdown, unescape_entities
from grucli.reddit.clean.rules.pii import redact_pii
from grucli.reddit.clean.rules.registry import RULES, Transform, active_rules
from grucli.reddit.clean.rules.unicode_cleanup import clean_unicode
from grucli.reddit.clean.rules.urls import replace_urls
from grucli.reddit.comments import Comment
from tests.reddit.strategies import FRAGMENTS, hostile_text

MODULES = [
    rule_engine,
    *(
        importlib.import_module(module.name)
        for module in pkgutil.iter_modules(grucli.reddit.clean.rules.__path__, "grucli.reddit.clean.rules.")
    ),
]
TRANSFORMS: list[Transform] = [rule.transform for rule in RULES if rule.transform]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
def test_the_examples_in_the_documentation_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_every_mender_and_judge_shows_an_example() -> None:
    functions = [rule.transform or rule.check or rule.make_check for rule in RULES if rule.name != "language"]
    assert all(">>>" in (function.__doc__ or "") for function in functions if function)


def test_the_table_is_in_its_order_and_says_what_each_rule_does() -> None:
    assert " ".join(rule.name for rule in RULES) == (
        "schema deleted missing bot subreddit author date score entities quotes markdown urls unicode pii pattern "
        "length language duplicate near-duplicate"
    )
    assert all(rule.description and not rule.description.endswith(".") for rule in RULES)
    assert all(rule.options for rule in RULES if not rule.enabled_by_default)


def test_a_rule_without_its_options_is_inactive() -> None:
    active = {rule.name for rule in active_rules(RuleConfig())}
    assert active == {rule.name for rule in RULES if rule.enabled_by_default}


@pytest.mark.parametrize(
    "text", ["I was at google dot com once", "look at this dot com bubble", "We met. Look... at google dot com"]
)
def test_words_are_no_address_where_nothing_says_so(text: str) -> None:
    assert redact_pii(text) == text


def test_words_stay_after_an_address_that_went() -> None:
    comment = Comment(body="mail foo at gmail dot com, but once I was at google dot com")
    assert rule_engine.make_cleaner(RuleConfig())(comment) is None
    assert comment.body == "mail [EMAIL], but once I was at google dot com"


# What looks like mark-up, and is none.
@pytest.mark.parametrize(
    "text",
    [
        "AT&T, R&D; Q&A",
        "a_b_c and snake_case_name, __init__ and __dict__",
        "2 * 3 * 4, 2*3*4, a*b",
        "x^2, 10^6, 2^n, e^(x+y)",
        "<3 >_< ^_^ -_- T_T o_O (._.) :) :-( ;P :/ \\o/",
        "-_- hmm -_-",
        "¯\\_(ツ)_/¯",
        "#1 and #MeToo, C# is fine",
        "1. 2. 3.",
        "1. one\n2. two",
        "- one\n- two",
        "f**k this sh**t, s*** happens",
        "5* hotel and 4* food",
        "**kwargs and *args",
        "p = *q; *r = 1",
        "I <3 you <br> x >= y <= z",
        "~10, 5 ~ 6",
        "[citation needed] [a] [b] (c)",
        "if (a[i] > b) return f(x);",
        "a || b && c | d",
        "well -- you know -- so",
        "____ is the ____",
        ">_> no\n>:( really",
        "C:\\Users\\name",
        "50% and/or 1/2, 12:30:45 on 2005-12-11",
        "r/python, @home, user@home",
        "node.js/express, I like google.com",
        "end of line.Next",
        "1,000,000 or $1,234,567.89 or 3.14159265 or 1134365188",
        "2005-2006, 1990-91, ISBN 978-3-16-148410-0",
        "text 2000000 people, the number 100000000 is big, call me 12 times",
        "(2005) 123 4567, 1 2 3 4 5 6 7 8 9 10 11 12 13, GTX 1080 1070 1060, 4-1 3-2 28-7 35-21",
        "std::vector<int> a::b 10.0.0.1 127.0.0.1 v1.2.3",
        "version 1.2.3.4, Ver. 8.8.8.8, V 1.0.0.1 and versions: 9.9.9.9",
        "666-12-3456, 123-00-4567, 123-45-0000, 912-34-5678 and 123456789",
        "GB28 NWBK 6016 1331 9268 19, GB29 NWBK 6016 1331 9268, XX29 6016 1331 9268 19",
        "👨‍👩‍👧 🤷‍♀️ ❤️ 日本語 Ünïcödé می‌خواهم",
        "noooooo!!!!!!",
        "no.\n\nyes.",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    comment = Comment(body=text)
    assert rule_engine.make_cleaner(RuleConfig())(comment) is None
    assert comment.body == text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("&amp;amp;lt;3", "<3"),
        ("&#x200B;\n\nhi &#39;there&#39; &nbsp;&hearts;", "hi 'there' ♥"),
        ("&lt;br&gt; a &lt; b &amp;&amp; c &gt; d", "<br> a < b && c > d"),
        ("&gt;quote\n&gt;more\n\nreply", "reply"),
        ("&gt; &gt; nested\nreply", "reply"),
        ("&gt;!hidden!&lt; and &gt;!so *is* this!&lt;", "hidden and so is this"),
        ("**Bold**, *it*, ***both***, __bold__, _it_", "Bold, it, both, bold, it"),
        ("**bold *nested* more** and *a **b** c*", "bold nested more and a b c"),
        ("**A**mazing **B**ritain", "Amazing Britain"),
        ("[text](http://a.b/c_(d)), [t [u]](x) and ![alt](y)", "text, t [u] and alt"),
        ('[Who](/s "Snape dies") [t](http://a.b "title")', "Who Snape dies t"),
        ("[](/pony)hi ![gif](giphy|abc)", "hi"),
        ("[1]: http://x.com\nsee [foo][1]", "see foo"),
        ("<http://a.b/c> it is", "[URL] it is"),
        ("~~struck~~ `code` ``a b``", "struck code a b"),
        ("```python\nx = 1\n```", "x = 1"),
        ("    indented\n    code", "indented\ncode"),
        ("|a|b|\n|--|:-:|\n|c||\nend", "a, b\nc\nend"),
        ("# Title\n\n## Sub ##\n\nTitle\n=====\n***\ntext", "Title\n\nSub\n\nTitle\ntext"),
        ("* one\n* two\n  * three", "- one\n- two\n- three"),
        ("^this ^^tiny ^(a (b) c) word^^note", "this tiny a (b) c word note"),
        ("\\#1 snake\\_case 5 \\* 3 1\\. \\[x\\]", "#1 snake_case 5 * 3 1. [x]"),
        ("¯_(ツ)_/¯ or ¯\\\\\\_(ツ)_/¯", "¯\\_(ツ)_/¯ or ¯\\_(ツ)_/¯"),
        ("see http://x.com/a?b=c, (https://d.e/f_(g)).", "see [URL], ([URL])."),
        ("WWW.x.com or Www.y.com or HTTPS://z.org or imgur.com/abc.jpg", "[URL] or [URL] or [URL] or [URL]"),
        ("This\r\n\r\nhttp://x.com\r\n- www.y.com, http://z.com\r\n\r\nand that", "This\n\nand that"),
        ("Read this:\r\n\r\nhttp://x.com", "Read this:\n\n[URL]"),
        ("[http://a.com](http://a.com) says", "[URL] says"),
        ("steam://run/123 magnet:?x", "[URL] magnet:?x"),
        ("I said “it’s fine”, don‘t", "I said \"it's fine\", don't"),
        ("cafÃ© donâ€™t â\x80\x9cyesâ\x80\x9d âœ”", 'café don\'t "yes" ✔'),
        ("a\u200bb\u202ec\x1b[31m\x00\ufeff\u00add", "abcd"),
        ("a \x1b[1;31mred\x1b[0m\x1b[2J\x1b[?25l word \x1b", "a red word"),
        ("\x1b]0;a title\x07see \x1b]8;;https://x.com/y\x1b\\this\x1b]8;;\x1b\\ here", "see this here"),
        ("\x1b]8;;http://x.com\x07click\x1b]8;;\x07 it", "click it"),
        ("\x1b]no end [\x1b[1", "]no end [[1"),
        ("a\r\n\r\n\r\nb \t c\u00a0\u3000d \n e\x0bf", "a\n\nb c d\ne\nf"),
        ("e\u0301 ﬁne z\u0337\u0321\u031b\u0353algo", "é fine z\u0337\u0321algo"),
        ("x\u200dy \U0001f600\u200d!", "xy 😀!"),
        ("\U000e0041\U000e0042hidden\ufe01 tags\U000e0101", "hidden tags"),
        ("/u/spez, u/AutoModerator and U/x_y-z", "[USER], [USER] and [USER]"),
        ("Mail me@a.co.uk or foo at gmail dot com or a [at] b [dot] org", "Mail [EMAIL] or [EMAIL] or [EMAIL]"),
        ("j.doe at gmail dot com, joe99 at a dot org. Contact: joe at x dot net", "[EMAIL], [EMAIL]. Contact: [EMAIL]"),
        (
            "joe (at) gmail (dot) com, joe [at] gmail dot com, e-mail joe at x dot net",
            "[EMAIL], [EMAIL], e-mail [EMAIL]",
        ),
        ("to mailto:x.y+z@a-b.org!", "to [EMAIL]!"),
        ("try 555-123-4567, (555) 123-4567, 1-800-555-0199, 555.123.4567", "try [PHONE], [PHONE], [PHONE], [PHONE]"),
        ("at +44 20 7946 0958 or 020 7946 0958 or 06 12 34 56 78", "at [PHONE] or [PHONE] or [PHONE]"),
        ("my phone number is 5551234567, text me at 5551234567", "my phone number is [PHONE], text me at [PHONE]"),
        ("4111-1111-1111-1111 is 4111111111111111, 3782 822463 10005", "[CARD] is [CARD], [CARD]"),
        ("8.8.8.8 and 2001:4860:4860::8888", "[IP] and [IP]"),
        ("to DE89 3704 0044 0532 0130 00 OK", "to [ID] OK"),
        ("GB29NWBK60161331926819, NO93-8601-1117-947 or ES91 2100 0418 4502 0005 1332 NOW", "[ID], [ID] or [ID] NOW"),
        ("mine is 123-45-6789, my SSN is 078051120", "mine is [ID], my SSN is [ID]"),
        ("social security number: 219 09 9999", "social security number: [ID]"),
    ],
)
def test_what_a_rule_is_for_goes(raw: str, clean: str) -> None:
    comment = Comment(body=raw)
    assert rule_engine.make_cleaner(RuleConfig())(comment) is None
    assert comment.body == clean


@pytest.mark.parametrize(
    "name", ["RemindMeBot", "haiku_robot", "AutoModerator", "gifv-bot", "Tweet_Bot_2", "totesmessenger"]
)
def test_bots_are_known_by_their_names(name: str) -> None:
    assert filters.bot(Comment(body="hello", author=name)) == "name"


@pytest.mark.parametrize("name", ["Mr_Robot", "talbot", "Cabot77", "bottle", "botany_bay", "abbott", None, ""])
def test_people_are_not(name: str | None) -> None:
    assert filters.bot(Comment(body="hello", author=name)) is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("*I am a bot, and this action was performed automatically.*", "says so"),
        ("Beep. I'm a friendly bot!", "says so"),
        ("I’m a Bot", "says so"),
        ("This comment was left by a bot.", "says so"),
        ("Beep boop, I'm a bot", "says so"),
        ("*I am a bot, and this action was performed automatically*", "says so"),
        ("^(I am a bot) ^[source](/x)", "says so"),
        ("Hello!\n\n  I am a bot – I'm a good bot", "says so"),
        ("Done — I am a bot", "says so"),
        ("I am not a bot", None),
        ("She thinks I am a bot because I type fast", None),
        ("Who said I am a bot?", None),
        ("lol I'm a bot", None),
        ("I am a bot?", None),
        ("Wait, *I'm a bot*?!", None),
        ("I hate a bot. We are both at the bottom.", None),
    ],
)
def test_bots_confess(body: str, reason: str | None) -> None:
    assert filters.bot(Comment(body=body)) == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[deleted]", "deleted"),
        ("[removed]", "removed"),
        ("[ Removed by Reddit in response to a copyright notice. ]", "removed"),
        ("[deleted by user]", "deleted"),
        ("[unavailable]", "deleted"),
        ("", "empty"),
        (" \n\t", "empty"),
        ("[removed] again?", None),
        ("[deleting]", None),
    ],
)
def test_what_is_gone_is_dropped(body: str, reason: str | None) -> None:
    assert filters.deleted(Comment(body=body)) == reason


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (3, 3),
        ("3", 3),
        ("-2", -2),
        (3.0, 3),
        ("3.7", 3),
        (None, None),
        ("", None),
        ("many", None),
        ("nan", None),
        (float("inf"), None),
        (1e300, None),
        ("9" * 5000, None),
    ],
)
def test_numbers_become_whole_ones_or_none(value: int | float | str | None, whole: int | None) -> None:
    comment = Comment(body="a", score=value, created_utc=value)
    assert filters.schema(comment) is None
    assert (comment.score, comment.created_utc) == (whole, whole)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "\ud800", "a\u202eb", "x" * 101])
def test_names_that_cannot_be_any_are_cleared(name: str) -> None:
    comment = Comment(body="a", id=name, author=name, subreddit=name, link_id=name, parent_id=name)
    assert filters.schema(comment) is None
    fields = (comment.id, comment.author, comment.subreddit, comment.link_id, comment.parent_id)
    assert fields == (None, None, None, None, None)


def test_ordinary_names_stay() -> None:
    comment = Comment(body="a", id="c13", author="Some_One-1", subreddit="reddit.com", link_id="t3_1", parent_id="t1_2")
    filters.schema(comment)
    assert comment == Comment(
        body="a", id="c13", author="Some_One-1", subreddit="reddit.com", link_id="t3_1", parent_id="t1_2"
    )


def test_filters_keep_what_is_asked_for() -> None:
    here = filters.subreddit(RuleConfig(subreddits=frozenset({"/r/Pics", "news"})))
    assert [here(Comment(subreddit=name)) for name in ("pics", "NEWS", "r", None)] == [None, None, "", ""]
    who = filters.author(RuleConfig(authors=frozenset({"u/Ann"})))
    assert [who(Comment(author=name)) for name in ("ann", "Bob", None)] == [None, "", ""]
    when = filters.date(RuleConfig(before=0))
    assert [when(Comment(created_utc=t)) for t in (-1, 0)] == [None, "too late"]
    how = filters.score(RuleConfig(max_score=0))
    assert [how(Comment(score=n)) for n in (-5, 0, 1, None)] == [None, None, "too high", "no score"]


def test_patterns_see_the_text_that_is_written() -> None:
    clean = rule_engine.make_cleaner(RuleConfig(match=re.compile("AT&T"), no_match=re.compile(r"\[URL\]")))
    assert clean(Comment(body="AT and T")) == "pattern: no match"
    assert clean(Comment(body="*AT&amp;T*")) is None
    assert clean(Comment(body="AT&amp;T at http://x.y")) == "pattern: unwanted match"


@pytest.mark.parametrize(
    ("body", "reason"),
    [("a", "too short"), ("ab", None), ("a" * MAX_CHARS, None), ("a" * (MAX_CHARS + 1), "too long")],
)
def test_length_has_two_ends(body: str, reason: str | None) -> None:
    assert length(RuleConfig())(Comment(body=body)) == reason


@given(hostile_text)
def test_each_mender_takes_any_text(text: str) -> None:
    for transform in TRANSFORMS:
        assert isinstance(transform(text), str)


@given(hostile_text)
def test_no_quoted_line_is_left(text: str) -> None:
    left = remove_quotes(text)
    assert remove_quotes(left) == left
    assert not re.search(r"^[ \t]*>[ \w]", left, re.MULTILINE) or re.search(">[oO_]{1,2}[<>]", left)


@given(hostile_text)
def test_text_without_marks_comes_back_as_the_same_object(text: str) -> None:
    """Nothing is copied for a comment that no rule changes."""
    plain = re.sub(r"[^a-z ]", "", text)
    for transform in (unescape_entities, remove_quotes, strip_markdown, replace_urls, redact_pii):
        assert transform(plain) is plain


@pytest.mark.slow
@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: str(transform.__name__))
def test_no_mark_makes_a_rule_look_twice(transform: Transform) -> None:
    """Linear in the length: a pattern that tries each place anew would need hours for these."""
    for mark in {
        *FRAGMENTS,
        "[a",
        "[a](",
        "^(",
        "a@b.",
        "1.1.",
        "1 ",
        "*a",
        "_a",
        "|a",
        "\\[a",
        "at ",
        "a\u200d",
        "\x1b[",
        "\x1b]",
        "DE89 ",
        "NO93",
    }:
        many = mark * (200_000 // len(mark))
        for text in (many, f"({many}"):
            assert isinstance(transform(text), str)


@pytest.mark.long
@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: str(transform.__name__))
def test_a_megabyte_of_any_mark_is_no_burden(transform: Transform) -> None:
    for first in FRAGMENTS:
        for second in ("", "a", "*", "(", "\n"):
            assert isinstance(transform((first + second) * (1_000_000 // len(first + second))), str)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
def test_no_pattern_repeats_a_group_possessively(module: object) -> None:
    """Python 3.11 now and then finds no match for those; of a single character they are sound."""
    patterns = [value.pattern for value in vars(module).values() if isinstance(value, re.Pattern)]
    texts = [text.decode() if isinstance(text, bytes) else text for text in patterns]
    assert not [text for text in texts if re.search(r"(?<!\\)\)(?:[+*?]|\{[0-9,]*\})\+", text)]


@pytest.mark.parametrize(
    "text",
    [
        "Â" * 9999 + "£",
        "Â" * 5000 + "£",
        "Â" * 2000 + "\xa0" * 2000,
        "ÃƒÂ€ab" * 8000 + "é",
        "Ã©x" * 20000 + "é",
        "abc " * 14000 + "Â" * 9000 + "£",
    ],
    ids=range(6),
)
def test_what_ftfy_is_given_is_bounded_however_a_text_is_broken(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    step = ftfy._fix_encoding_one_step_and_explain

    def counted(part: str, config: ftfy.TextFixerConfig) -> ftfy.ExplainedText:
        given.append(len(part))
        return step(part, config)

    monkeypatch.setattr(ftfy, "_fix_encoding_one_step_and_explain", counted)
    rule_engine.make_cleaner(RuleConfig(max_chars=1 << 17))(Comment(body=text))

    assert 0 < sum(given) < 500_000


@settings(max_examples=40, deadline=10_000)
@given(
    st.lists(
        st.text(st.sampled_from("ÂÃâðƒ€™šœžŸ£©®\xa0\x80\x93√‚ÄвЂтА\ufffd xé"), max_size=6), min_size=1, max_size=4
    ),
    st.integers(1, 20_000),
)
def test_broken_pieces_are_repaired_quickly_however_often_they_come(pieces: list[str], length: int) -> None:
    piece = "".join(pieces)
    text = (piece * length)[:length]
    assert not re.search("  |\n\n\n|[\x80-\x9f\xa0]", clean_unicode(text))


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("itâ€™s a cafÃ©, é", "it's a café, é"),
        ("cafÃƒÂ© and itÃ¢â‚¬â„¢s – so", "café and it's – so"),
        ("naÃ¯ve â\x84¢ â\x82¬10 °", "naïve ™ €10 °"),
        ("РџСЂРёРІРµС‚, РјРёСЂ вЂ“ РєР°Рє С‚С‹?", "Привет, мир – как ты?"),
        ("caf√© na√Øve it‚Äôs", "café naïve it's"),
        (f"{'words ' * 2000}cafÃ© – é, itâ€™s", f"{'words ' * 2000}café – é, it's"),
    ],
)
def test_what_a_wrong_decoding_broke_is_repaired(broken: str, whole: str) -> None:
    assert clean_unicode(broken) == whole
