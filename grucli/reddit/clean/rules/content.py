"""The rules on the cleaned text as a whole: what it says, how long it is, and in which language."""

import re
from typing import cast

from grucli import optional_imports
from grucli.reddit.clean.rules.config import Settings
from grucli.reddit.clean.rules.metadata import Judge
from grucli.reddit.comments import Comment

_PLACEHOLDER = re.compile(r"\[(?:URL|EMAIL|USER|PHONE|CARD|ID|IP)\]")
_SHORTEST_TOLD = 20
"""Characters under which no detector can tell a language."""


def pattern(settings: Settings) -> Judge | None:
    """Keep what matches, and leave out what must not.

    >>> judge = pattern(Settings(match=re.compile("cat"), no_match=re.compile("(?i)dog")))
    >>> [judge(Comment(body=text)) for text in ("a cat", "a mouse", "cat and Dog")]
    [None, 'no match', 'unwanted match']
    """
    wanted, unwanted = settings.match, settings.no_match
    if wanted is None and unwanted is None:
        return None

    def judge(comment: Comment) -> str | None:
        body = comment.body or ""
        if wanted is not None and not wanted.search(body):
            return "no match"
        return "unwanted match" if unwanted is not None and unwanted.search(body) else None

    return judge


def length(settings: Settings) -> Judge:
    """Drop what is too short or too long, and what has no words left beside placeholders.

    >>> judge = length(Settings(max_chars=12))
    >>> [judge(Comment(body=text)) for text in ("ok", "", "!", "[URL], [URL]", "far far too long")]
    [None, 'nothing left', 'too short', 'nothing left', 'too long']
    """
    least, most = settings.min_chars, settings.max_chars

    def judge(comment: Comment) -> str | None:
        body = comment.body or ""
        if len(body) > most:
            return "too long"
        if not body or (body[0] == "[" and _is_bare(body)):
            return "nothing left"
        return "too short" if len(body) < least else None

    return judge


def _is_bare(body: str) -> bool:
    rest = _PLACEHOLDER.sub("", body)
    return rest != body and not any(map(str.isalnum, rest))


def language(settings: Settings) -> Judge | None:
    """Drop what is in another language; a text of less than 20 characters cannot be told, and stays.

    Raises:
        UsageError: the library is not installed, or knows no such language.
    """
    wanted = settings.language
    if wanted is None:
        return None
    speaks = optional_imports.load("grucli.reddit.clean.rules.language", "language", "--language").detector(wanted)

    def judge(comment: Comment) -> str | None:
        body = comment.body or ""
        return None if len(body) < _SHORTEST_TOLD or cast(bool, speaks(body)) else ""

    return judge
