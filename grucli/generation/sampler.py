"""Text out of a model: a state to begin from, text read into it, and tokens drawn from it until something ends them.

The whole memory of a recurrent network is one small `State`, a value: it can be kept, gone back to and branched from.
"""

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grucli.engine.cell_kernels import WRITERS
from grucli.engine.thread_pool import Crew
from grucli.errors import UsageError
from grucli.generation.beam_search import Beam
from grucli.generation.decoding import Source, Stream, guard_for, write
from grucli.generation.options import TAIL, Draw, Gates, Likely, Piece, Sample, State, Surprise
from grucli.generation.phrase_matcher import Phrases
from grucli.generation.probabilities import Float64, Head, allowed, chances, log_softmax
from grucli.kernels.arrays import Float32
from grucli.kernels.quantized import as_multiplied
from grucli.model.cells import CELLS
from grucli.model.weights import Weights, parameters_sha256
from grucli.text.tokenizers import END, TURN, UNKNOWN

__all__ = ["Beam", "Draw", "Gates", "Likely", "Piece", "Sample", "Sampler", "State", "Stream", "Surprise"]

_READ_SLICE = 1024  # tokens read between two looks at what the user wants
_PHRASES_KEPT = 4  # lists of phrases: a session tries some out


class Sampler:
    """Reads and writes with one model; `conversations` says whether it was trained on turns.

    `rounded`: with weights of a byte each (see `grucli.kernels.quantized`), which are several times as fast to read.
    """

    def __init__(self, weights: Weights, threads: int | None = None, *, rounded: bool = True) -> None:
        arrays, sizes = weights.arrays, weights.sizes
        self._layers: list[dict[str, Float32]] = []
        for index in range(sizes.L):
            prefix = f"layers.{index}."
            self._layers.append({name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)})
        self._embedding = arrays["embedding"]
        self._writer = WRITERS[sizes.cell](
            self._embedding, self._layers, arrays["out.W"], arrays["out.b"], rounded=rounded
        )
        self._head = Head(as_multiplied(arrays["out.W"], rounded=rounded), arrays["out.b"])
        self._arrays, self._sizes, self._crew = arrays, sizes, Crew(threads)
        self._phrases: dict[tuple[tuple[str, ...], tuple[str, ...]], Phrases] = {}
        self.tokenizer = weights.tokenizer
        self.conversations = weights.card.conversations
        self._first = _first_token(weights)

    @cached_property
    def sha256(self) -> str:
        """What its parameters are known by, as in their file."""
        return parameters_sha256(self._arrays)

    def wake(self) -> None:
        """Have the kernels compiled, or loaded, before anybody waits or counts."""
        for _ in Stream(self._source(self.begin(), Draw(max_chars=1)), ""):
            pass

    def begin(self) -> State:
        """The state before a document's first token."""
        return State(np.zeros((self._sizes.L, self._sizes.H), np.float32), self._first)

    def _read(self, state: State, tokens: NDArray[np.int32]) -> Float32:
        layers = state.layers[:, None, :].copy()
        for part in _slices(len(tokens)):
            self._writer.read(tokens[part, None], layers)
        return np.ascontiguousarray(layers[:, 0])

    def read(self, state: State, text: str) -> State:
        """The state after `text` as well; symbols the model never saw are read as the unknown token."""
        ids = self.tokenizer.encode(text)
        if len(ids) == 0:
            return state
        tokens = np.concatenate([[state.last], ids[:-1]]).astype(np.int32)
        return State(self._read(state, tokens), int(ids[-1]), (state.tail + text)[-TAIL:])

    def end_turn(self, state: State) -> State:
        """The state in which the other side begins to speak. An end that was drawn is taken as the end of a turn."""
        if state.last in (TURN, END):
            return State(state.layers, TURN)
        return self.accept(state, TURN)

    def accept(self, state: State, token: int) -> State:
        """The state after `token` as well, as if it had been drawn.

        Raises:
            UsageError: no token has this number.
        """
        if not 0 <= token < self._sizes.V:
            raise UsageError(f"there is no token {token}", f"this model has the tokens 0 to {self._sizes.V - 1}")
        tail = "" if token in (END, TURN) else (state.tail + self.tokenizer.decode([token]))[-TAIL:]
        return State(self._read(state, np.array([state.last], np.int32)), token, tail)

    def stream(self, state: State, draw: Draw, prompt: str = "") -> Stream | Beam:
        """One text from `state`, a piece at a time. `prompt` is only noted in the sample."""
        source = self._source(state, draw)
        return Beam(source, self._head, prompt) if draw.beam else Stream(source, prompt)

    def write(self, state: State, prompt: str, n: int, draw: Draw, *, in_order: bool = False) -> Iterator[Sample]:
        """n texts from `state`, drawn side by side, each when it is over, or `in_order` of their seeds. The i-th has
        the seed draw.seed + i, and is the text that `stream` gives for that seed; `prompt` is only noted. With a beam:
        the n best that it found, the best first.

        Raises:
            UsageError: more than the beam is wide.
        """
        if draw.beam:
            if n > draw.beam:
                raise UsageError(
                    f"a beam of {draw.beam} finds no {n} texts", f"give --beam at least {n}, or ask for fewer"
                )
            yield from Beam(self._source(state, draw), self._head, prompt).best(n)
        else:
            seeds = range(draw.seed, draw.seed + n)
            yield from write(self._source(state, draw), prompt, seeds, self._crew, in_order=in_order)

    def peek(self, state: State, n: int, draw: Draw) -> list[Likely]:
        """The n likeliest next tokens, as a text that begins here would draw its first one, the likeliest first.

        Only what may be drawn is among them; the end of the text is, once this turn has draw.min_chars characters.
        """
        source = self._source(state, draw)
        guard, place = guard_for(source.phrases, state.tail)
        mask = allowed(guard, place, self._sizes.V, len(state.tail) >= draw.min_chars)
        shadow = None if source.shadow is None else self._logits(source.shadow)
        probabilities = chances(self._logits(state), shadow, mask, draw)
        likeliest = np.argsort(-probabilities, kind="stable")[: max(n, 0)].tolist()
        return [
            Likely(self.tokenizer.decode([token]), float(probabilities[token]), token)
            for token in likeliest
            if probabilities[token] > 0
        ]

    def score(self, state: State, text: str) -> list[Surprise]:
        """How much each token of `text` surprises the model at temperature 1. The texts joined are `text`.

        A symbol the model does not know costs 8 bits for each of its bytes on top of the unknown token.
        """
        ids, texts = self.tokenizer.encode(text), self.tokenizer.cut(text)
        bits: list[float] = []
        layers = state.layers[:, None, :].copy()
        inputs = np.concatenate([[state.last], ids[:-1]]).astype(np.int32)
        for part in _slices(len(ids)):
            seen = np.empty((len(ids[part]), 1, self._sizes.H), np.float32)
            self._writer.read(inputs[part, None], layers, seen)
            logs = log_softmax(self._head.logits(seen[:, 0]))
            bits += (-np.take_along_axis(logs, ids[part, None], -1)[:, 0] / math.log(2)).tolist()
        unknown = (8 * len(each.encode()) if token == UNKNOWN else 0 for token, each in zip(ids, texts, strict=True))
        costs = [cost + more for cost, more in zip(bits, unknown, strict=True)]
        return [Surprise(joined, sum(costs[part])) for joined, part in _whole(texts)]

    def gates(self, state: State, text: str) -> list[Gates]:
        """What the gates do while `text` is read, by the equations of the cell in float64. The texts joined are `text`.

        Of a token, what they do when it is read.
        """
        ids, texts = self.tokenizer.encode(text), self.tokenizer.cut(text)
        if len(ids) == 0:
            return []
        layers = list(self._read(state, np.array([state.last], np.int32))[:, None].astype(np.float64))
        means = [self._gate_means(ids[part], layers) for part in _slices(len(ids))]
        update, reset = (np.concatenate([each[name] for each in means]) for name in ("update", "reset"))
        return [
            Gates(joined, tuple(update[part].mean(axis=0).tolist()), tuple(reset[part].mean(axis=0).tolist()))
            for joined, part in _whole(texts)
        ]

    def _gate_means(self, ids: NDArray[np.int32], layers: list[Float64]) -> dict[str, Float64]:
        """The mean of each layer's gates while `ids` are read, by name, [K, layers that have one]; the states of the
        layers, [1, H] each, go on in place."""
        x = self._embedding[ids][:, None].astype(np.float64)
        means: dict[str, list[Float64]] = {"update": [], "reset": []}
        for index, parameters in enumerate(self._layers):
            exact = {name: array.astype(np.float64) for name, array in parameters.items()}
            x, gates = CELLS[self._sizes.cell].look(exact, x, layers[index])
            layers[index] = x[-1]
            for name in means.keys() & gates.keys():
                means[name].append(gates[name].mean(axis=(1, 2)))
        return {name: np.stack(each, axis=1) if each else np.empty((len(ids), 0)) for name, each in means.items()}

    def _logits(self, state: State) -> Float64:
        """Of the token that comes next, [V]."""
        seen = self._read(state, np.array([state.last], np.int32))[-1:]
        return np.asarray(self._head.logits(seen)[0])

    def _source(self, state: State, draw: Draw) -> Source:
        shadow = None
        if draw.relevance:
            # What would be said to anything: as a reply to nothing, or, where nobody replies, at the beginning.
            shadow = self.read(self.end_turn(self.begin()), state.tail) if self.conversations else self.begin()
        return Source(self._writer, self.tokenizer, self._phrases_of(draw), draw, state, shadow, self.read)

    def _phrases_of(self, draw: Draw) -> Phrases | None:
        if not (draw.stop or draw.block):
            return None
        key = (draw.stop, draw.block)
        if key not in self._phrases:
            while len(self._phrases) >= _PHRASES_KEPT:
                del self._phrases[next(iter(self._phrases))]
            self._phrases[key] = Phrases(self.tokenizer, draw.stop, draw.block)
        return self._phrases[key]


def _slices(tokens: int) -> Iterator[slice]:
    return (slice(start, start + _READ_SLICE) for start in range(0, tokens, _READ_SLICE))


def _whole(texts: list[str]) -> Iterator[tuple[str, slice]]:
    """Texts with their places, those of tokens that only together spell a character as one."""
    start = 0
    for place, text in enumerate(texts):
        if text:
            yield text, slice(start, place + 1)
            start = place + 1


def _first_token(weights: Weights) -> int:
    """What a text begins after: the end of another one, or, where the model knows only one text, the end of a line."""
    newline = weights.tokenizer.encode("\n")
    if weights.card.running_text and len(newline) == 1 and newline[0] != UNKNOWN:
        return int(newline[0])
    return END
