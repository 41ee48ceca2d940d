"""Rules on what is known about a comment: is it one, who wrote it, where, when, and how was it received.

A judge returns why a comment is dropped, or None. The makers of the filters return None where nothing was asked, so
that an idle filter costs nothing.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import cast

from grucli.reddit.clean.rules.config import Settings
from grucli.reddit.comments import Comment

Judge = Callable[[Comment], str | None]

_LONGEST_NAME = 100
"""Far over any id or name of Reddit's."""

_GONE = re.compile(r"\[ ?(?:deleted|removed|unavailable)\b[^\]\n]{0,100}\]", re.IGNORECASE)

_BOTS = frozenset(
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

_PEOPLE = ("robot", "abbot", "cabot", "talbot", "turbot")
"""Words, and names of people, that end as the names of bots do."""

_WORD = re.compile(r"[bB]ot(?<!\w.ot)(?![a-z])")
_CONFESSION = re.compile(
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
        comment.score = _whole(comment.score)
    if type(comment.created_utc) is not int:
        comment.created_utc = _whole(comment.created_utc)
    names = _names(comment)
    if len(names) <= _LONGEST_NAME and names.isprintable():
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
    if body[:1] == "[" and _GONE.fullmatch(body):
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
    if ("bot" in body or "Bot" in body) and _WORD.search(body) and _CONFESSION.search(body):
        return "says so"
    if comment.author:
        name = comment.author.lower()
        if name in _BOTS:
            return "name"
        if "bot" in name:
            stem = name.rstrip("0123456789_-")
            if stem.endswith("bot") and not stem.endswith(_PEOPLE):
                return "name"
    return None


def sound(comment: Comment) -> bool:
    """Whether it is plain at a glance that `schema`, `deleted` and `bot` would let a comment pass as it is.

    >>> comment = Comment("Well.", "c1", "somebody", "pics", 1, 1134365188, "t3_1", "t3_1")
    >>> sound(comment), sound(Comment("[removed]")), sound(Comment("Well."))
    (True, False, False)
    """
    body, author = comment.body, comment.author
    if type(body) is not str or type(author) is not str:
        return False
    if type(comment.score) is not int or type(comment.created_utc) is not int:
        return False
    names = _names(comment)
    if len(names) > _LONGEST_NAME or not names.isprintable():
        return False
    author = author.lower()
    return "bot" not in author and author not in _BOTS and says_nothing(body)


def _names(comment: Comment) -> str:
    """All ids and names of a comment in one: where it is printable and not too long, each of them is."""
    return f"{comment.id}{comment.author}{comment.subreddit}{comment.link_id}{comment.parent_id}"


def says_nothing(body: str) -> bool:
    """Whether a text says nothing, at a glance, by which `deleted` or `bot` would drop it.

    >>> says_nothing("Well."), says_nothing("[removed]"), says_nothing("")
    (True, False, False)
    """
    return body[:1].isalnum() and "bot" not in body and "Bot" not in body


def fields_sound(comments: Sequence[Comment]) -> list[bool]:
    """For each of many comments whether at a glance `schema` and `bot` have nothing against its fields.

    The text is not looked at.

    >>> known = {"score": 1, "created_utc": 1134365188}
    >>> fields_sound([Comment(author="somebody", **known), Comment(author="RemindMeBot", **known)])
    [True, False]
    """
    if not comments:
        return []
    numbers = [comment.score for comment in comments] + [comment.created_utc for comment in comments]
    names = [_names(comment) for comment in comments]
    authors = [comment.author for comment in comments]
    if (
        None in authors
        or not {int}.issuperset(map(type, numbers))
        or max(map(len, names)) > _LONGEST_NAME
        or not "".join(names).isprintable()
    ):
        return [sound(comment) for comment in comments]
    known = "\n".join(cast(list[str], authors)).lower().split("\n")
    return ["bot" not in name and name not in _BOTS for name in known]


def subreddit(settings: Settings) -> Judge | None:
    """Keep the subreddits that are asked for.

    >>> judge = subreddit(Settings(subreddits=frozenset({"r/Python"})))
    >>> judge(Comment(subreddit="python")) is None, judge(Comment(subreddit="pics"))
    (True, '')
    """
    wanted = settings.subreddits
    if not wanted:
        return None
    return lambda comment: None if (comment.subreddit or "").lower() in wanted else ""


def author(settings: Settings) -> Judge | None:
    """Keep the authors that are asked for, and leave out the others.

    >>> judge = author(Settings(not_authors=frozenset({"spez"})))
    >>> judge(Comment(author="Spez")), judge(Comment(author=None)) is None
    ('', True)
    """
    wanted, unwanted = settings.authors, settings.not_authors
    if not wanted and not unwanted:
        return None

    def judge(comment: Comment) -> str | None:
        name = (comment.author or "").lower()
        return "" if name in unwanted or (wanted and name not in wanted) else None

    return judge


def date(settings: Settings) -> Judge | None:
    """Keep the span of time that is asked for.

    >>> judge = date(Settings(after=100, before=200))
    >>> [judge(Comment(created_utc=when)) for when in (99, 100, 199, 200, None)]
    ['too early', None, None, 'too late', 'no date']
    """
    last = None if settings.before is None else settings.before - 1
    return _between(settings.after, last, "created_utc", ("early", "late", "date"))


def score(settings: Settings) -> Judge | None:
    """Keep the scores that are asked for.

    >>> judge = score(Settings(min_score=2))
    >>> [judge(Comment(score=n)) for n in (1, 2, None)]
    ['too low', None, 'no score']
    """
    return _between(settings.min_score, settings.max_score, "score", ("low", "high", "score"))


def _between(least: int | None, most: int | None, field: str, words: tuple[str, str, str]) -> Judge | None:
    if least is None and most is None:
        return None
    under, over, what = f"too {words[0]}", f"too {words[1]}", f"no {words[2]}"

    def judge(comment: Comment) -> str | None:
        value = getattr(comment, field)
        if not isinstance(value, int):
            return what
        if least is not None and value < least:
            return under
        return over if most is not None and value > most else None

    return judge


def _is_name(value: object) -> bool:
    return value is None or (type(value) is str and value.isprintable() and len(value) <= _LONGEST_NAME)


def _whole(value: object) -> int | None:
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
        return int(number) if abs(number) < 1e15 else None
    except (ValueError, OverflowError):
        return None
