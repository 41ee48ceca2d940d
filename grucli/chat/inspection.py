"""What a model makes of a text that it did not write: how surprising it is, and what its gates do meanwhile.

Without a text it is the last reply that is looked at. Nothing here becomes a part of the dialogue.
"""

from collections.abc import Generator, Iterator

from grucli.chat.events import ChatEvent, GateValues, TextSurprisal, UnknownSymbols
from grucli.chat.session import Session
from grucli.chat.turns import replace_surrogates
from grucli.chat.unknown_symbols import unknown_symbols
from grucli.errors import UsageError
from grucli.generation.sampler import State

MAX_CHARS = 20_000
"""Characters that are looked at; more would fill a hundred screens."""


def score_text(session: Session, text: str) -> Iterator[ChatEvent]:
    """Tell how surprising `text` would be as the user's next line, or the last reply was.

    Raises:
        UsageError: there is nothing to look at, or too much.
    """
    inspected = _text_to_inspect(session, text)
    state = yield from _state_before_text(session, text)
    if state is not None:
        yield from _report_unknown_symbols(session, text)
        pieces = tuple((piece.text, piece.bits) for piece in session.model.surprisals(state, inspected))
        yield TextSurprisal(pieces, sum(bits for _, bits in pieces) / len(inspected))


def gates(session: Session, text: str) -> Iterator[ChatEvent]:
    """Report the first labeled gate while the model reads `text` as the user's next line, or wrote the last reply.

    Raises:
        UsageError: there is nothing to look at, or too much; or the model's cell has no gates.
    """
    inspected = _text_to_inspect(session, text)
    state = yield from _state_before_text(session, text)
    if state is not None:
        yield from _report_unknown_symbols(session, text)
        labels = session.model.gate_labels
        if not labels:
            raise UsageError(f"the cell of {session.model_name} has no gates", "/gates takes a model with gated cells")
        name = next(iter(labels))
        means = ((piece.text, piece.means[name]) for piece in session.model.gate_activations(state, inspected))
        yield GateValues(tuple((text, sum(layers) / len(layers)) for text, layers in means), labels[name])


def _text_to_inspect(session: Session, text: str) -> str:
    """The text that is looked at."""
    inspected = replace_surrogates(text) or (session.last.reply if session.last is not None else "")
    if not inspected:
        raise UsageError("there is no text to look at", "put one behind the command")
    if len(inspected) > MAX_CHARS:
        raise UsageError(f"the text has {len(inspected):,} characters", f"at most {MAX_CHARS:,} are looked at")
    return inspected


def _state_before_text(session: Session, text: str) -> Generator[ChatEvent, None, State | None]:
    """The state before the text: where the user speaks, or where the last reply began."""
    session.stop_requested = False
    tree, state_cache, last = session.tree, session.state_cache, session.last
    if text or last is None:
        return (yield from state_cache.state_before_input(tree, lambda: session.stop_requested))
    return (yield from state_cache.state_before_reply(tree, last.context, lambda: session.stop_requested))


def _report_unknown_symbols(session: Session, text: str) -> Iterator[ChatEvent]:
    unknown = unknown_symbols(session.model.tokenizer, replace_surrogates(text))
    if unknown:
        yield UnknownSymbols(len(unknown), tuple(dict.fromkeys(unknown)))
