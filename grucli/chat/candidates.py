"""/spread, /best, /peek and /pick: several replies, or next tokens, of which the user picks one.

They answer a line, or without one replace the last reply; /peek continues it if it was truncated. A candidate becomes a
turn when it is picked, after which another one can be picked instead.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

from grucli.chat.events import (
    Candidate,
    Candidates,
    ChatEvent,
    Message,
    NextTokens,
    ReplyFinished,
    SpreadDelta,
    SpreadFinished,
    SpreadStarted,
)
from grucli.chat.session import Session, make_turn, reply_bits_per_char
from grucli.chat.turns import ReplyContext, Turn
from grucli.errors import UsageError
from grucli.generation.options import GenerationConfig, Sample, State, later_seed
from grucli.text.tokenizers import EOS, EOT

MAX_SPREAD = 6
MAX_CANDIDATES = 100
CANDIDATE_BATCH = 16
"""Replies generated together: more are faster, fewer can be stopped sooner."""

DEFAULT_PEEK, MAX_PEEK = 10, 100
PICK_HINT = "use /pick N to choose one"


def spread(session: Session, temps: Sequence[float], line: str) -> Iterator[ChatEvent]:
    """Generate a reply with one seed at each of several temperatures, all together.

    Raises:
        UsageError: more than MAX_SPREAD temperatures, one out of range, beam search, or there is nothing to reply to.
    """
    if len(temps) > MAX_SPREAD:
        raise UsageError(f"too many temperatures ({len(temps)}, max {MAX_SPREAD})", "use fewer")
    if session.config.beam:
        raise UsageError("beam search has no temperature", "use /beam 0 to disable it")
    configs = [dataclasses.replace(session.config, temp=temp, best_of=1) for temp in temps]
    context = _reply_context(session, line)
    state = yield from session.prefill(context, already_read=not line)
    if state is not None:
        titles = tuple(f"temp {config.temp:g}" for config in configs)
        yield SpreadStarted(titles, context.prefix, session.config.seed, session.config.max_chars)
        yield from _stream_columns(session, context, state, configs, titles)
        yield Message(PICK_HINT)


def _stream_columns(
    session: Session,
    context: ReplyContext,
    state: State,
    configs: Sequence[GenerationConfig],
    titles: Sequence[str],
) -> Iterator[ChatEvent]:
    streams = [session.model.stream(state, config) for config in configs]
    running = {column: iter(stream) for column, stream in enumerate(streams)}

    def finished(column: int) -> SpreadFinished:
        return SpreadFinished(column, make_turn(context, configs[column], streams[column].sample), titles[column])

    try:
        while running and not session.stop_requested:
            for column in list(running):
                chunk = next(running[column], None)
                if chunk is None:
                    del running[column]
                    yield finished(column)
                else:
                    yield SpreadDelta(column, chunk.text, reply_bits_per_char(streams[column].sample))
        yield from map(finished, running)
    finally:
        # Also when the caller closes the generator: the text until then can be picked.
        session.candidates = [
            make_turn(context, config, stream.sample) for config, stream in zip(configs, streams, strict=True)
        ]
        session.advance_seed(1)


def best(session: Session, count: int, line: str) -> Iterator[ChatEvent]:
    """Generate `count` replies and list them by how likely they are, and how much the dialogue makes them so.

    Raises:
        UsageError: `count` is not from 1 to MAX_CANDIDATES, or there is nothing to reply to.
    """
    if not 1 <= count <= MAX_CANDIDATES:
        raise UsageError(f"/best is {count}", f"/best takes a number from 1 to {MAX_CANDIDATES}")
    config, context = dataclasses.replace(session.config, best_of=1), _reply_context(session, line)
    state = yield from session.prefill(context, already_read=not line)
    if state is None:
        return
    samples = list(_generate(session, context, state, count, config))
    session.advance_seed(count)
    texts = [sample.text for sample in samples if sample.text]
    scores = dict(zip(texts, session.model.mmi_scores(state, texts), strict=True)) if texts else {}
    candidates = [
        Candidate(_candidate_turn(context, config, sample, others=samples[1:]), scores.get(sample.text))
        for sample in samples
    ]
    candidates.sort(key=lambda each: (math.inf if each.score is None else -each.score, each.turn.seed))
    session.candidates = [row.turn for row in candidates]
    yield Candidates(tuple(candidates))
    yield Message(PICK_HINT)


def _generate(
    session: Session, context: ReplyContext, state: State, count: int, config: GenerationConfig
) -> Iterator[Sample]:
    """Yield `count` replies, fewer if stopped. Beam search finds all of them together."""
    batch_size = count if config.beam else CANDIDATE_BATCH
    for start in range(0, count, batch_size):
        batch_config = dataclasses.replace(config, seed=later_seed(config.seed, start))
        for sample in session.model.generate(state, context.prefix, min(batch_size, count - start), batch_config):
            yield sample
            if session.stop_requested:
                return


def _candidate_turn(context: ReplyContext, config: GenerationConfig, sample: Sample, others: Sequence[Sample]) -> Turn:
    """Return a candidate as a turn: picked if it is one of `others`, which beam search does not find alone."""
    picked = bool(config.beam) and any(sample is other for other in others)
    return make_turn(context, dataclasses.replace(config, seed=sample.seed), sample, picked)


def peek(session: Session, line: str, count: int = DEFAULT_PEEK) -> Iterator[ChatEvent]:
    """List the `count` likeliest next tokens after the last reply, if it was truncated, or of a new reply.

    Raises:
        UsageError: `count` is not from 1 to MAX_PEEK, or there is nothing to reply to.
    """
    if not 1 <= count <= MAX_PEEK:
        raise UsageError(f"/peek is {count}", f"/peek takes a number from 1 to {MAX_PEEK}")
    context = (None if line else session.continuation_context()) or _reply_context(session, line)
    state = yield from session.prefill(context, already_read=not line)
    if state is None:
        return
    end_reasons = {EOS: "end", EOT: "turn"}
    # A token without text, such as a part of a character, could not be read again after it is picked.
    top_tokens = [
        token
        for token in session.model.top_next_tokens(state, count, session.config)
        if token.token in end_reasons or token.text.strip("\ufffd")
    ]
    session.candidates = [
        Turn(context, token.text, session.config, end_reasons.get(token.token, "interrupted"), None, 1, picked=True)
        for token in top_tokens
    ]
    yield NextTokens(context.prefix, tuple((token.text, token.probability) for token in top_tokens))
    yield Message(f"{PICK_HINT}, then press Enter to continue it")


def pick(session: Session, number: int) -> Iterator[ChatEvent]:
    """Make the candidate `number`, counted from 1, the latest turn.

    Raises:
        UsageError: there is no such candidate, or the turn that it answers was dropped.
    """
    candidates = session.candidates
    if not candidates:
        raise UsageError("there are no candidates to pick from", "use /spread, /best or /peek first")
    if not 1 <= number <= len(candidates):
        raise UsageError(f"/pick is {number}", f"/pick takes a number from 1 to {len(candidates)}")
    chosen = candidates[number - 1]
    if chosen.context.parent and chosen.context.parent not in session.tree.turns:
        raise UsageError("the turn this replies to was dropped from the history", "send a new message")
    yield ReplyFinished(session.commit(chosen))


def _reply_context(session: Session, line: str) -> ReplyContext:
    """Return the context of a reply to `line`, or if that is empty of the last reply."""
    if line:
        return session.new_context(line)
    if session.last is not None:
        return session.last.context
    if session.model.conversations:
        raise UsageError("there is nothing to reply to", "send a message first, or add one after the command")
    return session.new_context("")
