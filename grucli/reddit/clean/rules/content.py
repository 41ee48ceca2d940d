"""Filters on the cleaned text: its content, its length, and its language."""

import re
from typing import cast

from grucli import optional_imports
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.metadata import RuleFilter
from grucli.reddit.comments import Comment

_PLACEHOLDER = re.compile(r"\[(?:URL|EMAIL|USER|PHONE|CARD|ID|IP)\]")
_MIN_DETECTABLE_CHARS = 20
"""Shorter texts are too short for any language detector."""


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
