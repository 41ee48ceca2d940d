"""The rules on the cleaned text as a whole: what it says, how long it is, and in which language."""

import re
from typing import cast

from grucli import optional_imports
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.metadata import RuleFilter
from grucli.reddit.comments import Comment

_PLACEHOLDER = re.compile(r"\[(?:URL|EMAIL|USER|PHONE|CARD|ID|IP)\]")
_MIN_DETECTABLE_CHARS = 20
"""Characters under which no detector can tell a language."""


def pattern(config: RuleConfig) -> RuleFilter | None:
    """Keep what matches, and leave out what must not.

    >>> check = pattern(RuleConfig(match=re.compile("cat"), no_match=re.compile("(?i)dog")))
    >>> [check(Comment(body=text)) for text in ("a cat", "a mouse", "cat and Dog")]
    [None, 'no match', 'unwanted match']
    """
    wanted, unwanted = config.match, config.no_match
    if wanted is None and unwanted is None:
        return None

    def check(comment: Comment) -> str | None:
        body = comment.body or ""
        if wanted is not None and not wanted.search(body):
            return "no match"
        return "unwanted match" if unwanted is not None and unwanted.search(body) else None

    return check


def length(config: RuleConfig) -> RuleFilter:
    """Drop what is too short or too long, and what has no words left beside placeholders.

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


def language(config: RuleConfig) -> RuleFilter | None:
    """Drop what is in another language; a text of less than 20 characters cannot be told, and stays.

    Raises:
        UsageError: the library is not installed, or knows no such language.
    """
    wanted = config.language
    if wanted is None:
        return None
    matches_language = optional_imports.import_optional(
        "grucli.reddit.clean.rules.language", "language", "--language"
    ).make_language_filter(wanted)

    def check(comment: Comment) -> str | None:
        body = comment.body or ""
        return None if len(body) < _MIN_DETECTABLE_CHARS or cast(bool, matches_language(body)) else ""

    return check
