"""/score and /gates: how surprising a text is to the model, and what its gates do while it is read.

Without a text they inspect the last reply. Nothing here becomes a part of the dialogue.
"""

from collections.abc import Generator, Iterator

from grucli.chat.events import ChatEvent, GateValues, TextSurprisal
from grucli.chat.session import Session
from grucli.errors import UsageError
from grucli.generation.options import State
from grucli.text.tokenizers.base import replace_surrogates

MAX_CHARS = 20_000


def score_text(session: Session, text: str) -> Iterator[ChatEvent]:
    """Give the surprisal of `text` as the user's next line, or of the last reply.

    Raises:
        UsageError: there is no text, or more than MAX_CHARS.
    """
    inspected = _text_to_inspect(session, text)
    state = yield from _state_before_text(session, text)
    if state is not None:
        pieces = tuple((piece.text, piece.bits) for piece in session.model.surprisals(state, inspected))
        yield TextSurprisal(pieces, sum(bits for _, bits in pieces) / len(inspected))


def gates(session: Session, text: str) -> Iterator[ChatEvent]:
    """Give the first labeled gate while the model reads `text` as the user's next line, or the last reply.

    Raises:
        UsageError: there is no text, or more than MAX_CHARS, or the cell has no gates.
    """
    inspected = _text_to_inspect(session, text)
    state = yield from _state_before_text(session, text)
    if state is not None:
        labels = session.model.gate_labels
        if not labels:
            raise UsageError(f"the cell of {session.model_name} has no gates", "use a model with gated cells")
        name = next(iter(labels))
        means = ((piece.text, piece.means[name]) for piece in session.model.gate_activations(state, inspected))
        yield GateValues(tuple((text, sum(layers) / len(layers)) for text, layers in means), labels[name])


def _text_to_inspect(session: Session, text: str) -> str:
    inspected = replace_surrogates(text) or (session.last.reply if session.last is not None else "")
    if not inspected:
        raise UsageError("there is no text to inspect", "add one after the command")
    if len(inspected) > MAX_CHARS:
        raise UsageError(f"the text has {len(inspected):,} characters", f"use at most {MAX_CHARS:,}")
    return inspected


def _state_before_text(session: Session, text: str) -> Generator[ChatEvent, None, State | None]:
    """Return the state before the user's next line, or before the last reply where there is no text."""
    session.stop_requested = False
    tree, state_cache, last = session.tree, session.state_cache, session.last
    if text or last is None:
        state = yield from state_cache.state_before_input(tree, session.should_stop)
    else:
        state = yield from state_cache.state_before_reply(tree, last.context, session.should_stop)
    number = tree.head if text or last is None else last.parent
    if state is None or not (yield from session.learner.learn_up_to(tree, number, session.should_stop)):
        return None
    yield from session.report_unknown_symbols(replace_surrogates(text))
    return state
