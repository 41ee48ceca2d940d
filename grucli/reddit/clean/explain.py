"""Explains what happens to one comment: the comment as read, and what each rule does to it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from grucli.errors import UsageError
from grucli.json_record import JsonRecord
from grucli.progress import Progress, report_sum
from grucli.read.schema import Schema, missing_field_error
from grucli.reddit.clean.batch import CleanedBatch, decode_comments, load_minhash, text_keys
from grucli.reddit.clean.fast_path import make_batch_cleaner
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.pipeline import CONVERSATION, iter_kept_rows
from grucli.reddit.clean.reader import BatchReader, RawBatch
from grucli.reddit.clean.rule_engine import RuleStep, trace_rules
from grucli.reddit.clean.rules.registry import DUPLICATE, NEAR_DUPLICATE, filter_names
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import (
    TOO_SHORT,
    ConversationBuilder,
    ConversationRow,
    encode_spooled,
    same_post,
)
from grucli.reddit.names import comment_key


@dataclass(frozen=True)
class Explanation(JsonRecord):
    """A comment as read (`raw`), its location, and the steps of the rules, up to the one that drops it.

    `turn`, `turns`: its position in its conversation, from 1, and the length of that; None if it is in none. `notes`:
    sentences for the user. `inputs`: what was decided about the sources up to it.
    """

    raw: Comment
    source: str
    line: int
    steps: list[RuleStep]
    turn: int | None = None
    turns: int | None = None
    notes: list[str] = field(default_factory=list)
    inputs: list[Schema] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether no rule drops it."""
        return all(step.dropped is None for step in self.steps)

    def to_json(self) -> dict[str, object]:
        """Return the document that `--json` prints."""
        turn_fields = {} if self.turns is None else {"turn": self.turn, "turns": self.turns}
        return {
            "comment": msgspec.to_builtins(self.raw),
            "source": self.source,
            "line": self.line,
            "kept": self.kept,
            **turn_fields,
            "steps": [msgspec.to_builtins(step) for step in self.steps],
            "inputs": [schema.to_json() for schema in self.inputs],
        }


def explain_comment(options: CleanOptions, comment_id: str, progress: Progress | None = None) -> Explanation:
    """Find the comment with this id (with or without `t1_`), and apply the rules to it.

    If no rule on the comment alone drops it, the files are read again: the comments before it for a duplicate, and all
    comments for its conversation, if these are asked for. This is not possible for standard input.

    Raises:
        UsageError: there is no such comment.
        UsageError, GruError: as `clean`.
    """
    wanted = comment_key(comment_id)
    on_bytes = None if progress is None else report_sum(progress, "searching", options.size)
    inputs: list[Schema] = []
    for batch in BatchReader(options, on_bytes, schemas=inputs).batches():
        if not _may_contain(batch, wanted.encode()):
            continue
        for line_number, comment in zip(*decode_comments(batch, CleanedBatch(batch.source_index)), strict=True):
            if comment_key(comment.id or "") == wanted:
                raw = msgspec.structs.replace(comment)
                source = options.sources[batch.source_index].display_name
                steps = trace_rules(comment, options.rule_config)
                explanation = Explanation(raw, source, line_number, steps, inputs=inputs)
                if not explanation.kept:
                    return explanation
                return _add_dedup_and_thread(explanation, options, comment, (batch.source_index, line_number))
    for schema in inputs:
        if schema.names and "id" not in schema.columns:
            raise missing_field_error(schema, "--explain", "id")
    raise UsageError(f"no comment with the id '{comment_id}'", "use an id such as: --explain t1_c13")


def _may_contain(batch: RawBatch, needle: bytes) -> bool:
    return batch.block is None or (batch.block.data is not None and needle in batch.block.data)


def _add_dedup_and_thread(
    explanation: Explanation, options: CleanOptions, comment: Comment, position: tuple[int, int]
) -> Explanation:
    dedup_rules = [name for name in filter_names(options.rule_config) if name in (DUPLICATE, NEAR_DUPLICATE)]
    if any(source.path is None for source in options.sources):
        unknown = [*(["duplicates"] if dedup_rules else []), *(["its conversation"] if options.replies else [])]
        if unknown:
            explanation.notes.append(f"standard input is read only once: {' and '.join(unknown)} cannot be checked")
        return explanation
    if dedup_rules:
        explanation.steps.extend(_duplicate_steps(options, dedup_rules, comment, position))
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


def _duplicate_steps(
    options: CleanOptions, dedup_rules: list[str], comment: Comment, position: tuple[int, int]
) -> list[RuleStep]:
    """Return the steps of the rules on duplicates: the first comment before `position` that this one repeats."""
    text = comment.body or ""
    key = text_keys([comment], options.replies) if DUPLICATE in dedup_rules else None
    minhash = load_minhash() if NEAR_DUPLICATE in dedup_rules else None
    bands = None if minhash is None else minhash.signatures([text])
    near_match: str | None = None
    for where, other in _kept_comments_before(options, comment, position):
        if key is not None and text_keys([other], options.replies) == key:
            return [RuleStep(DUPLICATE, text, text, where)]
        if minhash is not None and bands is not None and near_match is None and bands.any():
            near_match = where if (minhash.signatures([other.body or ""]) == bands).any() else None
    return [RuleStep(name, text, text, near_match if name == NEAR_DUPLICATE else None) for name in dedup_rules]


def _kept_comments_before(
    options: CleanOptions, comment: Comment, position: tuple[int, int]
) -> Iterator[tuple[str, Comment]]:
    """Yield the cleaned comments before `comment`, with their locations in words."""
    clean_comments = make_batch_cleaner(options.rule_config)
    for batch in BatchReader(options).batches():
        line_numbers, others = decode_comments(batch, CleanedBatch(batch.source_index))
        source = options.sources[batch.source_index].display_name
        for line_number, other, dropped in zip(line_numbers, others, clean_comments(others), strict=True):
            if (batch.source_index, line_number) == position and other.id == comment.id:
                return
            if dropped is None:
                yield f"as {other.id or 'one without an id'}, line {line_number:,} of {source}", other


def _conversation(options: CleanOptions, comment: Comment) -> list[ConversationRow]:
    spooled = encode_spooled(comment)
    with ConversationBuilder(Path(tempfile.gettempdir())) as builder:
        for row in iter_kept_rows(options):
            if same_post(row, spooled):
                builder.add(row)
        return next((path for path in builder.paths() if comment.id in {turn.id for turn in path}), [])
