"""What happens to one comment: the comment as it was found, and what each rule makes of it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from grucli import optional_imports
from grucli.errors import UsageError
from grucli.reddit.clean.batch import CleanedBatch, RawBatch, read_comments, text_keys
from grucli.reddit.clean.pipeline import (
    CONVERSATION,
    DUPLICATE,
    NEAR_DUPLICATE,
    BatchReader,
    CleanOptions,
    CleanProgress,
    iter_kept_rows,
)
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.rule_engine import RuleStep, make_cleaner, trace_rules
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import (
    TOO_SHORT,
    ConversationBuilder,
    ConversationRow,
    encode_spooled,
    same_post,
)

_COMMENT_PREFIX = "t1_"


@dataclass(frozen=True)
class Explanation:
    """A comment as it was read (`raw`), where, and the steps of the rules, up to the one that drops it.

    `turn`, `turns`: its place in its conversation, from 1, and how many there are; None where none were asked for, or
    it is in none. `notes`: sentences for the user.
    """

    raw: Comment
    source: str
    line: int
    steps: list[RuleStep]
    turn: int | None = None
    turns: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether no rule drops it."""
        return all(step.dropped is None for step in self.steps)

    def as_json(self) -> dict[str, object]:
        """All of it for scripts."""
        turn_fields = {} if self.turns is None else {"turn": self.turn, "turns": self.turns}
        return {
            "comment": msgspec.to_builtins(self.raw),
            "source": self.source,
            "line": self.line,
            "kept": self.kept,
            **turn_fields,
            "steps": [msgspec.to_builtins(step) for step in self.steps],
        }


def explain_comment(options: CleanOptions, comment_id: str, on_progress: CleanProgress | None = None) -> Explanation:
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

    bare_id = comment_id.removeprefix(_COMMENT_PREFIX)
    for source, line, comment in _iter_comments(BatchReader(options, on_bytes), bare_id.encode()):
        if (comment.id or "").removeprefix(_COMMENT_PREFIX) == bare_id:
            raw = msgspec.structs.replace(comment)
            explanation = Explanation(
                raw, options.sources[source].display_name, line, trace_rules(comment, options.rule_config)
            )
            return (
                _add_dedup_and_thread(explanation, options, comment, (source, line))
                if explanation.kept
                else explanation
            )
    raise UsageError(f"there is no comment '{comment_id}' in what was read", "check the id, as in: --explain t1_c13")


def _add_dedup_and_thread(
    explanation: Explanation, options: CleanOptions, comment: Comment, position: tuple[int, int]
) -> Explanation:
    """Add what becomes of a cleaned comment because of all the others."""
    if any(source.path is None for source in options.sources):
        checks_duplicates = options.near_duplicates or DUPLICATE not in options.rule_config.skip_rules
        repeats, talk = "whether it repeats a comment before it", "which conversation it is in"
        unknown = [*([repeats] * checks_duplicates), *([talk] * options.replies)]
        if unknown:
            explanation.notes.append(f"standard input is read only once: {' and '.join(unknown)} is not known")
        return explanation
    explanation.steps.extend(_duplicate_steps(options, comment, position))
    if not options.replies or not explanation.kept:
        return explanation
    path = _conversation(options, comment)
    if not path:
        return explanation
    turn = next((turn.turn for turn in path if turn.id == comment.id), None)
    text, turns, min_turns = comment.body or "", len(path), options.min_turns or 1
    too_short_reason = f"{TOO_SHORT}: {turns} of at least {min_turns} turns" if turns < min_turns else None
    explanation.steps.append(RuleStep(CONVERSATION, text, text, too_short_reason))
    return replace(explanation, turn=turn, turns=turns)


def _conversation(options: CleanOptions, comment: Comment) -> list[ConversationRow]:
    """The conversation that has a comment, of those that a cleaning puts together of all it keeps; [] for none."""
    spooled = encode_spooled(comment)
    with ConversationBuilder(Path(tempfile.gettempdir())) as threads:
        for row in iter_kept_rows(options):
            if same_post(row, spooled):
                threads.add(row)
        return next((path for path in threads.paths() if comment.id in {turn.id for turn in path}), [])


def _iter_comments(reader: BatchReader, needle: bytes | None = None) -> Iterator[tuple[int, int, Comment]]:
    """Every comment, with the number of its file and its line; blocks without `mark` in them are passed over."""
    for batch in reader.batches():
        if needle is None or _may_contain(batch, needle):
            for line, comment in read_comments(batch, CleanedBatch(batch.source_index)):
                yield batch.source_index, line, comment


def _may_contain(batch: RawBatch, needle: bytes) -> bool:
    return batch.block is None or (batch.block.data is not None and needle in batch.block.data)


def _duplicate_steps(options: CleanOptions, comment: Comment, position: tuple[int, int]) -> list[RuleStep]:
    """The steps of the rules that remember: the first comment before `place` that this one repeats, if there is one."""
    exact = DUPLICATE not in options.rule_config.skip_rules
    if not exact and not options.near_duplicates:
        return []
    text = comment.body or ""
    near = (
        optional_imports.import_optional("grucli.reddit.clean.minhash", "near", "--near-duplicates")
        if options.near_duplicates
        else None
    )
    key, bands = text_keys([comment], options.replies), near.signatures([text]) if near is not None else None
    near_match: str | None = None
    clean = make_cleaner(options.rule_config)
    for source, line, other in _iter_comments(BatchReader(options, lambda count: None)):
        if (source, line) == position and other.id == comment.id:
            break
        if clean(other) is not None:
            continue
        where = f"as {other.id or 'one without an id'}, line {line:,} of {options.sources[source].display_name}"
        if exact and text_keys([other], options.replies) == key:
            return [RuleStep(DUPLICATE, text, text, where)]
        if near is not None and bands is not None and near_match is None and bands.any():
            near_match = where if (near.signatures([other.body or ""]) == bands).any() else None
    steps = [RuleStep(DUPLICATE, text, text)] if exact else []
    return [*steps, RuleStep(NEAR_DUPLICATE, text, text, near_match)] if options.near_duplicates else steps
