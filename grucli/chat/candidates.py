"""Several replies to the same words, or several next tokens, side by side, of which the user picks one.

Asked without a line they are drawn in the place of the last reply, or where it was cut short; with one, in answer to
it. Nothing is a turn until it is picked, and what was picked can be picked otherwise.
"""

import dataclasses
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
from grucli.chat.session import SEED_MODULUS, Session, make_turn, reply_bits_per_char
from grucli.chat.turns import ChatModel, ReplyContext, Turn
from grucli.errors import UsageError
from grucli.generation.sampler import GenerationConfig, Sample, State
from grucli.text.tokenizers import EOS, EOT

MAX_SPREAD = 6
MAX_CANDIDATES = 100
CANDIDATE_BATCH = 16
"""Candidates that are drawn at once: a compromise between all, which is fastest, and one, which is soonest stopped."""

DEFAULT_PEEK, MAX_PEEK = 10, 100
MMI_WEIGHT = 0.5
"""What a reply's fit to the dialogue is worth against its likelihood (Li 2016): the surprise that it would be without
the dialogue, times this, less the surprise that it is with it."""

PICK_HINT = "/pick N takes one"


def spread(session: Session, temps: Sequence[float], line: str) -> Iterator[ChatEvent]:
    """Draw a reply with one seed at each of several temperatures, all at once.

    Raises:
        UsageError: too many temperatures, or one out of range, or a beam; or there is nothing to reply to.
    """
    if len(temps) > MAX_SPREAD:
        raise UsageError(f"there are {len(temps)} temperatures", f"/spread takes {MAX_SPREAD} at most")
    if session.config.beam:
        raise UsageError("a beam has no temperature, and would find one reply only", "/beam 0 switches it off")
    configs = [dataclasses.replace(session.config, temp=temp) for temp in temps]
    context = _reply_context(session, line)
    state = yield from session.prefill(context, already_read=not line)
    if state is not None:
        titles = tuple(f"temp {draw.temp:g}" for draw in configs)
        yield SpreadStarted(titles, context.prefix, session.config.seed, session.config.max_chars)
        yield from _stream_columns(session, context, state, configs)
        yield Message(PICK_HINT)


def _stream_columns(
    session: Session, context: ReplyContext, state: State, configs: Sequence[GenerationConfig]
) -> Iterator[ChatEvent]:
    streams = [session.model.stream(state, draw) for draw in configs]
    running = {column: iter(utterance) for column, utterance in enumerate(streams)}
    try:
        while running and not session.stop_requested:
            for column in list(running):
                piece = next(running[column], None)
                if piece is None:
                    del running[column]
                    yield SpreadFinished(column, make_turn(context, configs[column], streams[column]))
                else:
                    yield SpreadDelta(column, piece.text, reply_bits_per_char(streams[column].sample))
        for column in running:
            yield SpreadFinished(column, make_turn(context, configs[column], streams[column]))
    finally:
        # Also when the listener hangs up: what was said until then can be picked.
        session.candidates = [make_turn(context, *drawn) for drawn in zip(configs, streams, strict=True)]
        session.advance_seed(1)


def best(session: Session, count: int, line: str) -> Iterator[ChatEvent]:
    """Draw `number` replies, and list them by how likely they are, and how much the dialogue makes them so.

    Raises:
        UsageError: too many or none; or there is nothing to reply to.
    """
    if not 1 <= count <= MAX_CANDIDATES:
        raise UsageError(f"/best is {count}", f"/best takes a number from 1 to {MAX_CANDIDATES}")
    config, context = session.config, _reply_context(session, line)
    state = yield from session.prefill(context, already_read=not line)
    if state is None:
        return
    samples = list(_generate(session, context, state, count))
    session.advance_seed(count)
    uncond_state = session.model.initial_state() if context.line or context.prefix or context.parent else None
    candidates = [
        Candidate(
            _candidate_turn(context, config, sample, others=samples[1:]),
            _mmi_score(session.model, sample, state, uncond_state),
        )
        for sample in samples
    ]
    candidates.sort(key=_rank_key)
    session.candidates = [row.turn for row in candidates]
    yield Candidates(tuple(candidates))
    yield Message(PICK_HINT)


def _generate(session: Session, context: ReplyContext, state: State, count: int) -> Iterator[Sample]:
    """So many replies, fewer when they are stopped. A beam finds its best ones together."""
    config = session.config
    batch_size = count if config.beam else CANDIDATE_BATCH
    for start in range(0, count, batch_size):
        batch_config = dataclasses.replace(config, seed=(config.seed + start) % SEED_MODULUS)
        for sample in session.model.generate(state, context.prefix, min(batch_size, count - start), batch_config):
            yield sample
            if session.stop_requested:
                return


def _candidate_turn(context: ReplyContext, config: GenerationConfig, sample: Sample, others: Sequence[Sample]) -> Turn:
    """A candidate as a turn. A beam alone gives its first one; the `others` it only finds together with that."""
    picked = bool(config.beam) and any(sample is other for other in others)
    config = dataclasses.replace(config, seed=sample.seed)
    return Turn(context, sample.text, config, sample.stopped, reply_bits_per_char(sample), sample.tokens, picked)


def _rank_key(candidate: Candidate) -> tuple[float, int]:
    return (float("inf") if candidate.score is None else -candidate.score, candidate.turn.seed)


def _mmi_score(model: ChatModel, sample: Sample, state: State, uncond_state: State | None) -> float | None:
    """What a reply is ranked by. The text alone is compared, as no text is ended out of the blue."""
    if not sample.text:
        return None
    cond_surprisal = surprisal(model, state, sample.text)
    uncond_surprisal = cond_surprisal if uncond_state is None else surprisal(model, uncond_state, sample.text)
    return MMI_WEIGHT * uncond_surprisal - cond_surprisal


def surprisal(model: ChatModel, state: State, text: str) -> float:
    """How surprising a text that is not empty is after `state`, in bits per character."""
    return sum(piece.bits for piece in model.surprisals(state, text)) / len(text)


def peek(session: Session, line: str, count: int = DEFAULT_PEEK) -> Iterator[ChatEvent]:
    """List the likeliest next tokens where the last reply was cut short, or as the beginning of a reply.

    Raises:
        UsageError: too many rows or none; or there is nothing to reply to.
    """
    if not 1 <= count <= MAX_PEEK:
        raise UsageError(f"/peek is {count}", f"/peek takes a number from 1 to {MAX_PEEK}")
    context = (None if line else session.continuation_context()) or _reply_context(session, line)
    state = yield from session.prefill(context, already_read=not line)
    if state is None:
        return
    end_reasons = {EOS: "end", EOT: "turn"}
    # A token of which no text comes, such as a part of a character, cannot be read again, and so not be picked.
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
    yield Message(f"{PICK_HINT}, and Enter alone goes on from it")


def pick(session: Session, number: int) -> Iterator[ChatEvent]:
    """Make one of what was offered last, counted from 1, the latest turn.

    Raises:
        UsageError: nothing was offered, or not so much.
    """
    candidates = session.candidates
    if not candidates:
        raise UsageError("there is nothing to pick from", "/spread, /best and /peek offer something")
    if not 1 <= number <= len(candidates):
        raise UsageError(f"/pick is {number}", f"/pick takes a number from 1 to {len(candidates)}")
    chosen = candidates[number - 1]
    if chosen.context.parent and chosen.context.parent not in session.tree.turns:
        raise UsageError("what that answers is forgotten", "say something else")
    yield ReplyFinished(session.commit(chosen))


def _reply_context(session: Session, line: str) -> ReplyContext:
    """Where alternatives are drawn: in answer to a line, or in the place of the last reply.

    Raises:
        UsageError: there is neither.
    """
    if line:
        return session.new_context(line)
    if session.last is not None:
        return session.last.context
    if session.model.conversations:
        raise UsageError("there is nothing to reply to", "say something first, or put a line behind the command")
    return session.new_context("")
