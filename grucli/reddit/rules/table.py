"""The one table of rules: the documentation, the configuration and the keys of the report at once."""

from collections.abc import Callable
from dataclasses import dataclass

from grucli.reddit.rules import facts, limits
from grucli.reddit.rules.characters import characters
from grucli.reddit.rules.entities import entities
from grucli.reddit.rules.facts import Judge
from grucli.reddit.rules.markdown import markdown, quotes
from grucli.reddit.rules.personal import personal
from grucli.reddit.rules.settings import Settings
from grucli.reddit.rules.urls import urls

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
    Rule(name="schema", does="drops rows without a text; numbers become numbers", judge=facts.schema),
    Rule(name="deleted", does="drops [deleted], [removed] and empty comments", judge=facts.deleted, reads_text=True),
    Rule(
        name="bot",
        does="drops what bots wrote: by their names, or because they say so",
        judge=facts.bot,
        reads_text=True,
    ),
    Rule(
        name="subreddit",
        does="keeps the subreddits asked for",
        options=("--subreddit",),
        always=False,
        judge_for=facts.subreddit,
    ),
    Rule(
        name="author",
        does="keeps the authors asked for, and leaves out others",
        options=("--author", "--not-author"),
        always=False,
        judge_for=facts.author,
    ),
    Rule(
        name="date",
        does="keeps the time asked for",
        options=("--after", "--before"),
        always=False,
        judge_for=facts.date,
    ),
    Rule(
        name="score",
        does="keeps the scores asked for",
        options=("--min-score", "--max-score"),
        always=False,
        judge_for=facts.score,
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
        judge_for=limits.pattern,
    ),
    Rule(
        name="length",
        does="drops what is too short or too long, or holds placeholders alone",
        options=("--min-chars", "--max-chars"),
        judge_for=limits.length,
    ),
    Rule(
        name="language",
        does="keeps the language asked for; under 20 characters it cannot tell",
        options=("--language",),
        always=False,
        judge_for=limits.language,
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
