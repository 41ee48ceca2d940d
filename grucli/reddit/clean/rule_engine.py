"""Applies the rules to one comment.

First the filters on metadata, which most dropped comments fail. Then the transforms, repeated until none changes the
text any more, so that cleaning a clean text changes nothing. Finally the filters on the cleaned text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.filters import RuleFilter
from grucli.reddit.clean.rules.registry import active_rules
from grucli.reddit.comments import Comment

NamedFilters = Sequence[tuple[str, RuleFilter]]

_MAX_PASSES = 12
"""Only hostile, deeply nested mark-up needs more."""

_NESTED_TOO_DEEP = "nested too deep"


@dataclass(frozen=True)
class RuleStep:
    """What one rule did to a text. `dropped`: the reason if it dropped the comment, "" for none."""

    rule: str
    before: str
    after: str
    dropped: str | None = None


class RuleEngine:
    """The active rules of a configuration. It keeps nothing between two comments.

    Raises:
        UsageError: a rule to skip does not exist or has options that are given, or a language is not supported.
    """

    def __init__(self, config: RuleConfig) -> None:
        rules = active_rules(config)
        self._transforms = [(rule.name, rule.transform) for rule in rules if rule.transform is not None]
        made = [(rule, rule.make_check(config) if rule.make_check is not None else rule.check) for rule in rules]
        checks = [(rule, check) for rule, check in made if check is not None]
        self.metadata_filters = [(rule.name, check) for rule, check in checks if not rule.checks_text]
        self.text_filters = [(rule.name, check) for rule, check in checks if rule.checks_text]
        self._recheck_filters = [(rule.name, check) for rule, check in checks if rule.rechecks_text]

    def clean(self, comment: Comment, trace: list[RuleStep] | None = None) -> str | None:
        """Clean a comment in place. Return None, or why it is dropped: "rule" or "rule: reason".

        `trace`: receives a step for each rule that is applied.
        """
        dropped = self.apply_filters(self.metadata_filters, comment, trace)
        return self.transform_and_filter(comment, trace) if dropped is None else dropped

    def apply_filters(self, filters: NamedFilters, comment: Comment, trace: list[RuleStep] | None = None) -> str | None:
        """Return why the first filter that drops the comment does so, or None."""
        for name, check in filters:
            reason = check(comment)
            if trace is not None:
                body = comment.body if isinstance(comment.body, str) else ""
                trace.append(RuleStep(name, body, body, reason))
            if reason is not None:
                return f"{name}: {reason}" if reason else name
        return None

    def transform_and_filter(self, comment: Comment, trace: list[RuleStep] | None = None) -> str | None:
        """Apply the transforms, then the filters on the text and those that have to see a changed text again."""
        raw = comment.body or ""
        try:
            text = self._apply_until_stable(raw, trace)
        except _NoFixedPointError as error:
            if trace is not None:
                trace.append(RuleStep(str(error), raw, raw, _NESTED_TOO_DEEP))
            return f"{error}: {_NESTED_TOO_DEEP}"
        comment.body = text
        dropped = self.apply_filters(self.text_filters, comment, trace)
        if dropped is not None or text == raw or self.passes_recheck(text):
            return dropped
        return self.apply_filters(self._recheck_filters, comment, trace)

    def known_result(self, text: str) -> str | None:
        """Return what the transforms will make of a text if that is known without applying them, else None."""
        return None

    def passes_recheck(self, text: str) -> bool:
        """Return True if it is known that no filter would drop the changed text."""
        return False

    def _apply_until_stable(self, text: str, trace: list[RuleStep] | None) -> str:
        unchanged_count, last_changed_by = 0, ""
        for _ in range(_MAX_PASSES if self._transforms else 0):
            for name, transform in self._transforms:
                transformed = transform(text)
                if trace is not None:
                    trace.append(RuleStep(name, text, transformed))
                if transformed == text:
                    unchanged_count += 1
                    if unchanged_count == len(self._transforms):
                        return text
                else:
                    unchanged_count, text, last_changed_by = 0, transformed, name
                    if (result := self.known_result(text)) is not None:
                        return result
        if self._transforms:
            raise _NoFixedPointError(last_changed_by)
        return text


class _NoFixedPointError(Exception):
    """The transforms keep changing the text; the message is the last rule that did."""


def make_cleaner(config: RuleConfig) -> RuleFilter:
    """Return a function that cleans a comment in place and returns None, or why it is dropped.

    >>> clean = make_cleaner(RuleConfig())
    >>> comment = Comment(body="*Yes* &amp;amp; [no](http://a.b)", score="3")
    >>> clean(comment), comment.body, comment.score
    (None, 'Yes & no', 3)
    >>> clean(Comment(body="[removed]"))
    'deleted: removed'

    Raises:
        UsageError: as `RuleEngine`.
    """
    return RuleEngine(config).clean


def trace_rules(comment: Comment, config: RuleConfig) -> list[RuleStep]:
    """Clean a comment in place and return the step of each rule, in order, up to the one that drops it.

    Steps of a repeated pass are included if they change or drop something. Duplicates are not checked.

    >>> [step.rule for step in trace_rules(Comment(body="*&lt;3*"), RuleConfig()) if step.before != step.after]
    ['entities', 'markdown']

    Raises:
        UsageError: as `RuleEngine`.
    """
    trace: list[RuleStep] = []
    RuleEngine(config).clean(comment, trace)
    seen_rules: set[str] = set()
    steps = []
    for step in trace:
        if step.rule not in seen_rules or step.before != step.after or step.dropped is not None:
            steps.append(step)
        seen_rules.add(step.rule)
    return steps
