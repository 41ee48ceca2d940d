"""Applying the rules: to one comment after another, fast, or to one comment step by step, for a person to see.

Judges of facts come first, since most drops need no more. Then the text is mended, again and again until every rule
leaves it as it is: so cleaning a clean text changes nothing. At last the text as a whole is judged.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grucli.errors import UsageError
from grucli.reddit.clean.fast_path import clean_if_simple, clean_simple_batch
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.metadata import (
    RuleFilter,
    bot,
    deleted,
    fields_pass_fast_check,
    passes_text_fast_check,
    schema,
)
from grucli.reddit.clean.rules.registry import RULE_NAMES, RULES, Transform
from grucli.reddit.comments import Comment

__all__ = ["CommentCleaner", "RuleConfig", "RuleStep", "make_batch_cleaner", "make_cleaner", "trace_rules"]

CommentCleaner = Callable[[Comment], str | None]

_MAX_PASSES = 12
"""Mark-up nested deeper than this was nested to do harm."""

_NESTED_TOO_DEEP = "nested too deep"

LENGTH_RULE = "length"
"""The rule that a plain text is seen to meet by its length alone."""

_FAST_CHECKED = (schema, deleted, bot)
"""The judges that a sound comment need not be brought before."""


@dataclass(frozen=True)
class RuleStep:
    """What one rule did to a text; `dropped` is why it dropped the comment, if it did ("" without a reason)."""

    rule: str
    before: str
    after: str
    dropped: str | None = None


def make_cleaner(config: RuleConfig) -> CommentCleaner:
    """A function that cleans a comment in place and gives None, or else why it is dropped: "rule" or "rule: reason".

    It mends body, score and date, and clears ids and names that cannot be any. It keeps nothing between two comments.

    >>> clean = make_cleaner(RuleConfig())
    >>> comment = Comment(body="*Yes* &amp;amp; [no](http://a.b)", score="3")
    >>> clean(comment), comment.body, comment.score
    (None, 'Yes & no', 3)
    >>> clean(Comment(body="[removed]"))
    'deleted: removed'

    Raises:
        UsageError: a rule to skip that does not exist, or a language without what it needs.
    """
    sequence = _make_sequence(config)

    def clean(comment: Comment) -> str | None:
        dropped = _apply_filters(sequence.metadata_checks, comment, None)
        return _transform_and_filter(sequence, comment, None) if dropped is None else dropped

    return clean


def make_batch_cleaner(config: RuleConfig) -> Callable[[Sequence[Comment]], list[str | None]]:
    """A function that does what `cleaner`'s does, to many comments at once, of which most need no more than a glance.

    >>> make_batch_cleaner(RuleConfig())([Comment("Well.", author="a"), Comment("[removed]"), Comment("*Yes*")])
    [None, 'deleted: removed', None]

    Raises:
        UsageError: as `cleaner`.
    """
    sequence = _make_sequence(config)
    min_chars, max_chars = (config.min_chars, config.max_chars) if sequence.checks_length else (0, sys.maxsize)
    filters = tuple(named_check for named_check in sequence.metadata_checks if named_check[1] not in _FAST_CHECKED)
    others = filters + tuple(named for named in sequence.text_checks if named[0] != LENGTH_RULE)

    def clean_batch(comments: Sequence[Comment]) -> list[str | None]:
        drop_reasons: list[str | None] = [None] * len(comments)
        bodies = [comment.body or "" for comment in comments]
        texts, fields_pass = clean_simple_batch(bodies, sequence.normalize_quotes), fields_pass_fast_check(comments)
        for row, (body, text, fields_ok) in enumerate(zip(bodies, texts, fields_pass, strict=True)):
            if text is None or not fields_ok or not min_chars <= len(text) <= max_chars:
                checks = filters if fields_ok and passes_text_fast_check(body) else sequence.metadata_checks
                dropped = _apply_filters(checks, comments[row], None)
                drop_reasons[row] = _transform_and_filter(sequence, comments[row], None) if dropped is None else dropped
            else:
                if text is not body:
                    comments[row].body = text
                if others:
                    drop_reasons[row] = _apply_filters(others, comments[row], None)
        return drop_reasons

    return clean_batch


def trace_rules(comment: Comment, config: RuleConfig) -> list[RuleStep]:
    """What each rule does to a comment, in order, up to the one that drops it. The comment is cleaned in place.

    Every rule at work has a step. Where rules are applied again, there are further steps for those that change or drop
    something then. The duplicates are not told: they depend on other comments.

    >>> [step.rule for step in trace_rules(Comment(body="*&lt;3*"), RuleConfig()) if step.before != step.after]
    ['entities', 'markdown']

    Raises:
        UsageError: as `cleaner`.
    """
    trace: list[RuleStep] = []
    sequence = _make_sequence(config)
    if _apply_filters(sequence.metadata_checks, comment, trace) is None:
        _transform_and_filter(sequence, comment, trace)
    seen_rules: set[str] = set()
    steps = []
    for step in trace:
        if step.rule not in seen_rules or step.before != step.after or step.dropped is not None:
            steps.append(step)
        seen_rules.add(step.rule)
    return steps


_Checks = tuple[tuple[str, RuleFilter], ...]
_Transforms = tuple[tuple[str, Transform], ...]


@dataclass(frozen=True)
class _RuleSequence:
    """The rules at work: judges of facts, menders, judges of the text.

    `again`: those of `first` that are asked again about a mended text. `straightens`: whether quotes are. `measures`:
    whether there is a judge of the length.
    """

    metadata_checks: _Checks
    transforms: _Transforms
    text_checks: _Checks
    recheck: _Checks
    normalize_quotes: bool
    checks_length: bool


class _NoFixedPointError(Exception):
    """A text that does not settle; the rule is the last that changed it."""


def _make_sequence(config: RuleConfig) -> _RuleSequence:
    if unknown := config.skip_rules - RULE_NAMES:
        names = ", ".join(rule.name for rule in RULES)
        raise UsageError(f"there is no rule '{min(unknown)}' to skip", f"choose among: {names}")
    metadata_checks: list[tuple[str, RuleFilter]] = []
    transforms: list[tuple[str, Transform]] = []
    text_checks: list[tuple[str, RuleFilter]] = []
    recheck: list[tuple[str, RuleFilter]] = []
    transforms_started = False
    for rule in RULES:
        transforms_started = transforms_started or rule.transform is not None
        if rule.name in config.skip_rules:
            continue
        if rule.transform is not None:
            transforms.append((rule.name, rule.transform))
        check = rule.make_check(config) if rule.make_check is not None else rule.check
        if check is not None:
            (text_checks if transforms_started else metadata_checks).append((rule.name, check))
            if rule.recheck_after_transform:
                recheck.append((rule.name, check))
    normalize_quotes, checks_length = "text" not in config.skip_rules, LENGTH_RULE not in config.skip_rules
    return _RuleSequence(
        tuple(metadata_checks), tuple(transforms), tuple(text_checks), tuple(recheck), normalize_quotes, checks_length
    )


def _transform_and_filter(sequence: _RuleSequence, comment: Comment, trace: list[RuleStep] | None) -> str | None:
    """Mend the text of a comment that is not dropped before, and judge it then."""
    raw = comment.body or ""
    try:
        text = _apply_until_stable(sequence.transforms, sequence.normalize_quotes, raw, trace)
    except _NoFixedPointError as error:
        if trace is not None:
            trace.append(RuleStep(str(error), raw, raw, _NESTED_TOO_DEEP))
        return f"{error}: {_NESTED_TOO_DEEP}"
    comment.body = text
    dropped = _apply_filters(sequence.text_checks, comment, trace)
    if dropped is not None or text == raw or (trace is None and passes_text_fast_check(text)):
        return dropped
    return _apply_filters(sequence.recheck, comment, trace)


def _apply_filters(checks: _Checks, comment: Comment, trace: list[RuleStep] | None) -> str | None:
    for name, check in checks:
        reason = check(comment)
        if trace is not None:
            body = comment.body if isinstance(comment.body, str) else ""
            trace.append(RuleStep(name, body, body, reason))
        if reason is not None:
            return f"{name}: {reason}" if reason else name
    return None


def _apply_until_stable(
    transforms: _Transforms, normalize_quotes: bool, text: str, trace: list[RuleStep] | None
) -> str:
    """The text when all of `mends`, one after another, leave it as it is."""
    unchanged_count, transform_count, last_changed_by = 0, len(transforms), ""
    for _ in range(_MAX_PASSES if transforms else 0):
        for name, transform in transforms:
            transformed = transform(text)
            if trace is not None:
                trace.append(RuleStep(name, text, transformed))
            if transformed == text:
                unchanged_count += 1
                if unchanged_count == transform_count:
                    return text
            else:
                unchanged_count, text, last_changed_by = 0, transformed, name
                if trace is None and (stable := clean_if_simple(text, normalize_quotes)) is not None:
                    return stable
    if transforms:
        raise _NoFixedPointError(last_changed_by)
    return text
