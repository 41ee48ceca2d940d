"""The table of rules: one row per rule, for the engine, the options of `gru clean`, the help and the report."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from grucli.errors import UsageError
from grucli.json_record import JsonRecord
from grucli.reddit.clean.rules import filters
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.filters import RuleFilter
from grucli.reddit.clean.rules.markdown import remove_quotes, strip_markdown, unescape_entities
from grucli.reddit.clean.rules.pii import redact_pii
from grucli.reddit.clean.rules.unicode_cleanup import clean_unicode
from grucli.reddit.clean.rules.urls import replace_urls

Transform = Callable[[str], str]

SCHEMA, LENGTH, UNICODE = "schema", "length", "unicode"
DUPLICATE, NEAR_DUPLICATE = "duplicate", "near-duplicate"
"""Names of the rules that other modules refer to."""


@dataclass(frozen=True)
class Rule(JsonRecord):
    """One rule. It drops comments (`check`, or `make_check` from the configuration), or changes texts (`transform`).

    `name`: as in `--skip-rule NAME` and in the report. `options`: the flags that configure the rule, each with its
    field of `RuleConfig`; a rule with options is inactive until one is given, unless it is `always_active`.
    `field`: the field of a comment that the options need. `checks_text`: whether to check after the transforms instead
    of before. `rechecks_text`: whether to check again after them if the text has changed.
    """

    name: str
    description: str
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    field: str = ""
    check: RuleFilter | None = None
    make_check: Callable[[RuleConfig], RuleFilter] | None = None
    transform: Transform | None = None
    always_active: bool = False
    checks_text: bool = False
    rechecks_text: bool = False

    @property
    def enabled_by_default(self) -> bool:
        """Whether the rule is active without any option."""
        return self.always_active or not self.options

    def to_json(self) -> dict[str, object]:
        """Return the document that `--list-rules --json` prints of a rule."""
        default = self.enabled_by_default
        return {"name": self.name, "does": self.description, "options": list(self.options), "default": default}


RULES: tuple[Rule, ...] = (
    Rule(SCHEMA, "drop rows without a text; parse numbers", check=filters.schema),
    Rule("deleted", "drop [deleted], [removed] and empty comments", check=filters.deleted, rechecks_text=True),
    Rule("missing", "drop None, nan, NULL and other words for no value", check=filters.missing, rechecks_text=True),
    Rule("bot", "drop comments of bots, by author name or by what they say", check=filters.bot, rechecks_text=True),
    Rule(
        "subreddit",
        "keep the given subreddits",
        {"--subreddit": "subreddits"},
        "subreddit",
        make_check=filters.subreddit,
    ),
    Rule(
        "author",
        "keep or drop the given authors",
        {"--author": "authors", "--not-author": "not_authors"},
        "author",
        make_check=filters.author,
    ),
    Rule(
        "date",
        "keep the given time range",
        {"--after": "after", "--before": "before"},
        "created_utc",
        make_check=filters.date,
    ),
    Rule(
        "score",
        "keep the given range of scores",
        {"--min-score": "min_score", "--max-score": "max_score"},
        "score",
        make_check=filters.score,
    ),
    Rule("entities", "decode HTML entities such as &amp;, twice", transform=unescape_entities),
    Rule("quotes", "remove quoted lines", transform=remove_quotes),
    Rule("markdown", "remove Markdown; keep the text of links and spoilers", transform=strip_markdown),
    Rule("urls", "replace web addresses by [URL]; remove lines of addresses only", transform=replace_urls),
    Rule(UNICODE, "repair mojibake, quotes and white space; remove invisible characters", transform=clean_unicode),
    Rule("pii", "replace personal data by [EMAIL], [PHONE], [IP], [CARD], [ID] and [USER]", transform=redact_pii),
    Rule(
        "pattern",
        "keep or drop texts that match a regular expression",
        {"--match": "match", "--no-match": "no_match"},
        make_check=filters.pattern,
        checks_text=True,
    ),
    Rule(
        LENGTH,
        "drop texts that are too short or too long, or only placeholders",
        {"--min-chars": "min_chars", "--max-chars": "max_chars"},
        make_check=filters.length,
        always_active=True,
        checks_text=True,
    ),
    Rule(
        "language",
        "keep the given language, and texts under 20 characters",
        {"--language": "language"},
        make_check=filters.language,
        checks_text=True,
    ),
    Rule(DUPLICATE, "drop repeated comments"),
    Rule(NEAR_DUPLICATE, "drop comments nearly the same as an earlier one", {"--near-duplicates": "near_duplicates"}),
)
"""All rules, in the order in which they are applied. The last two need the earlier comments: see `dedup`."""


def active_rules(config: RuleConfig) -> list[Rule]:
    """Return the rules that this configuration applies, in order.

    Raises:
        UsageError: a rule to skip does not exist, or has options that are given.
    """
    if unknown := config.skip_rules - {rule.name for rule in RULES}:
        raise UsageError(
            f"unknown rule: '{min(unknown)}'", f"--skip-rule takes one of: {', '.join(rule.name for rule in RULES)}"
        )
    given = list(given_options(config))
    for rule, flag in given:
        if rule.name in config.skip_rules:
            raise UsageError(f"{flag} conflicts with --skip-rule {rule.name}", "remove one of them")
    configured = {rule.name for rule, _ in given}
    return [
        rule
        for rule in RULES
        if rule.name not in config.skip_rules and (rule.enabled_by_default or rule.name in configured)
    ]


def given_options(config: RuleConfig) -> Iterator[tuple[Rule, str]]:
    """Yield the options that a configuration has from the user, each after its rule."""
    defaults = RuleConfig()
    for rule in RULES:
        for flag, name in rule.options.items():
            if getattr(config, name) != getattr(defaults, name):
                yield rule, flag


def filter_names(config: RuleConfig) -> list[str]:
    """Return the names of the active rules that may drop a comment, in order."""
    return [rule.name for rule in active_rules(config) if rule.transform is None]
