"""The rules that drop comments: filters on the metadata, and on the cleaned text (`pattern`, `length`, `language`)."""

import re
from collections.abc import Callable, Sequence
from typing import cast

from grucli import optional_imports
from grucli.read.missing import DELETED_TEXT, MISSING_VALUES, is_missing_text
from grucli.read.scores import parse_score
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.comments import Comment
from grucli.reddit.names import (
    bare_id,
    bare_subreddit_name,
    bare_user_name,
    full_name,
    post_name,
    subreddit_key,
    user_key,
)
from grucli.reddit.timestamps import parse_time

RuleFilter = Callable[[Comment], str | None]
"""Returns None to keep a comment, else the reason why it is dropped ("" for none)."""

_MISSING_NAMES = MISSING_VALUES - {""}
_MAX_NAME_CHARS = 100
"""Well over the total length of all names and ids of a comment on Reddit."""

_NAME_FIELDS: dict[str, Callable[[str], str]] = {
    "id": bare_id,
    "author": bare_user_name,
    "subreddit": bare_subreddit_name,
    "link_id": post_name,
    "parent_id": full_name,
}

KNOWN_BOTS = frozenset(
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
"""Bots whose names do not end in "bot"."""

_NOT_BOT_SUFFIXES = ("robot", "abbot", "cabot", "talbot", "turbot")
"""Words and names of people that end in "bot"."""

_BOT_WORD = re.compile(r"[bB]ot(?<!\w.ot)(?![a-z])")
_BOT_STATEMENT = re.compile(
    r"(?:^|[.!?:,*^_(\[|–—-])[^\S\n]*i(?: a|['’])m an? (?:[\w-]{1,20} ){0,2}bot\b(?![ \t*_^)\]!]*\?)"
    r"|\bthis (?:action|comment|message|reply|post) was [^\n.]{0,40}\bbot\b",
    re.IGNORECASE | re.MULTILINE,
)
"""Only at the start of a sentence that is not a question: elsewhere people quote others, or joke."""

_PLACEHOLDER = re.compile(r"\[(?:URL|EMAIL|USER|PHONE|CARD|ID|IP)\]")
_MIN_DETECTABLE_CHARS = 20
"""Shorter texts are too short for any language detector."""


def schema(comment: Comment) -> str | None:
    """Drop rows without a text. Numbers become integers, names and ids lose prefixes; invalid ones become None.

    >>> malformed = Comment(body="hi", score="12", created_utc=1134365188.0, author="u/ann", id="a\\nb")
    >>> schema(malformed), malformed.score, malformed.created_utc, malformed.author, malformed.id
    (None, 12, 1134365188, 'ann', None)
    >>> schema(Comment(id="c1"))
    'no text'
    """
    if type(comment.body) is not str:
        return "no text"
    if type(comment.score) is not int:
        comment.score = parse_score(comment.score)
    if type(comment.created_utc) is not int:
        comment.created_utc = parse_time(comment.created_utc)
    if are_plain_names([joined_names(comment)]) and comment.author not in _MISSING_NAMES:
        return None
    for field, normalize in _NAME_FIELDS.items():
        name = getattr(comment, field)
        if name is not None:
            name = normalize(name)
            is_valid = len(name) <= _MAX_NAME_CHARS and name.isprintable() and name not in _MISSING_NAMES
            setattr(comment, field, name if is_valid else None)
    return None


def missing(comment: Comment) -> str | None:
    """Drop texts that are a program's word for no value.

    >>> missing(Comment(body="NaN")), missing(Comment(body="None taken.")) is None
    ('', True)
    """
    return "" if is_missing_text(comment.body or "") else None


def deleted(comment: Comment) -> str | None:
    """Drop comments that are empty, deleted by their authors, or removed by moderators.

    >>> deleted(Comment(body="[removed]")), deleted(Comment(body="  "))
    ('removed', 'empty')
    >>> deleted(Comment(body="[removed] is what it says")) is None
    True
    """
    body = comment.body or ""
    if body[:1] == "[" and DELETED_TEXT.fullmatch(body):
        return "removed" if "emoved" in body else "deleted"
    return None if body and not body.isspace() else "empty"


def bot(comment: Comment) -> str | None:
    """Drop comments of bots: by the author's name, or because the text says so.

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
        if name in KNOWN_BOTS:
            return "name"
        if "bot" in name:
            stem = name.rstrip("0123456789_-")
            if stem.endswith("bot") and not stem.endswith(_NOT_BOT_SUFFIXES):
                return "name"
    return None


def joined_names(comment: Comment) -> str:
    """Return all ids and names of a comment as one string, to be checked at once."""
    # An f-string is several times as fast as a loop over _NAME_FIELDS.
    return f"{comment.id}{comment.author}{comment.subreddit}{comment.link_id}{comment.parent_id}"


def are_plain_names(names: Sequence[str]) -> bool:
    """Return True if `schema` would change none of these strings. If a joined string is plain, so are its parts."""
    joined = "".join(names)
    has_decoration = " " in joined or "/" in joined or "@" in joined or ")" in joined
    return not has_decoration and max(map(len, names), default=0) <= _MAX_NAME_CHARS and joined.isprintable()


def subreddit(config: RuleConfig) -> RuleFilter:
    """Keep the given subreddits.

    >>> check = subreddit(RuleConfig(subreddits=frozenset({"r/Python"})))
    >>> check(Comment(subreddit="python")) is None, check(Comment(subreddit="pics"))
    (True, '')
    """
    wanted = config.subreddits
    return lambda comment: None if subreddit_key(comment.subreddit or "") in wanted else ""


def author(config: RuleConfig) -> RuleFilter:
    """Keep the given authors, or drop them.

    >>> check = author(RuleConfig(not_authors=frozenset({"spez"})))
    >>> check(Comment(author="Spez")), check(Comment(author=None)) is None
    ('', True)
    """
    wanted, unwanted = config.authors, config.not_authors

    def check(comment: Comment) -> str | None:
        name = user_key(comment.author or "")
        return "" if name in unwanted or (wanted and name not in wanted) else None

    return check


def date(config: RuleConfig) -> RuleFilter:
    """Keep comments of the given time range.

    >>> check = date(RuleConfig(after=100, before=200))
    >>> [check(Comment(created_utc=when)) for when in (99, 100, 199, 200, None)]
    ['too early', None, None, 'too late', 'no date']
    """
    last = None if config.before is None else config.before - 1
    return _between(config.after, last, "created_utc", ("early", "late", "date"))


def score(config: RuleConfig) -> RuleFilter:
    """Keep comments in the given range of scores.

    >>> check = score(RuleConfig(min_score=2))
    >>> [check(Comment(score=n)) for n in (1, 2, None)]
    ['too low', None, 'no score']
    """
    return _between(config.min_score, config.max_score, "score", ("low", "high", "score"))


def _between(min_value: int | None, max_value: int | None, field: str, words: tuple[str, str, str]) -> RuleFilter:
    under, over, missing = f"too {words[0]}", f"too {words[1]}", f"no {words[2]}"

    def check(comment: Comment) -> str | None:
        value = getattr(comment, field)
        if not isinstance(value, int):
            return missing
        if min_value is not None and value < min_value:
            return under
        return over if max_value is not None and value > max_value else None

    return check


def pattern(config: RuleConfig) -> RuleFilter:
    """Keep texts that match one pattern, and do not match the other.

    >>> check = pattern(RuleConfig(match=re.compile("cat"), no_match=re.compile("(?i)dog")))
    >>> [check(Comment(body=text)) for text in ("a cat", "a mouse", "cat and Dog")]
    [None, 'no match', 'unwanted match']
    """
    wanted, unwanted = config.match, config.no_match

    def check(comment: Comment) -> str | None:
        body = comment.body or ""
        if wanted is not None and not wanted.search(body):
            return "no match"
        return "unwanted match" if unwanted is not None and unwanted.search(body) else None

    return check


def length(config: RuleConfig) -> RuleFilter:
    """Drop texts that are too short or too long, and those with nothing but placeholders.

    >>> check = length(RuleConfig(max_chars=12))
    >>> [check(Comment(body=text)) for text in ("ok", "", "!", "[URL], [URL]", "far far too long")]
    [None, 'nothing left', 'too short', 'nothing left', 'too long']
    """
    min_chars, max_chars = config.min_chars, config.max_chars

    def check(comment: Comment) -> str | None:
        body = comment.body or ""
        if len(body) > max_chars:
            return "too long"
        if not body or (body[0] == "[" and _is_only_placeholders(body)):
            return "nothing left"
        return "too short" if len(body) < min_chars else None

    return check


def _is_only_placeholders(body: str) -> bool:
    rest = _PLACEHOLDER.sub("", body)
    return rest != body and not any(map(str.isalnum, rest))


def language(config: RuleConfig) -> RuleFilter:
    """Drop texts in another language; keep those under 20 characters, whose language cannot be detected.

    Raises:
        UsageError: the library is not installed, or does not support the language.
    """
    matches_language = optional_imports.import_optional(
        "grucli.reddit.clean.rules.language", "language", "--language"
    ).make_language_filter(config.language)

    def check(comment: Comment) -> str | None:
        body = comment.body or ""
        return None if len(body) < _MIN_DETECTABLE_CHARS or cast(bool, matches_language(body)) else ""

    return check
