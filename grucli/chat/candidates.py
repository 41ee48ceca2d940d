"""Several replies to the same words, or several next tokens, side by side, of which the user picks one.

Asked without a line they are drawn in the place of the last reply, or where it was cut short; with one, in answer to
it. Nothing is a turn until it is picked, and what was picked can be picked otherwise.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from grucli.chat.events import (
    Candidate,
    Ended,
    Event,
    Peeked,
    Ranked,
    SpreadEnded,
    Spreading,
    SpreadSaid,
    Told,
)
from grucli.chat.session import SEED_LIMIT, Session, bits_per_char, spoken
from grucli.chat.turns import Place, Turn, Voice
from grucli.errors import UsageError
from grucli.generation.sampler import Draw, Sample, State
from grucli.text.tokenizers import END, TURN

COLUMNS = 6
CANDIDATES = 100
TOGETHER = 16
"""Candidates that are drawn at once: a compromise between all, which is fastest, and one, which is soonest stopped."""

LIKELIEST, MOST_LIKELY = 10, 100
RELEVANCE = 0.5
"""What a reply's fit to the dialogue is worth against its likelihood (Li 2016): the surprise that it would be without
the dialogue, times this, less the surprise that it is with it."""

PICK = "/pick N takes one"


def spread(session: Session, temps: Sequence[float], line: str) -> Iterator[Event]:
    """Draw a reply with one seed at each of several temperatures, all at once.

    Raises:
        UsageError: too many temperatures, or one out of range, or a beam; or there is nothing to reply to.
    """
    if len(temps) > COLUMNS:
        raise UsageError(f"there are {len(temps)} temperatures", f"/spread takes {COLUMNS} at most")
    if session.draw.beam:
        raise UsageError("a beam has no temperature, and would find one reply only", "/beam 0 switches it off")
    draws = [dataclasses.replace(session.draw, temp=temp) for temp in temps]
    place = _place(session, line)
    state = yield from session.ready(place, heard_before=not line)
    if state is not None:
        titles = tuple(f"temp {draw.temp:g}" for draw in draws)
        yield Spreading(titles, place.lead, session.draw.seed, session.draw.max_chars)
        yield from _stream_together(session, place, state, draws)
        yield Told(PICK)


def _stream_together(session: Session, place: Place, state: State, draws: Sequence[Draw]) -> Iterator[Event]:
    utterances = [session.voice.stream(state, draw) for draw in draws]
    running = {column: iter(utterance) for column, utterance in enumerate(utterances)}
    try:
        while running and not session.stopping:
            for column in list(running):
                piece = next(running[column], None)
                if piece is None:
                    del running[column]
                    yield SpreadEnded(column, spoken(place, draws[column], utterances[column]))
                else:
                    yield SpreadSaid(column, piece.text, bits_per_char(utterances[column].sample))
        for column in running:
            yield SpreadEnded(column, spoken(place, draws[column], utterances[column]))
    finally:
        # Also when the listener hangs up: what was said until then can be picked.
        session.offers = [spoken(place, *drawn) for drawn in zip(draws, utterances, strict=True)]
        session.next_seed(1)


def best(session: Session, number: int, line: str) -> Iterator[Event]:
    """Draw `number` replies, and list them by how likely they are, and how much the dialogue makes them so.

    Raises:
        UsageError: too many or none; or there is nothing to reply to.
    """
    if not 1 <= number <= CANDIDATES:
        raise UsageError(f"/best is {number}", f"/best takes a number from 1 to {CANDIDATES}")
    draw, place = session.draw, _place(session, line)
    state = yield from session.ready(place, heard_before=not line)
    if state is None:
        return
    samples = list(_drawn(session, place, state, number))
    session.next_seed(number)
    alone = session.voice.begin() if place.line or place.lead or place.parent else None
    rows = [
        Candidate(_offer(place, draw, sample, others=samples[1:]), _score(session.voice, sample, state, alone))
        for sample in samples
    ]
    rows.sort(key=_worst_last)
    session.offers = [row.turn for row in rows]
    yield Ranked(tuple(rows))
    yield Told(PICK)


def _drawn(session: Session, place: Place, state: State, number: int) -> Iterator[Sample]:
    """So many replies, fewer when they are stopped. A beam finds its best ones together."""
    draw = session.draw
    at_once = number if draw.beam else TOGETHER
    for first in range(0, number, at_once):
        some = dataclasses.replace(draw, seed=(draw.seed + first) % SEED_LIMIT)
        for sample in session.voice.write(state, place.lead, min(at_once, number - first), some):
            yield sample
            if session.stopping:
                return


def _offer(place: Place, draw: Draw, sample: Sample, others: Sequence[Sample]) -> Turn:
    """A candidate as a turn. A beam alone gives its first one; the `others` it only finds together with that."""
    picked = bool(draw.beam) and any(sample is other for other in others)
    draw = dataclasses.replace(draw, seed=sample.seed)
    return Turn(place, sample.text, draw, sample.stopped, bits_per_char(sample), sample.tokens, picked)


def _worst_last(row: Candidate) -> tuple[float, int]:
    return (float("inf") if row.score is None else -row.score, row.turn.seed)


def _score(voice: Voice, sample: Sample, state: State, alone: State | None) -> float | None:
    """What a reply is ranked by. The text alone is compared, as no text is ended out of the blue."""
    if not sample.text:
        return None
    here = surprise(voice, state, sample.text)
    elsewhere = here if alone is None else surprise(voice, alone, sample.text)
    return RELEVANCE * elsewhere - here


def surprise(voice: Voice, state: State, text: str) -> float:
    """How surprising a text that is not empty is after `state`, in bits per character."""
    return sum(piece.bits for piece in voice.score(state, text)) / len(text)


def peek(session: Session, line: str, rows: int = LIKELIEST) -> Iterator[Event]:
    """List the likeliest next tokens where the last reply was cut short, or as the beginning of a reply.

    Raises:
        UsageError: too many rows or none; or there is nothing to reply to.
    """
    if not 1 <= rows <= MOST_LIKELY:
        raise UsageError(f"/peek is {rows}", f"/peek takes a number from 1 to {MOST_LIKELY}")
    place = (None if line else session.going_on()) or _place(session, line)
    state = yield from session.ready(place, heard_before=not line)
    if state is None:
        return
    ends = {END: "end", TURN: "turn"}
    # A token of which no text comes, such as a part of a character, cannot be read again, and so not be picked.
    likely = [
        token
        for token in session.voice.peek(state, rows, session.draw)
        if token.token in ends or token.text.strip("\ufffd")
    ]
    session.offers = [
        Turn(place, token.text, session.draw, ends.get(token.token, "interrupted"), None, 1, picked=True)
        for token in likely
    ]
    yield Peeked(place.lead, tuple((token.text, token.probability) for token in likely))
    yield Told(f"{PICK}, and Enter alone goes on from it")


def pick(session: Session, number: int) -> Iterator[Event]:
    """Make one of what was offered last, counted from 1, the latest turn.

    Raises:
        UsageError: nothing was offered, or not so much.
    """
    offers = session.offers
    if not offers:
        raise UsageError("there is nothing to pick from", "/spread, /best and /peek offer something")
    if not 1 <= number <= len(offers):
        raise UsageError(f"/pick is {number}", f"/pick takes a number from 1 to {len(offers)}")
    chosen = offers[number - 1]
    if chosen.place.parent and chosen.place.parent not in session.tree.turns:
        raise UsageError("what that answers is forgotten", "say something else")
    yield Ended(session.keep(chosen))


def _place(session: Session, line: str) -> Place:
    """Where alternatives are drawn: in answer to a line, or in the place of the last reply.

    Raises:
        UsageError: there is neither.
    """
    if line:
        return session.place(line)
    if session.last is not None:
        return session.last.place
    if session.voice.conversations:
        raise UsageError("there is nothing to reply to", "say something first, or put a line behind the command")
    return session.place("")
