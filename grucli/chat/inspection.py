"""What a model makes of a text that it did not write: how surprising it is, and what its gates do meanwhile.

Without a text it is the last reply that is looked at. Nothing here becomes a part of the dialogue.
"""

from collections.abc import Generator, Iterator

from grucli.chat.events import Event, Gated, Misread, Scored
from grucli.chat.session import Session
from grucli.chat.turns import legible
from grucli.chat.unknown_symbols import unknown_parts
from grucli.errors import UsageError
from grucli.generation.sampler import State

LONGEST = 20_000
"""Characters that are looked at; more would fill a hundred screens."""

UPDATE = "update gate: from 0, all is new, to 1, the memory stays as it was"


def score(session: Session, text: str) -> Iterator[Event]:
    """Tell how surprising `text` would be as the user's next line, or the last reply was.

    Raises:
        UsageError: there is nothing to look at, or too much.
    """
    shown = _shown(session, text)
    state = yield from _before(session, text)
    if state is not None:
        yield from _misread(session, text)
        pieces = tuple((piece.text, piece.bits) for piece in session.voice.score(state, shown))
        yield Scored(pieces, sum(bits for _, bits in pieces) / len(shown))


def gates(session: Session, text: str) -> Iterator[Event]:
    """Tell what the update gate does while the model hears `text` as the user's next line, or said the last reply.

    Raises:
        UsageError: there is nothing to look at, or too much; or the model's cell has no such gate.
    """
    shown = _shown(session, text)
    state = yield from _before(session, text)
    if state is not None:
        yield from _misread(session, text)
        pieces = session.voice.gates(state, shown)
        if not all(piece.update for piece in pieces):
            raise UsageError(f"the cell of {session.model} has no update gate", "/gates takes a model with GRU cells")
        yield Gated(tuple((piece.text, sum(piece.update) / len(piece.update)) for piece in pieces), UPDATE)


def _shown(session: Session, text: str) -> str:
    """The text that is looked at."""
    shown = legible(text) or (session.last.reply if session.last is not None else "")
    if not shown:
        raise UsageError("there is no text to look at", "put one behind the command")
    if len(shown) > LONGEST:
        raise UsageError(f"the text has {len(shown):,} characters", f"at most {LONGEST:,} are looked at")
    return shown


def _before(session: Session, text: str) -> Generator[Event, None, State | None]:
    """The state before the text: where the user speaks, or where the last reply began."""
    session.stopping = False
    tree, memory, last = session.tree, session.memory, session.last
    if text or last is None:
        return (yield from memory.before_line(tree, lambda: session.stopping))
    return (yield from memory.before_reply(tree, last.place, lambda: session.stopping))


def _misread(session: Session, text: str) -> Iterator[Event]:
    unknown = unknown_parts(session.voice.tokenizer, legible(text))
    if unknown:
        yield Misread(len(unknown), tuple(dict.fromkeys(unknown)))
