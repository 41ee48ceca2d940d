"""The one table of rules: the documentation, the configuration and the keys of the report at once."""

from collections.abc import Callable
from dataclasses import dataclass

from grucli.reddit.clean.rules import content, metadata
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.html_entities import unescape_entities
from grucli.reddit.clean.rules.markdown import remove_quotes, strip_markdown
from grucli.reddit.clean.rules.metadata import RuleFilter
from grucli.reddit.clean.rules.pii import redact_pii
from grucli.reddit.clean.rules.unicode_cleanup import clean_unicode
from grucli.reddit.clean.rules.urls import replace_urls

Transform = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: it judges (`judge`, or `judge_for` the settings), mends the text (`mend`), or has its code elsewhere.

    `name`: as in `--skip-rule NAME` and in the report. `does`: for people. `options`: what it takes; a rule with
    options and without `always` is idle until one of them is given. `always`: whether it works unasked. `reads_text`:
    a judge whose answer may change with the text, so that it is asked again when the text was mended.
    """

    name: str
    description: str
    options: tuple[str, ...] = ()
    enabled_by_default: bool = True
    check: RuleFilter | None = None
    make_check: Callable[[RuleConfig], RuleFilter | None] | None = None
    transform: Transform | None = None
    recheck_after_transform: bool = False


RULES: tuple[Rule, ...] = (
    Rule(name="schema", description="drops rows without a text; numbers become numbers", check=metadata.schema),
    Rule(
        name="deleted",
        description="drops [deleted], [removed] and empty comments",
        check=metadata.deleted,
        recheck_after_transform=True,
    ),
    Rule(
        name="bot",
        description="drops what bots wrote: by their names, or because they say so",
        check=metadata.bot,
        recheck_after_transform=True,
    ),
    Rule(
        name="subreddit",
        description="keeps the subreddits asked for",
        options=("--subreddit",),
        enabled_by_default=False,
        make_check=metadata.subreddit,
    ),
    Rule(
        name="author",
        description="keeps the authors asked for, and leaves out others",
        options=("--author", "--not-author"),
        enabled_by_default=False,
        make_check=metadata.author,
    ),
    Rule(
        name="date",
        description="keeps the time asked for",
        options=("--after", "--before"),
        enabled_by_default=False,
        make_check=metadata.date,
    ),
    Rule(
        name="score",
        description="keeps the scores asked for",
        options=("--min-score", "--max-score"),
        enabled_by_default=False,
        make_check=metadata.score,
    ),
    Rule(name="entities", description="turns &amp; and the like into characters, twice", transform=unescape_entities),
    Rule(name="quotes", description="takes out quoted lines: they are somebody else's words", transform=remove_quotes),
    Rule(
        name="markdown",
        description="takes off the mark-up; links keep their text, spoilers their words",
        transform=strip_markdown,
    ),
    Rule(
        name="urls",
        description="puts [URL] for web addresses; takes out lines that hold nothing else, unless announced",
        transform=replace_urls,
    ),
    Rule(
        name="text",
        description="mends broken characters, removes unseen ones, straightens quotes, tidies white space",
        transform=clean_unicode,
    ),
    Rule(
        name="personal",
        description="puts [EMAIL], [PHONE], [IP], [CARD], [ID] and [USER] for what leads to a person",
        transform=redact_pii,
    ),
    Rule(
        name="pattern",
        description="keeps what matches, leaves out what must not",
        options=("--match", "--no-match"),
        enabled_by_default=False,
        make_check=content.pattern,
    ),
    Rule(
        name="length",
        description="drops what is too short or too long, or holds placeholders alone",
        options=("--min-chars", "--max-chars"),
        make_check=content.length,
    ),
    Rule(
        name="language",
        description="keeps the language asked for; under 20 characters it cannot tell",
        options=("--language",),
        enabled_by_default=False,
        make_check=content.language,
    ),
    Rule(name="duplicate", description="drops comments that were met before"),
    Rule(
        name="near-duplicate",
        description="drops comments that are almost one met before",
        options=("--near-duplicates",),
        enabled_by_default=False,
    ),
)
"""In the order in which they are applied. Those of duplicates have their memory, and their code, elsewhere."""

RULE_NAMES = frozenset(rule.name for rule in RULES)
