"""Applying the rules: to one comment after another, fast, or to one comment step by step, for a person to see.

Judges of facts come first, since most drops need no more. Then the text is mended, again and again until every rule
leaves it as it is: so cleaning a clean text changes nothing. At last the text as a whole is judged.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grucli.errors import UsageError
from grucli.reddit.clean.fast_path import glance, glances
from grucli.reddit.clean.rules.config import Settings
from grucli.reddit.clean.rules.metadata import Judge, bot, deleted, fields_sound, says_nothing, schema
from grucli.reddit.clean.rules.registry import NAMES, RULES, Mend
from grucli.reddit.comments import Comment

__all__ = ["Clean", "Settings", "Step", "cleaner", "explain", "sweeper"]

Clean = Callable[[Comment], str | None]

_MOST_ROUNDS = 12
"""Mark-up nested deeper than this was nested to do harm."""

_KNOT = "nested too deep"

LENGTH = "length"
"""The rule that a plain text is seen to meet by its length alone."""

_SEEN_AT_A_GLANCE = (schema, deleted, bot)
"""The judges that a sound comment need not be brought before."""


@dataclass(frozen=True)
class Step:
    """What one rule did to a text; `dropped` is why it dropped the comment, if it did ("" without a reason)."""

    rule: str
    before: str
    after: str
    dropped: str | None = None


def cleaner(settings: Settings) -> Clean:
    """A function that cleans a comment in place and gives None, or else why it is dropped: "rule" or "rule: reason".

    It mends body, score and date, and clears ids and names that cannot be any. It keeps nothing between two comments.

    >>> clean = cleaner(Settings())
    >>> comment = Comment(body="*Yes* &amp;amp; [no](http://a.b)", score="3")
    >>> clean(comment), comment.body, comment.score
    (None, 'Yes & no', 3)
    >>> clean(Comment(body="[removed]"))
    'deleted: removed'

    Raises:
        UsageError: a rule to skip that does not exist, or a language without what it needs.
    """
    plan = _plan(settings)

    def clean(comment: Comment) -> str | None:
        dropped = _judged(plan.first, comment, None)
        return _mended(plan, comment, None) if dropped is None else dropped

    return clean


def sweeper(settings: Settings) -> Callable[[Sequence[Comment]], list[str | None]]:
    """A function that does what `cleaner`'s does, to many comments at once, of which most need no more than a glance.

    >>> sweeper(Settings())([Comment("Well.", author="a"), Comment("[removed]"), Comment("*Yes*")])
    [None, 'deleted: removed', None]

    Raises:
        UsageError: as `cleaner`.
    """
    plan = _plan(settings)
    fewest, most = (settings.min_chars, settings.max_chars) if plan.measures else (0, sys.maxsize)
    filters = tuple(named for named in plan.first if named[1] not in _SEEN_AT_A_GLANCE)
    others = filters + tuple(named for named in plan.last if named[0] != LENGTH)

    def sweep(comments: Sequence[Comment]) -> list[str | None]:
        verdicts: list[str | None] = [None] * len(comments)
        bodies = [comment.body or "" for comment in comments]
        texts, sound = glances(bodies, plan.straightens), fields_sound(comments)
        for row, (body, text, is_sound) in enumerate(zip(bodies, texts, sound, strict=True)):
            if text is None or not is_sound or not fewest <= len(text) <= most:
                first = filters if is_sound and says_nothing(body) else plan.first
                dropped = _judged(first, comments[row], None)
                verdicts[row] = _mended(plan, comments[row], None) if dropped is None else dropped
            else:
                if text is not body:
                    comments[row].body = text
                if others:
                    verdicts[row] = _judged(others, comments[row], None)
        return verdicts

    return sweep


def explain(comment: Comment, settings: Settings) -> list[Step]:
    """What each rule does to a comment, in order, up to the one that drops it. The comment is cleaned in place.

    Every rule at work has a step. Where rules are applied again, there are further steps for those that change or drop
    something then. The duplicates are not told: they depend on other comments.

    >>> [step.rule for step in explain(Comment(body="*&lt;3*"), Settings()) if step.before != step.after]
    ['entities', 'markdown']

    Raises:
        UsageError: as `cleaner`.
    """
    trace: list[Step] = []
    plan = _plan(settings)
    if _judged(plan.first, comment, trace) is None:
        _mended(plan, comment, trace)
    met: set[str] = set()
    steps = []
    for step in trace:
        if step.rule not in met or step.before != step.after or step.dropped is not None:
            steps.append(step)
        met.add(step.rule)
    return steps


_Judges = tuple[tuple[str, Judge], ...]
_Mends = tuple[tuple[str, Mend], ...]


@dataclass(frozen=True)
class _Plan:
    """The rules at work: judges of facts, menders, judges of the text.

    `again`: those of `first` that are asked again about a mended text. `straightens`: whether quotes are. `measures`:
    whether there is a judge of the length.
    """

    first: _Judges
    mends: _Mends
    last: _Judges
    again: _Judges
    straightens: bool
    measures: bool


class _KnotError(Exception):
    """A text that does not settle; the rule is the last that changed it."""


def _plan(settings: Settings) -> _Plan:
    if unknown := settings.skip - NAMES:
        names = ", ".join(rule.name for rule in RULES)
        raise UsageError(f"there is no rule '{min(unknown)}' to skip", f"choose among: {names}")
    first: list[tuple[str, Judge]] = []
    mends: list[tuple[str, Mend]] = []
    last: list[tuple[str, Judge]] = []
    again: list[tuple[str, Judge]] = []
    begun = False
    for rule in RULES:
        begun = begun or rule.mend is not None
        if rule.name in settings.skip:
            continue
        if rule.mend is not None:
            mends.append((rule.name, rule.mend))
        judge = rule.judge_for(settings) if rule.judge_for is not None else rule.judge
        if judge is not None:
            (last if begun else first).append((rule.name, judge))
            if rule.reads_text:
                again.append((rule.name, judge))
    straightens, measures = "text" not in settings.skip, LENGTH not in settings.skip
    return _Plan(tuple(first), tuple(mends), tuple(last), tuple(again), straightens, measures)


def _mended(plan: _Plan, comment: Comment, trace: list[Step] | None) -> str | None:
    """Mend the text of a comment that is not dropped before, and judge it then."""
    raw = comment.body or ""
    try:
        text = _settled(plan.mends, plan.straightens, raw, trace)
    except _KnotError as knot:
        if trace is not None:
            trace.append(Step(str(knot), raw, raw, _KNOT))
        return f"{knot}: {_KNOT}"
    comment.body = text
    dropped = _judged(plan.last, comment, trace)
    if dropped is not None or text == raw or (trace is None and says_nothing(text)):
        return dropped
    return _judged(plan.again, comment, trace)


def _judged(judges: _Judges, comment: Comment, trace: list[Step] | None) -> str | None:
    for name, judge in judges:
        reason = judge(comment)
        if trace is not None:
            body = comment.body if isinstance(comment.body, str) else ""
            trace.append(Step(name, body, body, reason))
        if reason is not None:
            return f"{name}: {reason}" if reason else name
    return None


def _settled(mends: _Mends, straightens: bool, text: str, trace: list[Step] | None) -> str:
    """The text when all of `mends`, one after another, leave it as it is."""
    unchanged, wanted, changer = 0, len(mends), ""
    for _ in range(_MOST_ROUNDS if mends else 0):
        for name, mend in mends:
            mended = mend(text)
            if trace is not None:
                trace.append(Step(name, text, mended))
            if mended == text:
                unchanged += 1
                if unchanged == wanted:
                    return text
            else:
                unchanged, text, changer = 0, mended, name
                if trace is None and (settled := glance(text, straightens)) is not None:
                    return settled
    if mends:
        raise _KnotError(changer)
    return text
