"""Rules on what is known about a comment: is it one, who wrote it, where, when, and how was it received.

A judge returns why a comment is dropped, or None. The makers of the filters return None where nothing was asked, so
that an idle filter costs nothing.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import cast

from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.comments import Comment

RuleFilter = Callable[[Comment], str | None]

_MAX_NAME_CHARS = 100
"""Far over any id or name of Reddit's."""

_DELETED = re.compile(r"\[ ?(?:deleted|removed|unavailable)\b[^\]\n]{0,100}\]", re.IGNORECASE)

_KNOWN_BOTS = frozenset(
    (
        "automoderator",
        "autotldr",
        "b0trank",
        "decronym",
        "haiku_robot",
        "imgurtranscriber",
        "mentioned_videos",
        "metric_units",
        "mtgcardfetcher",
        "redditsilverrobot",
        "savevideo",
        "totesmessenger",
        "tweetposter",
        "user_simulator",
        "vredditdownloader",
        "xkcd_transcriber",
    )
)
"""Known ones that their names do not give away."""

_NOT_BOT_SUFFIXES = ("robot", "abbot", "cabot", "talbot", "turbot")
"""Words, and names of people, that end as the names of bots do."""

_BOT_WORD = re.compile(r"[bB]ot(?<!\w.ot)(?![a-z])")
_BOT_STATEMENT = re.compile(
    r"(?:^|[.!?:,*^_(\[|–—-])[^\S\n]*i(?: a|['’])m an? (?:[\w-]{1,20} ){0,2}bot\b(?![ \t*_^)\]!]*\?)"
    r"|\bthis (?:action|comment|message|reply|post) was [^\n.]{0,40}\bbot\b",
    re.IGNORECASE | re.MULTILINE,
)
"""What a sentence begins with, and does not ask: in the midst of one people quote others, or jest."""


def schema(comment: Comment) -> str | None:
    """Drop what has no text. Numbers become whole ones, or None; so do names and ids that cannot be any.

    >>> odd = Comment(body="hi", score="12", created_utc=1134365188.0, author="a\\nb")
    >>> schema(odd), odd.score, odd.created_utc, odd.author
    (None, 12, 1134365188, None)
    >>> schema(Comment(id="c1"))
    'no text'
    """
    if type(comment.body) is not str:
        return "no text"
    if type(comment.score) is not int:
        comment.score = _parse_int(comment.score)
    if type(comment.created_utc) is not int:
        comment.created_utc = _parse_int(comment.created_utc)
    names = _joined_names(comment)
    if len(names) <= _MAX_NAME_CHARS and names.isprintable():
        return None
    if not _is_name(comment.id):
        comment.id = None
    if not _is_name(comment.author):
        comment.author = None
    if not _is_name(comment.subreddit):
        comment.subreddit = None
    if not _is_name(comment.link_id):
        comment.link_id = None
    if not _is_name(comment.parent_id):
        comment.parent_id = None
    return None


def deleted(comment: Comment) -> str | None:
    """Drop what its author deleted, a moderator removed, or nobody wrote.

    >>> deleted(Comment(body="[removed]")), deleted(Comment(body="  "))
    ('removed', 'empty')
    >>> deleted(Comment(body="[removed] is what it says")) is None
    True
    """
    body = comment.body or ""
    if body[:1] == "[" and _DELETED.fullmatch(body):
        return "removed" if "emoved" in body else "deleted"
    return None if body and not body.isspace() else "empty"


def bot(comment: Comment) -> str | None:
    """Drop what a program wrote: by its name, or because it says so.

    >>> bot(Comment(body="!", author="RemindMeBot")), bot(Comment(body="Beep. I'm a bot."))
    ('name', 'says so')
    >>> [bot(Comment(body="Not a bot.", author=name)) for name in ("Mr_Robot", "bottle", None)]
    [None, None, None]
    """
    body = comment.body or ""
    if ("bot" in body or "Bot" in body) and _BOT_WORD.search(body) and _BOT_STATEMENT.search(body):
        return "says so"
    if comment.author:
        name = comment.author.lower()
        if name in _KNOWN_BOTS:
            return "name"
        if "bot" in name:
            stem = name.rstrip("0123456789_-")
            if stem.endswith("bot") and not stem.endswith(_NOT_BOT_SUFFIXES):
                return "name"
    return None


def passes_fast_check(comment: Comment) -> bool:
    """Whether it is plain at a glance that `schema`, `deleted` and `bot` would let a comment pass as it is.

    >>> comment = Comment("Well.", "c1", "somebody", "pics", 1, 1134365188, "t3_1", "t3_1")
    >>> passes_fast_check(comment), passes_fast_check(Comment("[removed]")), passes_fast_check(Comment("Well."))
    (True, False, False)
    """
    body, author = comment.body, comment.author
    if type(body) is not str or type(author) is not str:
        return False
    if type(comment.score) is not int or type(comment.created_utc) is not int:
        return False
    names = _joined_names(comment)
    if len(names) > _MAX_NAME_CHARS or not names.isprintable():
        return False
    author = author.lower()
    return "bot" not in author and author not in _KNOWN_BOTS and passes_text_fast_check(body)


def _joined_names(comment: Comment) -> str:
    """All ids and names of a comment in one: where it is printable and not too long, each of them is."""
    return f"{comment.id}{comment.author}{comment.subreddit}{comment.link_id}{comment.parent_id}"


def passes_text_fast_check(body: str) -> bool:
    """Whether a text says nothing, at a glance, by which `deleted` or `bot` would drop it.

    >>> passes_text_fast_check("Well."), passes_text_fast_check("[removed]"), passes_text_fast_check("")
    (True, False, False)
    """
    return body[:1].isalnum() and "bot" not in body and "Bot" not in body


def fields_pass_fast_check(comments: Sequence[Comment]) -> list[bool]:
    """For each of many comments whether at a glance `schema` and `bot` have nothing against its fields.

    The text is not looked at.

    >>> known = {"score": 1, "created_utc": 1134365188}
    >>> fields_pass_fast_check([Comment(author="somebody", **known), Comment(author="RemindMeBot", **known)])
    [True, False]
    """
    if not comments:
        return []
    numbers = [comment.score for comment in comments] + [comment.created_utc for comment in comments]
    names = [_joined_names(comment) for comment in comments]
    authors = [comment.author for comment in comments]
    if (
        None in authors
        or not {int}.issuperset(map(type, numbers))
        or max(map(len, names)) > _MAX_NAME_CHARS
        or not "".join(names).isprintable()
    ):
        return [passes_fast_check(comment) for comment in comments]
    lowercase_authors = "\n".join(cast(list[str], authors)).lower().split("\n")
    return ["bot" not in name and name not in _KNOWN_BOTS for name in lowercase_authors]


def subreddit(config: RuleConfig) -> RuleFilter | None:
    """Keep the subreddits that are asked for.

    >>> check = subreddit(RuleConfig(subreddits=frozenset({"r/Python"})))
    >>> check(Comment(subreddit="python")) is None, check(Comment(subreddit="pics"))
    (True, '')
    """
    wanted = config.subreddits
    if not wanted:
        return None
    return lambda comment: None if (comment.subreddit or "").lower() in wanted else ""


def author(config: RuleConfig) -> RuleFilter | None:
    """Keep the authors that are asked for, and leave out the others.

    >>> check = author(RuleConfig(not_authors=frozenset({"spez"})))
    >>> check(Comment(author="Spez")), check(Comment(author=None)) is None
    ('', True)
    """
    wanted, unwanted = config.authors, config.not_authors
    if not wanted and not unwanted:
        return None

    def check(comment: Comment) -> str | None:
        name = (comment.author or "").lower()
        return "" if name in unwanted or (wanted and name not in wanted) else None

    return check


def date(config: RuleConfig) -> RuleFilter | None:
    """Keep the span of time that is asked for.

    >>> check = date(RuleConfig(after=100, before=200))
    >>> [check(Comment(created_utc=when)) for when in (99, 100, 199, 200, None)]
    ['too early', None, None, 'too late', 'no date']
    """
    last = None if config.before is None else config.before - 1
    return _between(config.after, last, "created_utc", ("early", "late", "date"))


def score(config: RuleConfig) -> RuleFilter | None:
    """Keep the scores that are asked for.

    >>> check = score(RuleConfig(min_score=2))
    >>> [check(Comment(score=n)) for n in (1, 2, None)]
    ['too low', None, 'no score']
    """
    return _between(config.min_score, config.max_score, "score", ("low", "high", "score"))


def _between(
    min_value: int | None, max_value: int | None, field: str, words: tuple[str, str, str]
) -> RuleFilter | None:
    if min_value is None and max_value is None:
        return None
    under, over, missing = f"too {words[0]}", f"too {words[1]}", f"no {words[2]}"

    def check(comment: Comment) -> str | None:
        value = getattr(comment, field)
        if not isinstance(value, int):
            return missing
        if min_value is not None and value < min_value:
            return under
        return over if max_value is not None and value > max_value else None

    return check


def _is_name(value: object) -> bool:
    return value is None or (type(value) is str and value.isprintable() and len(value) <= _MAX_NAME_CHARS)


def _parse_int(value: object) -> int | None:
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
        return int(number) if abs(number) < 1e15 else None
    except (ValueError, OverflowError):
        return None
