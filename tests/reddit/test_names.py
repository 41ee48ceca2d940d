"""A name is one name in every spelling, for options and for data."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.read import missing, scores
from grucli.read.scores import parse_score
from grucli.reddit import names
from grucli.reddit.clean.rule_engine import make_cleaner
from grucli.reddit.clean.rules import filters
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.pseudonyms import AuthorHasher
from grucli.reddit.names import bare_id, post_name, subreddit_key, user_key

SPELLINGS = (
    "made_up_otter",
    "u/made_up_otter",
    "/u/Made_Up_Otter",
    "  u/made_up_otter ",
    "@made_up_otter",
    "user/made_up_otter",
    "https://www.reddit.com/user/made_up_otter/",
    "https://old.reddit.com/u/MADE_UP_OTTER?utm_source=share",
    "reddit.com/u/made_up_otter/comments/",
)


@pytest.mark.parametrize("module", [names, scores, missing])
def test_the_examples_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_the_same_user(spelling: str) -> None:
    assert user_key(spelling) == "made_up_otter"
    hasher = AuthorHasher(bytes(32))
    assert hasher(spelling) == hasher("made_up_otter")
    for option in SPELLINGS:
        drop = filters.author(RuleConfig(not_authors=frozenset({option})))
        assert drop(Comment(author=spelling)) == ""


@pytest.mark.parametrize(
    "spelling", ["u/AutoModerator", "https://reddit.com/u/automoderator", "@RemindMeBot", "u/x_bot"]
)
def test_a_bot_is_known_in_every_spelling(spelling: str) -> None:
    assert make_cleaner(RuleConfig())(Comment(body="Well, yes.", author=spelling)) == "bot: name"


@pytest.mark.parametrize("author", ["u/[deleted]", "[deleted]", "DELETED", "None", "nan", "NULL", "", "u/"])
def test_a_deleted_author_has_no_hash(author: str) -> None:
    comment = Comment(body="Well.", author=author, created_utc=1, score=1)
    assert filters.schema(comment) is None
    assert AuthorHasher(bytes(32))(comment.author) == ""


def test_what_is_no_prefix_stays() -> None:
    assert [user_key(name) for name in ("u_ann", "ann/bob", "a@b", "u", "ann smith")] == [
        *("u_ann", "ann/bob", "a@b", "u", "ann smith")
    ]


@pytest.mark.parametrize("spelling", ["Pics", "r/pics", "/R/pics/", "https://www.reddit.com/r/pics/comments/1/x/"])
def test_every_spelling_is_the_same_subreddit(spelling: str) -> None:
    assert subreddit_key(spelling) == "pics"
    assert filters.subreddit(RuleConfig(subreddits=frozenset({"/r/PICS"})))(Comment(subreddit=spelling)) is None


def test_a_profile_never_keeps_its_owner_in_plain() -> None:
    hasher = AuthorHasher(bytes(32))
    for spelling in ("u_Ann", "u/Ann", "/user/Ann", "https://www.reddit.com/user/Ann/"):
        comment = Comment(body="Well.", subreddit=spelling, id="https://www.reddit.com/user/Ann/comments/ab/x/cd/")
        filters.schema(comment)
        assert hasher.hash_profile_subreddit(comment.subreddit) == f"u_{hasher('ann')}"
        assert comment.id == "cd"


@given(st.text(max_size=40))
def test_an_id_is_the_same_when_it_is_read_again(text: str) -> None:
    for normalize in (bare_id, post_name):
        assert normalize(normalize(text)) == normalize(text)


@given(st.from_regex(r"[A-Za-z0-9_-]{3,20}", fullmatch=True))
def test_a_plain_name_has_the_hash_that_it_always_had(name: str) -> None:
    hasher = AuthorHasher(bytes(32))
    assert hasher(name) == hasher.hash_exactly(name.lower()) == hasher(f" /u/{name}/")


@pytest.mark.parametrize(
    ("text", "score"),
    [
        *(
            ("1.2k", 1200),
            ("1.15K points", 1150),
            ("−3", -3),
            ("1,234,567 likes", 1234567),
            ("12 points", 12),
            ("+1", 1),
        ),
        *(("12,5", None), ("nan", None), ("inf", None), ("1e400", None), ("•", None), (True, None)),
    ],
)
def test_scores(text: object, score: int | None) -> None:
    assert parse_score(text) == score
