"""The one table of rules: the documentation, the configuration and the keys of the report at once."""

from collections.abc import Callable
from dataclasses import dataclass

from grucli.reddit.clean.rules import content, metadata
from grucli.reddit.clean.rules.config import Settings
from grucli.reddit.clean.rules.html_entities import entities
from grucli.reddit.clean.rules.markdown import markdown, quotes
from grucli.reddit.clean.rules.metadata import Judge
from grucli.reddit.clean.rules.pii import personal
from grucli.reddit.clean.rules.unicode_cleanup import characters
from grucli.reddit.clean.rules.urls import urls

Mend = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: it judges (`judge`, or `judge_for` the settings), mends the text (`mend`), or has its code elsewhere.

    `name`: as in `--skip-rule NAME` and in the report. `does`: for people. `options`: what it takes; a rule with
    options and without `always` is idle until one of them is given. `always`: whether it works unasked. `reads_text`:
    a judge whose answer may change with the text, so that it is asked again when the text was mended.
    """

    name: str
    does: str
    options: tuple[str, ...] = ()
    always: bool = True
    judge: Judge | None = None
    judge_for: Callable[[Settings], Judge | None] | None = None
    mend: Mend | None = None
    reads_text: bool = False


RULES: tuple[Rule, ...] = (
    Rule(name="schema", does="drops rows without a text; numbers become numbers", judge=metadata.schema),
    Rule(name="deleted", does="drops [deleted], [removed] and empty comments", judge=metadata.deleted, reads_text=True),
    Rule(
        name="bot",
        does="drops what bots wrote: by their names, or because they say so",
        judge=metadata.bot,
        reads_text=True,
    ),
    Rule(
        name="subreddit",
        does="keeps the subreddits asked for",
        options=("--subreddit",),
        always=False,
        judge_for=metadata.subreddit,
    ),
    Rule(
        name="author",
        does="keeps the authors asked for, and leaves out others",
        options=("--author", "--not-author"),
        always=False,
        judge_for=metadata.author,
    ),
    Rule(
        name="date",
        does="keeps the time asked for",
        options=("--after", "--before"),
        always=False,
        judge_for=metadata.date,
    ),
    Rule(
        name="score",
        does="keeps the scores asked for",
        options=("--min-score", "--max-score"),
        always=False,
        judge_for=metadata.score,
    ),
    Rule(name="entities", does="turns &amp; and the like into characters, twice", mend=entities),
    Rule(name="quotes", does="takes out quoted lines: they are somebody else's words", mend=quotes),
    Rule(name="markdown", does="takes off the mark-up; links keep their text, spoilers their words", mend=markdown),
    Rule(
        name="urls",
        does="puts [URL] for web addresses; takes out lines that hold nothing else, unless announced",
        mend=urls,
    ),
    Rule(
        name="text",
        does="mends broken characters, removes unseen ones, straightens quotes, tidies white space",
        mend=characters,
    ),
    Rule(
        name="personal",
        does="puts [EMAIL], [PHONE], [IP], [CARD], [ID] and [USER] for what leads to a person",
        mend=personal,
    ),
    Rule(
        name="pattern",
        does="keeps what matches, leaves out what must not",
        options=("--match", "--no-match"),
        always=False,
        judge_for=content.pattern,
    ),
    Rule(
        name="length",
        does="drops what is too short or too long, or holds placeholders alone",
        options=("--min-chars", "--max-chars"),
        judge_for=content.length,
    ),
    Rule(
        name="language",
        does="keeps the language asked for; under 20 characters it cannot tell",
        options=("--language",),
        always=False,
        judge_for=content.language,
    ),
    Rule(name="duplicate", does="drops comments that were met before"),
    Rule(
        name="near-duplicate",
        does="drops comments that are almost one met before",
        options=("--near-duplicates",),
        always=False,
    ),
)
"""In the order in which they are applied. Those of duplicates have their memory, and their code, elsewhere."""

NAMES = frozenset(rule.name for rule in RULES)
