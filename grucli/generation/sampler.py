"""Text out of a model: a state to begin from, text read into it, and tokens drawn from it until something ends them.

The whole memory of a recurrent network is one small `State`, a value: it can be kept, gone back to and branched from.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grucli.engine.decoder import CpuDecoder
from grucli.engine.protocol import InferenceEngine
from grucli.engine.thread_pool import ThreadPool
from grucli.errors import UsageError
from grucli.generation.beam_search import BeamSearch
from grucli.generation.decoding import GenerationRequest, Stream, build_automaton, generate_batch
from grucli.generation.options import (
    TAIL_CHARS,
    GateActivations,
    GenerationConfig,
    Sample,
    State,
    TextChunk,
    TokenProb,
    TokenSurprisal,
)
from grucli.generation.phrase_matcher import PhraseMatcher
from grucli.generation.probabilities import Float64, OutputProjection, allowed_mask, log_softmax, token_probabilities
from grucli.kernels.arrays import Float32
from grucli.kernels.quantized import dequantized
from grucli.model.cells import CELLS
from grucli.model.parameters import layer_parameters
from grucli.model.weights import SavedModel, parameters_sha256
from grucli.text.tokenizers import EOS, EOT, UNK

__all__ = [
    "BeamSearch",
    "GateActivations",
    "GenerationConfig",
    "Sample",
    "Sampler",
    "State",
    "Stream",
    "TextChunk",
    "TokenProb",
    "TokenSurprisal",
]

_PREFILL_TOKENS = 1024  # tokens read between two looks at what the user wants
_MAX_CACHED_MATCHERS = 4  # lists of phrases: a session tries some out


class Sampler:
    """Reads and writes with one model; `conversations` says whether it was trained on turns.

    `rounded`: with weights of a byte each (see `grucli.kernels.quantized`), which are several times as fast to read.
    """

    def __init__(
        self,
        weights: SavedModel,
        threads: int | None = None,
        *,
        quantized: bool = True,
        engine: InferenceEngine | None = None,
    ) -> None:
        arrays, sizes = weights.arrays, weights.sizes
        self._cell = CELLS[sizes.cell]
        self._engine = engine or CpuDecoder(sizes, arrays, quantized=quantized)
        self._output_projection = OutputProjection(dequantized(arrays["out.W"], quantized=quantized), arrays["out.b"])
        self._arrays, self._sizes, self._pool = arrays, sizes, ThreadPool(threads)
        self._matchers: dict[tuple[tuple[str, ...], tuple[str, ...]], PhraseMatcher] = {}
        self.tokenizer = weights.tokenizer
        self.conversations = weights.card.conversations
        self._start_token = _initial_token(weights)

    @cached_property
    def sha256(self) -> str:
        """What its parameters are known by, as in their file."""
        return parameters_sha256(self._arrays)

    @property
    def gate_labels(self) -> Mapping[str, str]:
        """What can be looked at with `gates`, the most telling gate first, and what the values of each mean."""
        return self._cell.gate_labels

    def warm_up(self) -> None:
        """Have the kernels compiled, or loaded, before anybody waits or counts."""
        for _ in Stream(self._make_request(self.initial_state(), GenerationConfig(max_chars=1)), ""):
            pass

    def initial_state(self) -> State:
        """The state before a document's first token."""
        return State(np.zeros((self._sizes.L, self._cell.width(self._sizes.H)), np.float32), self._start_token)

    def _prefill(self, state: State, tokens: NDArray[np.int32]) -> Float32:
        hidden = state.hidden[:, None, :].copy()
        for part in _slices(len(tokens)):
            self._engine.prefill(tokens[part, None], hidden)
        return np.ascontiguousarray(hidden[:, 0])

    def read(self, state: State, text: str) -> State:
        """The state after `text` as well; symbols the model never saw are read as the unknown token."""
        ids = self.tokenizer.encode(text)
        if len(ids) == 0:
            return state
        tokens = np.concatenate([[state.last_token], ids[:-1]]).astype(np.int32)
        return State(self._prefill(state, tokens), int(ids[-1]), (state.tail + text)[-TAIL_CHARS:])

    def end_turn(self, state: State) -> State:
        """The state in which the other side begins to speak. An end that was drawn is taken as the end of a turn."""
        if state.last_token in (EOT, EOS):
            return State(state.hidden, EOT)
        return self.accept(state, EOT)

    def accept(self, state: State, token: int) -> State:
        """The state after `token` as well, as if it had been drawn.

        Raises:
            UsageError: no token has this number.
        """
        if not 0 <= token < self._sizes.V:
            raise UsageError(f"there is no token {token}", f"this model has the tokens 0 to {self._sizes.V - 1}")
        tail = "" if token in (EOS, EOT) else (state.tail + self.tokenizer.decode([token]))[-TAIL_CHARS:]
        return State(self._prefill(state, np.array([state.last_token], np.int32)), token, tail)

    def stream(self, state: State, config: GenerationConfig, prompt: str = "") -> Stream | BeamSearch:
        """One text from `state`, a piece at a time. `prompt` is only noted in the sample."""
        request = self._make_request(state, config)
        return BeamSearch(request, self._output_projection, prompt) if config.beam else Stream(request, prompt)

    def generate(
        self, state: State, prompt: str, n: int, config: GenerationConfig, *, in_order: bool = False
    ) -> Iterator[Sample]:
        """n texts from `state`, drawn side by side, each when it is over, or `in_order` of their seeds. The i-th has
        the seed draw.seed + i, and is the text that `stream` gives for that seed; `prompt` is only noted. With a beam:
        the n best that it found, the best first.

        Raises:
            UsageError: more than the beam is wide.
        """
        if config.beam:
            if n > config.beam:
                raise UsageError(
                    f"a beam of {config.beam} finds no {n} texts", f"give --beam at least {n}, or ask for fewer"
                )
            yield from BeamSearch(self._make_request(state, config), self._output_projection, prompt).best(n)
        else:
            seeds = range(config.seed, config.seed + n)
            yield from generate_batch(self._make_request(state, config), prompt, seeds, self._pool, in_order=in_order)

    def top_next_tokens(self, state: State, n: int, config: GenerationConfig) -> list[TokenProb]:
        """The n likeliest next tokens, as a text that begins here would draw its first one, the likeliest first.

        Only what may be drawn is among them; the end of the text is, once this turn has draw.min_chars characters.
        """
        request = self._make_request(state, config)
        automaton, fsm_state = build_automaton(request.phrases, state.tail)
        mask = allowed_mask(automaton, fsm_state, self._sizes.V, len(state.tail) >= config.min_chars)
        uncond_logits = None if request.uncond_state is None else self._logits(request.uncond_state)
        probabilities = token_probabilities(self._logits(state), uncond_logits, mask, config)
        likeliest = np.argsort(-probabilities, kind="stable")[: max(n, 0)].tolist()
        return [
            TokenProb(self.tokenizer.decode([token]), float(probabilities[token]), token)
            for token in likeliest
            if probabilities[token] > 0
        ]

    def surprisals(self, state: State, text: str) -> list[TokenSurprisal]:
        """How much each token of `text` surprises the model at temperature 1. The texts joined are `text`.

        A symbol the model does not know costs 8 bits for each of its bytes on top of the unknown token.
        """
        ids, texts = self.tokenizer.encode(text), self.tokenizer.split(text)
        bits: list[float] = []
        hidden = state.hidden[:, None, :].copy()
        inputs = np.concatenate([[state.last_token], ids[:-1]]).astype(np.int32)
        for part in _slices(len(ids)):
            output = np.empty((len(ids[part]), 1, self._sizes.H), np.float32)
            self._engine.prefill(inputs[part, None], hidden, output)
            log_probs = log_softmax(self._output_projection.logits(output[:, 0]))
            bits += (-np.take_along_axis(log_probs, ids[part, None], -1)[:, 0] / math.log(2)).tolist()
        unknown = (8 * len(each.encode()) if token == UNK else 0 for token, each in zip(ids, texts, strict=True))
        costs = [cost + more for cost, more in zip(bits, unknown, strict=True)]
        return [TokenSurprisal(joined, sum(costs[part])) for joined, part in _merge_partial_chars(texts)]

    def gate_activations(self, state: State, text: str) -> list[GateActivations]:
        """What the gates do while `text` is read, by the equations of the cell in float64. The texts joined are `text`.

        Of a token, what they do when it is read.
        """
        ids, texts = self.tokenizer.encode(text), self.tokenizer.split(text)
        if len(ids) == 0:
            return []
        layers = list(self._prefill(state, np.array([state.last_token], np.int32))[:, None].astype(np.float64))
        slices = [self._gate_means(ids[part], layers) for part in _slices(len(ids))]
        means = {name: np.concatenate([each[name] for each in slices]) for name in self._cell.gate_labels}
        return [
            GateActivations(joined, {name: tuple(each[part].mean(axis=0).tolist()) for name, each in means.items()})
            for joined, part in _merge_partial_chars(texts)
        ]

    def _gate_means(self, ids: NDArray[np.int32], layers: list[Float64]) -> dict[str, Float64]:
        """The mean of each layer's gates while `ids` are read, by name, [K, L]; the states of the layers, [1, S·H]
        each, go on in place."""
        x = self._arrays["embedding"][ids][:, None].astype(np.float64)
        means: dict[str, list[Float64]] = {name: [] for name in self._cell.gate_labels}
        for index in range(self._sizes.L):
            parameters = layer_parameters(self._arrays, index)
            exact = {name: array.astype(np.float64) for name, array in parameters.items()}
            states, gates = self._cell.inspect_gates(exact, x, layers[index])
            layers[index], x = states[-1], states[..., : self._sizes.H]
            for name, each in means.items():
                each.append(gates[name].mean(axis=(1, 2)))
        return {name: np.stack(each, axis=1) for name, each in means.items()}

    def _logits(self, state: State) -> Float64:
        """Of the token that comes next, [V]."""
        output = self._prefill(state, np.array([state.last_token], np.int32))[-1:, : self._sizes.H]
        return np.asarray(self._output_projection.logits(output)[0])

    def _make_request(self, state: State, config: GenerationConfig) -> GenerationRequest:
        uncond_state = None
        if config.relevance:
            # What would be said to anything: as a reply to nothing, or, where nobody replies, at the beginning.
            uncond_state = (
                self.read(self.end_turn(self.initial_state()), state.tail)
                if self.conversations
                else self.initial_state()
            )
        return GenerationRequest(
            self._engine, self.tokenizer, self._matcher_for(config), config, state, uncond_state, self.read
        )

    def _matcher_for(self, config: GenerationConfig) -> PhraseMatcher | None:
        if not (config.stop or config.block):
            return None
        key = (config.stop, config.block)
        if key not in self._matchers:
            while len(self._matchers) >= _MAX_CACHED_MATCHERS:
                del self._matchers[next(iter(self._matchers))]
            self._matchers[key] = PhraseMatcher(self.tokenizer, config.stop, config.block)
        return self._matchers[key]


def _slices(num_tokens: int) -> Iterator[slice]:
    return (slice(start, start + _PREFILL_TOKENS) for start in range(0, num_tokens, _PREFILL_TOKENS))


def _merge_partial_chars(texts: list[str]) -> Iterator[tuple[str, slice]]:
    """Texts with their places, those of tokens that only together spell a character as one."""
    start = 0
    for index, text in enumerate(texts):
        if text:
            yield text, slice(start, index + 1)
            start = index + 1


def _initial_token(weights: SavedModel) -> int:
    """What a text begins after: the end of another one, or, where the model knows only one text, the end of a line."""
    newline = weights.tokenizer.encode("\n")
    if weights.card.running_text and len(newline) == 1 and newline[0] != UNK:
        return int(newline[0])
    return EOS
