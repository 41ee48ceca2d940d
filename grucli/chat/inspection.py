"""/score and /gates: how surprising a text is to the model, and what its gates do while it is read.

Without a text they inspect the last reply. Nothing here becomes a part of the dialogue.
"""

import re
from collections.abc import Generator, Iterator

from grucli.chat.events import ChatEvent, GateValues, TextSurprisal
from grucli.chat.session import Session
from grucli.errors import UsageError, list_names
from grucli.generation.options import State
from grucli.text.tokenizers.base import replace_surrogates

MAX_CHARS = 20_000

_GATE = re.compile(r"(?P<layer>[0-9]{0,9}):(?P<gate>[a-z][a-z-]*|)(?:\s+|$)")


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
    """Give a gate while the model reads `text` as the user's next line, or the last reply.

    The text may begin with a gate as `gate_choices` lists them; without one it is the first, over all layers.

    Raises:
        UsageError: there is no text, or more than MAX_CHARS, the cell has no gates, or there is no such gate or layer.
    """
    labels = session.model.gate_labels
    if not labels:
        raise UsageError(f"the cell of {session.model_name} has no gates", "use a model with gated cells")
    layer, name, text = _parse_gate(session, text)
    inspected = _text_to_inspect(session, text)
    state = yield from _state_before_text(session, text)
    if state is not None:
        where = "" if layer is None else f"layer {layer}: "
        means = ((piece.text, piece.means[name]) for piece in session.model.gate_activations(state, inspected))
        chosen = ((text, layers if layer is None else layers[layer - 1 : layer]) for text, layers in means)
        pieces = tuple((text, sum(layers) / len(layers)) for text, layers in chosen)
        yield GateValues(pieces, f"{where}{labels[name]}", name, layer)


def gate_choices(session: Session) -> list[str]:
    """Return what may begin the text of `gates`: `:GATE` is a gate over all layers, `L:GATE` that of a layer from 1."""
    layers = _num_layers(session)
    return [f"{layer}:{name}" for layer in ("", *range(1, layers + 1)) for name in session.model.gate_labels]


def _num_layers(session: Session) -> int:
    return len(session.model.initial_state().hidden)


def _parse_gate(session: Session, text: str) -> tuple[int | None, str, str]:
    """The layer, None for all, the gate, and the rest of the text; a word such as :D is a part of the text."""
    labels, match = session.model.gate_labels, _GATE.match(text)
    if match is None or not (match["layer"] or match["gate"] in labels):
        return None, next(iter(labels)), text
    name, layers = match["gate"] or next(iter(labels)), _num_layers(session)
    if name not in labels:
        raise UsageError(f"there is no gate '{name}'", f"this model has {list_names(labels)}")
    layer = int(match["layer"]) if match["layer"] else None
    if layer is not None and not 1 <= layer <= layers:
        raise UsageError(f"layer not found: {layer}", f"this model has layers 1 to {layers}")
    return layer, name, text[match.end() :]


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
