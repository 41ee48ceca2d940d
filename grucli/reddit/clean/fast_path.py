"""The fast path: for each comment it is either certain of what the rules do, or leaves the comment to the rules.

This is the only place that knows the rules twice. Most comments contain nothing that a transform would change but
quotes and white space; a few cheap tests prove that, many of them on a whole batch at once as one array of bytes.
Without this module (`use_fast_path=False`) cleaning gives the same result, in about twice the time.

A rule that changes texts of letters, digits and the characters below, or a new filter on metadata that belongs to
`_FAST_CHECKED`, needs a test here too; `tests/reddit/clean/test_fast_path.py` compares both ways.
"""

import re
import string
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from grucli.read.missing import MISSING_TEXTS, MISSING_VALUES, is_missing_text
from grucli.reddit.clean.rule_engine import RuleEngine, make_cleaner
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.filters import KNOWN_BOTS, are_plain_names, bot, deleted, joined_names, missing, schema
from grucli.reddit.clean.rules.registry import LENGTH, UNICODE
from grucli.reddit.clean.rules.unicode_cleanup import normalize_whitespace
from grucli.reddit.comments import Comment

_FAST_CHECKED = (schema, deleted, missing, bot)
"""The filters whose answer the tests below can prove."""

_SAFE_LETTERS = (string.ascii_letters + " \n,.?!;:'\"()%$-").encode()
"""With these alone, a text has mark-up, entities, addresses or personal data only if a test below finds them."""

_SAFE_BYTES = re.compile(
    rb"(?:[0-9&/\[\]]"
    rb"|\xe2\x80[\x93\x94\x98\x99\x9c\x9d\xa6]"  # dashes, quotes, an ellipsis
    rb"|\xf0\x9f(?:[\x8c-\x98][\x80-\xbf]|\x99[\x80-\x8f])"  # emoji, U+1F300 to U+1F64F
    rb")+"
)
"""What else a text may have, as UTF-8, if `_check_special_chars` finds nothing."""

_SLOW_AUTHORS = KNOWN_BOTS | {word.lower() for word in MISSING_VALUES if word}
"""Names that `bot` drops, or that `schema` changes."""

_MISSING_INITIALS = frozenset(word[0] for word in MISSING_TEXTS)
_QUOTES = (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'))
_MAX_CACHED_BYTES = 24
_DIGIT = re.compile(rb"[0-9]")
_LONG_NUMBER = re.compile(r"[0-9][0-9 ./()-]{5}")
_DOT_WORD = re.compile(r"dot(?<![a-z]dot)(?![a-z])")
_SITE = re.compile(r"\.[a-zA-Z]{2,4}/")
_SEPARATOR = b"\x1f"
"""Separates the texts of a batch. It is not in `_SAFE_LETTERS`, so a text that contains it is left to the rules."""


def make_batch_cleaner(
    config: RuleConfig, *, use_fast_path: bool = True
) -> Callable[[Sequence[Comment]], list[str | None]]:
    """Return a function that does for many comments at once what `make_cleaner`'s does for each.

    >>> make_batch_cleaner(RuleConfig())([Comment("Well.", author="a"), Comment("[removed]"), Comment("*Yes*")])
    [None, 'deleted: removed', None]

    Raises:
        UsageError: as `RuleEngine`.
    """
    if use_fast_path:
        return _FastRuleEngine(config).clean_batch
    clean = make_cleaner(config)
    return lambda comments: [clean(comment) for comment in comments]


class _FastRuleEngine(RuleEngine):
    def __init__(self, config: RuleConfig) -> None:
        super().__init__(config)
        self._normalize_quotes = UNICODE not in config.skip_rules
        checks_length = LENGTH not in config.skip_rules
        self._min_chars, self._max_chars = (config.min_chars, config.max_chars) if checks_length else (0, sys.maxsize)
        self._slow_metadata_filters = [named for named in self.metadata_filters if named[1] not in _FAST_CHECKED]
        slow_text_filters = [named for named in self.text_filters if named[0] != LENGTH]
        self._slow_filters = self._slow_metadata_filters + slow_text_filters

    def clean_batch(self, comments: Sequence[Comment]) -> list[str | None]:
        reasons: list[str | None] = [None] * len(comments)
        bodies = [comment.body or "" for comment in comments]
        texts, fields_pass = clean_simple_batch(bodies, self._normalize_quotes), _fields_pass(comments)
        if not MISSING_TEXTS.isdisjoint(texts):
            texts = [None if text in MISSING_TEXTS else text for text in texts]
        for row, (body, text, fields_ok) in enumerate(zip(bodies, texts, fields_pass, strict=True)):
            if text is None or not fields_ok or not self._min_chars <= len(text) <= self._max_chars:
                can_skip = fields_ok and self.passes_recheck(body)
                filters = self._slow_metadata_filters if can_skip else self.metadata_filters
                dropped = self.apply_filters(filters, comments[row])
                reasons[row] = self.transform_and_filter(comments[row]) if dropped is None else dropped
            else:
                if text is not body:
                    comments[row].body = text
                if self._slow_filters:
                    reasons[row] = self.apply_filters(self._slow_filters, comments[row])
        return reasons

    def known_result(self, text: str) -> str | None:
        return clean_if_simple(text, self._normalize_quotes)

    def passes_recheck(self, text: str) -> bool:
        # None of `deleted`, `missing` and `bot` would drop a comment for such a text.
        first = text[:1]
        may_be_missing = first in _MISSING_INITIALS and is_missing_text(text)
        return first.isalnum() and "bot" not in text and "Bot" not in text and not may_be_missing


def _fields_pass(comments: Sequence[Comment]) -> list[bool]:
    """Return for each comment True if `schema` and `bot` would neither drop it for a field nor change one."""
    if not comments:
        return []
    numbers = [comment.score for comment in comments] + [comment.created_utc for comment in comments]
    names = [joined_names(comment) for comment in comments]
    authors = [comment.author for comment in comments]
    if None in authors or not {int}.issuperset(map(type, numbers)) or not are_plain_names(names):
        return list(map(_comment_fields_pass, comments))
    lowercase_authors = "\n".join(cast(list[str], authors)).lower().split("\n")
    return ["bot" not in author and author not in _SLOW_AUTHORS for author in lowercase_authors]


def _comment_fields_pass(comment: Comment) -> bool:
    if comment.author is None or type(comment.score) is not int or type(comment.created_utc) is not int:
        return False
    author = comment.author.lower()
    return are_plain_names([joined_names(comment)]) and "bot" not in author and author not in _SLOW_AUTHORS


def clean_if_simple(text: str, normalize_quotes: bool) -> str | None:
    r"""Return what the transforms make of a text if that is certain, else None.

    `normalize_quotes`: whether the rule that normalizes quotes and white space is active.

    >>> clean_if_simple("Well, it’s plain (isn't it?)\nIn 2005 it was. ", True), clean_if_simple("*not* plain", True)
    ("Well, it's plain (isn't it?)\nIn 2005 it was.", None)
    """
    rest = text.encode().translate(None, _SAFE_LETTERS)
    if rest and not _SAFE_BYTES.fullmatch(rest):
        return None
    normalized = normalize_whitespace(text)
    if not normalized or (normalized != text and not normalize_quotes):
        return None
    # Thematic breaks, web addresses, and spelled-out e-mail addresses (me at example dot com).
    if (
        "--" in normalized
        or "ww." in normalized
        or "WW." in normalized
        or ("dot" in normalized and _DOT_WORD.search(normalized))
    ):
        return None
    return _check_special_chars(normalized, rest, normalize_quotes) if rest else normalized


def clean_simple_batch(texts: Sequence[str], normalize_quotes: bool) -> list[str | None]:
    """Do `clean_if_simple` for each text; None also for texts that the filters `deleted` or `bot` might drop.

    >>> clean_simple_batch(["It’s plain.", "*not*", "I am a bot", "[removed]"], True)
    ["It's plain.", None, None, None]
    """
    data = _SEPARATOR.join([b"", *map(str.encode, texts), b""])
    rests = data.translate(None, _SAFE_LETTERS).split(_SEPARATOR)[1:-1]
    if len(rests) != len(texts):
        return [None] * len(texts)
    results: list[str | None] = [
        text if not rest else None if text[0] == "[" else _check_special_chars(text, rest, normalize_quotes)
        for text, rest in zip(texts, rests, strict=True)
    ]
    unsure, mentions_bot = _find_exceptions(np.frombuffer(data, np.uint8))
    for row in unsure:
        results[row] = clean_if_simple(texts[row], normalize_quotes)
    for row in mentions_bot:
        results[row] = None
    return results


class _SpecialChars(NamedTuple):
    brackets: bool
    slash: bool
    ampersand: bool
    digits: bool
    quotes: tuple[tuple[str, str], ...]


def _classify_rest(rest: bytes) -> _SpecialChars | None:
    if not _SAFE_BYTES.fullmatch(rest):
        return None
    quotes = tuple((curly, straight) for curly, straight in _QUOTES if curly.encode() in rest)
    return _SpecialChars(b"[" in rest or b"]" in rest, b"/" in rest, b"&" in rest, bool(_DIGIT.search(rest)), quotes)


_classify_rest_cached = lru_cache(1 << 12)(_classify_rest)
"""Most texts have one of a few short rests."""


def _check_special_chars(text: str, rest: bytes, normalize_quotes: bool) -> str | None:
    """Return the text with straight quotes if its `rest`, the UTF-8 without `_SAFE_LETTERS`, is harmless, else None."""
    special = _classify_rest_cached(rest) if len(rest) <= _MAX_CACHED_BYTES else _classify_rest(rest)
    if special is None:
        return None
    brackets, slash, ampersand, digits, quotes = special
    if brackets and ("](" in text or "]:" in text):
        return None
    if slash and ("u/" in text or "U/" in text or "://" in text or _SITE.search(text)):
        return None
    if ampersand and ";" in text:
        return None
    if digits and (text.count(":") > 1 or _LONG_NUMBER.search(text)):
        return None
    if quotes and not normalize_quotes:
        return None
    for curly, straight in quotes:
        text = text.replace(curly, straight)
    return text


def _find_exceptions(data: NDArray[np.uint8]) -> tuple[set[int], set[int]]:
    """Return the texts in `data`, [n] between separators, that may not be simple; and those with the word "bot"."""
    is_space, is_newline = data <= ord(" "), data == ord("\n")
    is_double_newline = is_newline[1:] & is_newline[:-1]
    is_w = (data | 0x20) == ord("w")
    word_starts = _words_in_ot(data)
    first_letters = data[word_starts]
    positions = np.concatenate(
        [
            # Two spaces. A separator counts as a space, so also a space at the start or end of a text.
            np.flatnonzero((is_space[1:] & is_space[:-1]) != is_double_newline),
            np.flatnonzero(is_double_newline[1:] & is_double_newline[:-1]),
            np.flatnonzero((data[1:] == ord("-")) & (data[:-1] == ord("-"))),
            np.flatnonzero(is_w[:-2] & is_w[1:-1] & (data[2:] == ord("."))),
            word_starts[first_letters == ord("d")],
        ]
    )
    separators = np.flatnonzero(data == _SEPARATOR[0])
    unsure, mentions_bot = (
        set((np.searchsorted(separators, hits, "right") - 1).tolist())
        for hits in (positions, word_starts[(first_letters | 0x20) == ord("b")])
    )
    return unsure, mentions_bot


def _words_in_ot(data: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the starts of the three-letter words that end in "ot"."""
    positions: NDArray[np.intp] = np.flatnonzero((data[1:] == ord("t")) & (data[:-1] == ord("o")))
    positions = positions[~_is_lowercase(data[positions + 2])]
    positions = positions[~_is_lowercase(data[positions - 2])]
    return positions - 1


def _is_lowercase(octets: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (octets >= ord("a")) & (octets <= ord("z"))
