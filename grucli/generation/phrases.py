"""Texts as users type them, with escapes; stop strings and blocked phrases: parsing and limits."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from grucli.errors import UsageError

MAX_PHRASE_CHARS = 200
MAX_STOPS, MAX_BLOCKED = 64, 20_000
MAX_TRIE_NODES = 100_000
"""Limit on the characters of all blocked phrases, where common prefixes count once."""

_COMMENT_PREFIX = "#"
_ESCAPES = {"\n": r"\n", "\t": r"\t", "\\": r"\\"}
_UNESCAPES = {escaped: char for char, escaped in _ESCAPES.items()}


def unescape_text(text: str) -> str:
    r"""Replace the escapes \n, \t and \\ of a typed text by the characters they denote."""
    return re.sub(r"\\[nt\\]", lambda match: _UNESCAPES[match[0]], text)


def escape_text(text: str) -> str:
    """Escape a text so that it fits on one line; the inverse of `unescape_text`."""
    return "".join(_ESCAPES.get(char, char) for char in text)


def read_phrases(path: Path) -> tuple[str, ...]:
    """Read phrases from a file, one per line; empty lines and lines that start with # are skipped.

    Raises:
        UsageError: there is no such file, it is not text, or a line cannot be blocked.
        GruError: the disk failed, or the file is corrupt.
    """
    from grucli.read.text_files import read_text_file  # late: this module is loaded for the help of commands

    lines = read_text_file(str(path)).splitlines()
    phrases = tuple(line.strip() for line in lines if line.strip() and not line.startswith(_COMMENT_PREFIX))
    check_blocked(phrases)
    return phrases


def check_stops(stops: Sequence[str]) -> None:
    """Validate stop strings.

    Raises:
        UsageError: a string is empty or too long, or there are too many.
    """
    if len(stops) > MAX_STOPS:
        message = f"too many {{stop}} options ({len(stops)}, max {MAX_STOPS})"
        raise UsageError(message, "use fewer stop strings", ["stop"])
    for stop in stops:
        if not 0 < len(stop) <= MAX_PHRASE_CHARS:
            hint = f"{{stop}} takes 1 to {MAX_PHRASE_CHARS}"
            raise UsageError(f"{{stop}} is a text of {len(stop)} characters", hint, ["stop"])


def check_blocked(phrases: Sequence[str]) -> None:
    """Validate phrases to block.

    Raises:
        UsageError: a phrase is empty or too long, has a `*` before its end, or there are too many.
    """
    if len(phrases) > MAX_BLOCKED:
        raise UsageError(f"too many phrases to block ({len(phrases):,}, max {MAX_BLOCKED:,})", "block fewer phrases")
    for phrase in phrases:
        if not phrase.strip("* \t\r\n") or len(phrase) > MAX_PHRASE_CHARS or "*" in phrase[:-1]:
            raise UsageError(
                f"'{phrase[:40]}' cannot be blocked",
                f"use phrases of up to {MAX_PHRASE_CHARS} characters, with * only at the end of a word, as in word*",
            )
    if sum(map(len, phrases)) > MAX_TRIE_NODES and (trie_size := _trie_size(phrases)) > MAX_TRIE_NODES:
        raise UsageError(
            f"the phrases to block have {trie_size:,} characters without their common prefixes",
            f"block at most {MAX_TRIE_NODES:,} characters; word* blocks all words with a prefix",
        )


def _trie_size(phrases: Sequence[str]) -> int:
    ordered = sorted(phrase.casefold() for phrase in phrases)
    return sum(len(each) - _common_prefix_length(before, each) for before, each in pairwise(["", *ordered]))


def _common_prefix_length(one: str, other: str) -> int:
    differing = (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))
