"""Configuration of the rules: which to skip, which comments to keep."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from grucli.errors import UsageError
from grucli.reddit.names import subreddit_key, user_key

MIN_CHARS = 2
"""One character is a remnant of cleaning; two can be an answer ("no", "ok", ":)")."""

MAX_CHARS = 10_000
"""Reddit's own limit for a comment."""

REQUIRED_RULE = "schema"
"""The rule that cannot be skipped: all others rely on the types it ensures."""

_LANGUAGE_CODE = re.compile("[a-z]{2,3}")


@dataclass(frozen=True, kw_only=True)
class RuleConfig:
    """Options of the rules. Picklable.

    `skip_rules`: names of rules not to apply. `subreddits`, `authors`: if any, keep only these; `not_authors`: drop
    these; names in any spelling of `reddit.names`. `min_score`, `max_score`: inclusive. `after`, `before`:
    seconds since 1970; `after` inclusive, `before` exclusive. `min_chars`, `max_chars`: length of the cleaned text,
    inclusive. `language`: a code such as "en". `match`, `no_match`: searched for in the cleaned text.
    `near_duplicates`: drop them.

    Raises:
        UsageError: a value is out of range, or two contradict each other; the message names the option.
    """

    skip_rules: frozenset[str] = frozenset()
    subreddits: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    not_authors: frozenset[str] = frozenset()
    min_score: int | None = None
    max_score: int | None = None
    after: int | None = None
    before: int | None = None
    min_chars: int = MIN_CHARS
    max_chars: int = MAX_CHARS
    language: str | None = None
    match: re.Pattern[str] | None = None
    no_match: re.Pattern[str] | None = None
    near_duplicates: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "skip_rules", frozenset(self.skip_rules))
        object.__setattr__(self, "subreddits", _keys(self.subreddits, subreddit_key, "--subreddit r/NAME"))
        object.__setattr__(self, "authors", _keys(self.authors, user_key, "--author u/NAME"))
        object.__setattr__(self, "not_authors", _keys(self.not_authors, user_key, "--not-author u/NAME"))
        if REQUIRED_RULE in self.skip_rules:
            raise UsageError(f"cannot skip the rule '{REQUIRED_RULE}'", "skip another: all rules rely on this one")
        if both := self.authors & self.not_authors:
            raise UsageError(f"--author and --not-author both name '{min(both)}'", "remove one of them")
        _check_range("--min-score", self.min_score, "--max-score", self.max_score)
        _check_range("--after", self.after, "--before", None if self.before is None else self.before - 1)
        if self.min_chars < 1:
            raise UsageError(f"invalid --min-chars {self.min_chars}", "use 1 or more")
        _check_range("--min-chars", self.min_chars, "--max-chars", self.max_chars)
        if self.language is not None and not _LANGUAGE_CODE.fullmatch(self.language):
            raise UsageError(f"invalid --language '{self.language}'", "use a language code, as in: --language en")


def compile_pattern(text: str | None, option: str) -> re.Pattern[str] | None:
    """Compile the regular expression given to `option`, if any.

    Raises:
        UsageError: it is not a valid regular expression.
    """
    try:
        return None if text is None else re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f"{option}: invalid regular expression '{text}': {error}", r"use Python's syntax, as in '\bcats?\b'"
        ) from error


def _keys(names: Iterable[str], key: Callable[[str], str], usage: str) -> frozenset[str]:
    keys = frozenset(key(name) for name in names)
    if not all(name.strip("/@") for name in keys):
        raise UsageError(f"{usage.split()[0]} requires a name", f"use: {usage}")
    return keys


def _check_range(min_option: str, min_value: int | None, max_option: str, max_value: int | None) -> None:
    if min_value is not None and max_value is not None and min_value > max_value:
        raise UsageError(f"{min_option} is greater than {max_option}", f"use a lower {min_option}")
