"""The table of rules: one row per rule, for the engine, the options of `gru clean`, the help and the report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from grucli.errors import UsageError
from grucli.reddit.clean.rules import content, metadata
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.html_entities import unescape_entities
from grucli.reddit.clean.rules.markdown import remove_quotes, strip_markdown
from grucli.reddit.clean.rules.metadata import RuleFilter
from grucli.reddit.clean.rules.pii import redact_pii
from grucli.reddit.clean.rules.unicode_cleanup import clean_unicode
from grucli.reddit.clean.rules.urls import replace_urls

Transform = Callable[[str], str]

SCHEMA, LENGTH, UNICODE = "schema", "length", "text"
DUPLICATE, NEAR_DUPLICATE = "duplicate", "near-duplicate"
"""Names of the rules that other modules refer to."""

_DEFAULTS = RuleConfig()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. It drops comments (`check`, or `make_check` from the configuration), or changes texts (`transform`).

    `name`: as in `--skip-rule NAME` and in the report. `options`: the flags that configure the rule, each with its
    field of `RuleConfig`. `enabled_by_default`: if False, the rule is inactive until one of its options is given.
    `checks_text`: whether to check after the transforms instead of before. `recheck_after_transform`: whether to check
    again after them if the text has changed.
    """

    name: str
    description: str
    options: Mapping[str, str] = field(default_factory=dict)
    enabled_by_default: bool = True
    check: RuleFilter | None = None
    make_check: Callable[[RuleConfig], RuleFilter] | None = None
    transform: Transform | None = None
    checks_text: bool = False
    recheck_after_transform: bool = False

    def given_options(self, config: RuleConfig) -> list[str]:
        """Return the flags of this rule whose values are not the defaults."""
        return [flag for flag, name in self.options.items() if getattr(config, name) != getattr(_DEFAULTS, name)]


RULES: tuple[Rule, ...] = (
    Rule(name=SCHEMA, description="drop rows without a text; parse numbers", check=metadata.schema),
    Rule(
        name="deleted",
        description="drop [deleted], [removed] and empty comments",
        check=metadata.deleted,
        recheck_after_transform=True,
    ),
    Rule(
        name="bot",
        description="drop comments of bots, by author name or by what the text says",
        check=metadata.bot,
        recheck_after_transform=True,
    ),
    Rule(
        name="subreddit",
        description="keep the given subreddits",
        options={"--subreddit": "subreddits"},
        enabled_by_default=False,
        make_check=metadata.subreddit,
    ),
    Rule(
        name="author",
        description="keep or drop the given authors",
        options={"--author": "authors", "--not-author": "not_authors"},
        enabled_by_default=False,
        make_check=metadata.author,
    ),
    Rule(
        name="date",
        description="keep the given time range",
        options={"--after": "after", "--before": "before"},
        enabled_by_default=False,
        make_check=metadata.date,
    ),
    Rule(
        name="score",
        description="keep the given range of scores",
        options={"--min-score": "min_score", "--max-score": "max_score"},
        enabled_by_default=False,
        make_check=metadata.score,
    ),
    Rule(name="entities", description="decode HTML entities such as &amp;, twice", transform=unescape_entities),
    Rule(name="quotes", description="remove quoted lines", transform=remove_quotes),
    Rule(
        name="markdown",
        description="remove Markdown; keep the text of links and spoilers",
        transform=strip_markdown,
    ),
    Rule(
        name="urls",
        description="replace web addresses by [URL]; remove lines of addresses only",
        transform=replace_urls,
    ),
    Rule(
        name=UNICODE,
        description="repair mojibake, normalize quotes and white space, remove invisible characters",
        transform=clean_unicode,
    ),
    Rule(
        name="personal",
        description="replace personal data by [EMAIL], [PHONE], [IP], [CARD], [ID] and [USER]",
        transform=redact_pii,
    ),
    Rule(
        name="pattern",
        description="keep or drop texts that match a regular expression",
        options={"--match": "match", "--no-match": "no_match"},
        enabled_by_default=False,
        make_check=content.pattern,
        checks_text=True,
    ),
    Rule(
        name=LENGTH,
        description="drop texts that are too short or too long, or only placeholders",
        options={"--min-chars": "min_chars", "--max-chars": "max_chars"},
        make_check=content.length,
        checks_text=True,
    ),
    Rule(
        name="language",
        description="keep the given language, and texts under 20 characters",
        options={"--language": "language"},
        enabled_by_default=False,
        make_check=content.language,
        checks_text=True,
    ),
    Rule(name=DUPLICATE, description="drop repeated comments"),
    Rule(
        name=NEAR_DUPLICATE,
        description="drop comments nearly the same as an earlier one",
        options={"--near-duplicates": "near_duplicates"},
        enabled_by_default=False,
    ),
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
    active = []
    for rule in RULES:
        given = rule.given_options(config)
        if rule.name in config.skip_rules:
            if given:
                raise UsageError(f"{given[0]} conflicts with --skip-rule {rule.name}", "remove one of them")
        elif rule.enabled_by_default or given:
            active.append(rule)
    return active


def filter_names(config: RuleConfig) -> list[str]:
    """Return the names of the active rules that may drop a comment, in order."""
    return [rule.name for rule in active_rules(config) if rule.transform is None]
