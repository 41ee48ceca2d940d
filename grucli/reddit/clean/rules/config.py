"""What a user asks of the rules: which to leave out, which comments to keep, how long they may be."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from grucli.errors import UsageError

MIN_CHARS = 2
"""A single character is what cleaning left over; two are an answer ("no", "ok", ":)")."""

MAX_CHARS = 10_000
"""The longest comment that Reddit takes: what is longer comes from elsewhere, or is damaged."""

REQUIRED_RULE = "schema"
"""The rule on which all others rely: the one that cannot be left out."""

_LANGUAGE_CODE = re.compile("[a-z]{2,3}")


@dataclass(frozen=True, kw_only=True)
class RuleConfig:
    """The choices of one cleaning. They can be sent to another process.

    `skip`: names of rules to leave out. `subreddits`, `authors`: keep these alone, where there are any; `not_authors`:
    keep none of these; names in any case, with or without `r/` and `u/`. `min_score`, `max_score`: both inclusive.
    `after`, `before`: seconds since 1970; `after` inclusive, `before` not. `min_chars`, `max_chars`: of the cleaned
    text, both inclusive. `language`: as in "en". `match`, `no_match`: searched for in the cleaned text.

    Raises:
        UsageError: a value that cannot be meant; the option is named.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "skip_rules", frozenset(self.skip_rules))
        object.__setattr__(self, "subreddits", _normalize_names(self.subreddits, "r/", "--subreddit"))
        object.__setattr__(self, "authors", _normalize_names(self.authors, "u/", "--author"))
        object.__setattr__(self, "not_authors", _normalize_names(self.not_authors, "u/", "--not-author"))
        if REQUIRED_RULE in self.skip_rules:
            raise UsageError(f"the rule '{REQUIRED_RULE}' cannot be skipped", "all others rely on it; skip others")
        if both := self.authors & self.not_authors:
            name = min(both)
            raise UsageError(f"'{name}' is both wanted and not", "name an author with --author or with --not-author")
        _check_range("--min-score", self.min_score, "--max-score", self.max_score)
        _check_range("--after", self.after, "--before", None if self.before is None else self.before - 1)
        if self.min_chars < 1:
            raise UsageError(f"--min-chars cannot be {self.min_chars}", "choose 1 or more")
        _check_range("--min-chars", self.min_chars, "--max-chars", self.max_chars)
        if self.language is not None and not _LANGUAGE_CODE.fullmatch(self.language):
            raise UsageError(f"--language '{self.language}' is no language", "name its code, as in: --language en")


def _normalize_names(names: Iterable[str], prefix: str, option: str) -> frozenset[str]:
    plain = frozenset(name.lower().removeprefix("/").removeprefix(prefix).strip("/ ") for name in names)
    if "" in plain:
        raise UsageError(f"{option} names nobody", f"give it a name, as in: {option} {prefix}NAME")
    return plain


def _check_range(min_option: str, min_value: int | None, max_option: str, max_value: int | None) -> None:
    if min_value is not None and max_value is not None and min_value > max_value:
        raise UsageError(
            f"nothing can satisfy both {min_option} and {max_option}", f"choose a {min_option} below the {max_option}"
        )
