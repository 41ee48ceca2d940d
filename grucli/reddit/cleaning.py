"""Applying the rules: one comment after another, fast, or one comment step by step, for a person to see.

Judges of facts come first, since most drops need no more. Then the text is mended, again and again until a whole round
changes nothing, so that cleaning a clean text leaves it as it is; at last the text as a whole is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass

from grucli.errors import UsageError
from grucli.reddit.comments import Comment
from grucli.reddit.rules.facts import Judge
from grucli.reddit.rules.settings import Settings
from grucli.reddit.rules.table import NAMES, RULES, Mend, Rule

_MOST_ROUNDS = 12
"""Mark-up nested deeper than this was nested to do harm."""

_KNOT = "nested too deep"


@dataclass(frozen=True)
class Step:
    """What one rule did to a text; `dropped` is why it dropped the comment, if it did ("" without a reason)."""

    rule: str
    before: str
    after: str
    dropped: str | None = None


@dataclass(frozen=True)
class _Plan:
    """The rules at work, sorted by kind. `again`: the judges among `first` that are asked again after mending."""

    first: tuple[tuple[str, Judge], ...]
    mends: tuple[tuple[str, Mend], ...]
    again: tuple[tuple[str, Judge], ...]
    last: tuple[tuple[str, Judge], ...]


def cleaner(settings: Settings) -> Callable[[Comment], str | None]:
    """A function that cleans a comment in place, and gives None, or why it is dropped: "rule" or "rule: reason".

    Raises:
        UsageError: a rule to skip that does not exist, or a language without what it needs.
    """
    plan = _plan(settings)
    first, mends, again, last = plan.first, tuple(mend for _, mend in plan.mends), plan.again, plan.last

    def clean(comment: Comment) -> str | None:
        for name, judge in first:
            reason = judge(comment)
            if reason is not None:
                return f"{name}: {reason}" if reason else name
        raw = text = comment.body or ""
        for _ in range(_MOST_ROUNDS):
            before = text
            for mend in mends:
                text = mend(text)
            if text == before:
                break
        else:
            return f"{plan.mends[-1][0]}: {_KNOT}"
        comment.body = text
        for name, judge in last if text == raw else again + last:
            reason = judge(comment)
            if reason is not None:
                return f"{name}: {reason}" if reason else name
        return None

    return clean


def explain(comment: Comment, settings: Settings) -> list[Step]:
    """What each rule does to a comment, in order, up to the one that drops it. The comment is cleaned in place.

    Every rule at work has a step; from the second round on, those only that changed something.

    Raises:
        UsageError: as `cleaner`.
    """
    plan = _plan(settings)
    steps: list[Step] = []
    if _judged(plan.first, comment, steps):
        return steps
    raw = text = comment.body or ""
    for round_ in range(_MOST_ROUNDS):
        before = text
        for name, mend in plan.mends:
            mended = mend(text)
            if mended != text or not round_:
                steps.append(Step(name, text, mended))
            text = mended
        if text == before:
            break
    else:
        return [*steps, Step(plan.mends[-1][0], text, text, _KNOT)]
    comment.body = text
    if text != raw:
        asked: list[Step] = []
        if _judged(plan.again, comment, asked):
            return [*steps, asked[-1]]
    _judged(plan.last, comment, steps)
    return steps


def _judged(judges: tuple[tuple[str, Judge], ...], comment: Comment, steps: list[Step]) -> bool:
    """Add a step for each judge, up to one that drops the comment, and tell whether there was one."""
    for name, judge in judges:
        before = comment.body if isinstance(comment.body, str) else ""
        reason = judge(comment)
        steps.append(Step(name, before, before, reason))
        if reason is not None:
            return True
    return False


def _plan(settings: Settings) -> _Plan:
    if unknown := settings.skip - NAMES:
        names = ", ".join(rule.name for rule in RULES)
        raise UsageError(f"there is no rule '{min(unknown)}' to skip", f"choose among: {names}")
    rules = [rule for rule in RULES if rule.name not in settings.skip]
    mends = tuple((rule.name, rule.mend) for rule in rules if rule.mend)
    judges = [(rule, judge) for rule in rules if (judge := _judge(rule, settings))]
    place = {rule.name: place for place, rule in enumerate(RULES)}
    middle = min(place[rule.name] for rule in RULES if rule.mend)
    first = [(rule, judge) for rule, judge in judges if place[rule.name] < middle]
    return _Plan(
        first=tuple((rule.name, judge) for rule, judge in first),
        mends=mends,
        again=tuple((rule.name, judge) for rule, judge in first if rule.reads_text),
        last=tuple((rule.name, judge) for rule, judge in judges if place[rule.name] > middle),
    )


def _judge(rule: Rule, settings: Settings) -> Judge | None:
    return rule.judge_for(settings) if rule.judge_for else rule.judge
