"""What happens to one comment: the comment as it was found, and what each rule makes of it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from grucli import optional_imports
from grucli.errors import UsageError
from grucli.reddit.clean.batch import Batch, Cleaned, read_comments, text_keys
from grucli.reddit.clean.pipeline import CONVERSATION, DUPLICATE, NEAR, OnProgress, Plan, Reading, kept_rows
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.rule_engine import Step, cleaner, explain
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import SHORT, Threads, Turn, is_of_one_post, spool_record

_PREFIX = "t1_"


@dataclass(frozen=True)
class Explained:
    """A comment as it was read (`raw`), where, and the steps of the rules, up to the one that drops it.

    `turn`, `turns`: its place in its conversation, from 1, and how many there are; None where none were asked for, or
    it is in none. `notes`: sentences for the user.
    """

    raw: Comment
    source: str
    line: int
    steps: list[Step]
    turn: int | None = None
    turns: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether no rule drops it."""
        return all(step.dropped is None for step in self.steps)

    def as_json(self) -> dict[str, object]:
        """All of it for scripts."""
        place = {} if self.turns is None else {"turn": self.turn, "turns": self.turns}
        return {
            "comment": msgspec.to_builtins(self.raw),
            "source": self.source,
            "line": self.line,
            "kept": self.kept,
            **place,
            "steps": [msgspec.to_builtins(step) for step in self.steps],
        }


def explain_comment(plan: Plan, name: str, on_progress: OnProgress | None = None) -> Explained:
    """Find the comment with the id `name` (with or without `t1_`), and say what becomes of it.

    For a comment that all other rules keep, what comes before it is read again, in search of a duplicate, and all of it
    for its conversation, where that is asked for; standard input cannot be.

    Raises:
        UsageError: it is nowhere.
        UsageError, GruError: as `pipeline.clean`.
    """
    report = CleanReport()

    def on_bytes(count: int) -> None:
        if on_progress is not None:
            on_progress(count, report)

    wanted = name.removeprefix(_PREFIX)
    for source, line, comment in _comments(Reading(plan, on_bytes), wanted.encode()):
        if (comment.id or "").removeprefix(_PREFIX) == wanted:
            raw = msgspec.structs.replace(comment)
            found = Explained(raw, plan.sources[source].name, line, explain(comment, plan.settings))
            return _among_others(found, plan, comment, (source, line)) if found.kept else found
    raise UsageError(f"there is no comment '{name}' in what was read", "check the id, as in: --explain t1_c13")


def _among_others(found: Explained, plan: Plan, comment: Comment, place: tuple[int, int]) -> Explained:
    """Add what becomes of a cleaned comment because of all the others."""
    if any(source.path is None for source in plan.sources):
        duplicates = plan.near_duplicates or DUPLICATE not in plan.settings.skip
        repeats, talk = "whether it repeats a comment before it", "which conversation it is in"
        unknown = [*([repeats] * duplicates), *([talk] * plan.replies)]
        if unknown:
            found.notes.append(f"standard input is read only once: {' and '.join(unknown)} is not known")
        return found
    found.steps.extend(_duplicate_steps(plan, comment, place))
    if not plan.replies or not found.kept:
        return found
    path = _conversation(plan, comment)
    if not path:
        return found
    turn = next((turn.turn for turn in path if turn.id == comment.id), None)
    text, turns, least = comment.body or "", len(path), plan.min_turns or 1
    short = f"{SHORT}: {turns} of at least {least} turns" if turns < least else None
    found.steps.append(Step(CONVERSATION, text, text, short))
    return replace(found, turn=turn, turns=turns)


def _conversation(plan: Plan, comment: Comment) -> list[Turn]:
    """The conversation that has a comment, of those that a cleaning puts together of all it keeps; [] for none."""
    record = spool_record(comment)
    with Threads(Path(tempfile.gettempdir())) as threads:
        for row in kept_rows(plan):
            if is_of_one_post(row, record):
                threads.add(row)
        return next((path for path in threads.paths() if comment.id in {turn.id for turn in path}), [])


def _comments(reading: Reading, mark: bytes | None = None) -> Iterator[tuple[int, int, Comment]]:
    """Every comment, with the number of its file and its line; blocks without `mark` in them are passed over."""
    for batch in reading.batches():
        if mark is None or _has(batch, mark):
            for line, comment in read_comments(batch, Cleaned(batch.source)):
                yield batch.source, line, comment


def _has(batch: Batch, mark: bytes) -> bool:
    return batch.block is None or (batch.block.data is not None and mark in batch.block.data)


def _duplicate_steps(plan: Plan, comment: Comment, place: tuple[int, int]) -> list[Step]:
    """The steps of the rules that remember: the first comment before `place` that this one repeats, if there is one."""
    exact = DUPLICATE not in plan.settings.skip
    if not exact and not plan.near_duplicates:
        return []
    text = comment.body or ""
    near = (
        optional_imports.load("grucli.reddit.clean.minhash", "near", "--near-duplicates")
        if plan.near_duplicates
        else None
    )
    key, bands = text_keys([comment], plan.replies), near.signatures([text]) if near is not None else None
    like: str | None = None
    clean = cleaner(plan.settings)
    for source, line, other in _comments(Reading(plan, lambda count: None)):
        if (source, line) == place and other.id == comment.id:
            break
        if clean(other) is not None:
            continue
        where = f"as {other.id or 'one without an id'}, line {line:,} of {plan.sources[source].name}"
        if exact and text_keys([other], plan.replies) == key:
            return [Step(DUPLICATE, text, text, where)]
        if near is not None and bands is not None and like is None and bands.any():
            like = where if (near.signatures([other.body or ""]) == bands).any() else None
    steps = [Step(DUPLICATE, text, text)] if exact else []
    return [*steps, Step(NEAR, text, text, like)] if plan.near_duplicates else steps
