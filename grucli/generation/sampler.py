"""The sampler: reads text into a state, and generates text from a state.

The memory of a recurrent network is one small `State`, a value: it can be stored, restored and branched from.
"""

import copy
import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from grucli.engine.decoder import CpuDecoder
from grucli.engine.protocol import InferenceEngine
from grucli.engine.thread_pool import ThreadPool
from grucli.errors import UsageError
from grucli.generation.beam_search import BeamSearch
from grucli.generation.best_of import BestOf, choose_best, mmi_score
from grucli.generation.decoding import GenerationRequest, Stream, TextStream, build_automaton, generate_batch
from grucli.generation.dials import held_units
from grucli.generation.options import (
    MAX_SEED,
    TAIL_CHARS,
    GateActivations,
    GenerationConfig,
    Passage,
    Sample,
    State,
    TokenProb,
    TokenSurprisal,
    later_seed,
)
from grucli.generation.output_learner import OutputLearner, OutputParameters
from grucli.generation.phrase_matcher import PhraseMatcher
from grucli.generation.probabilities import Float64, OutputProjection, allowed_mask, log_softmax, token_probabilities
from grucli.generation.slices import PREFILL_TOKENS, slices
from grucli.kernels.arrays import Float32
from grucli.kernels.quantized import dequantized
from grucli.model.cells import CELLS
from grucli.model.parameters import layer_parameters, output_weights
from grucli.model.weights import SavedModel, parameters_sha256
from grucli.text.tokenizers import EOS, EOT, UNK

_MAX_CACHED_MATCHERS = 4  # a chat may try several lists of phrases


class Sampler:
    """Reads and generates text with one model; `conversations`: the model was trained on turns.

    quantized: use int8 weights (see `grucli.kernels.quantized`), which are several times as fast.
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
        self._weights, self._quantized = weights, quantized
        self._arrays, self._sizes, self._pool = arrays, sizes, ThreadPool(threads)
        self._learned: OutputParameters | None = None
        self._matchers: dict[tuple[tuple[str, ...], tuple[str, ...]], PhraseMatcher] = {}
        self.tokenizer = weights.tokenizer
        self.conversations = weights.card.conversations
        self._start_token = initial_token(weights)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the parameters, as in the weights file."""
        return parameters_sha256(self._arrays)

    @cached_property
    def _learner(self) -> OutputLearner:
        return OutputLearner(self._arrays)

    @property
    def weights(self) -> SavedModel:
        """The model with what it has learned."""
        if self._learned is None:
            return self._weights
        return dataclasses.replace(self._weights, arrays={**self._arrays, **self._learner.arrays(self._learned)})

    @cached_property
    def _decoder(self) -> InferenceEngine:
        """The engine to generate with; reading needs no output layer, and so `_engine` alone."""
        if self._learned is None:
            return self._engine
        return self._engine.with_output(self._learner.weights(self._learned), self._learned.bias)

    @cached_property
    def _output_projection(self) -> OutputProjection:
        arrays = self.weights.arrays
        return OutputProjection(dequantized(output_weights(arrays), quantized=self._quantized), arrays["out.b"])

    def learn(self, passages: Sequence[Passage]) -> Self:
        """Return this model after it has learned passages, taken together, by dynamic evaluation.

        Only its output layer is another one: it has the same states and the same `sha256`.
        """
        read = [self._read_passage(passage) for passage in passages]
        states, targets = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
        learner = self._learner
        sampler = copy.copy(self)
        sampler._learned = learner.learn(self._learned or learner.original, states, targets)
        for cached in ("_decoder", "_output_projection"):
            sampler.__dict__.pop(cached, None)
        return sampler

    def gained_bits(self, passage: Passage) -> float:
        """Return by how many bits a passage is less surprising to this model than before it learned anything."""
        if self._learned is None:
            return 0.0
        states, targets = self._read_passage(passage)
        learner = self._learner
        before, now = (learner.nats(output, states, targets) for output in (learner.original, self._learned))
        return (before - now) / math.log(2)

    def _read_passage(self, passage: Passage) -> tuple[Float32, NDArray[np.int32]]:
        """Return the outputs of the highest layer [n, H] from which the tokens [n] of a passage are predicted."""
        ids = self.tokenizer.encode(passage.text)
        targets = np.concatenate([ids, [] if passage.end is None else [passage.end]]).astype(np.int32)
        return self._read_outputs(passage.state, targets), targets

    def _read_outputs(self, state: State, targets: NDArray[np.int32]) -> Float32:
        hidden, outputs = state.hidden[:, None, :].copy(), np.empty((len(targets), 1, self._sizes.H), np.float32)
        inputs = np.concatenate([[state.last_token], targets[:-1]]).astype(np.int32)
        for part in slices(len(targets)):
            self._engine.prefill(inputs[part, None], hidden, outputs[part])
        return outputs[:, 0]

    def _bits(self, outputs: Float32, targets: NDArray[np.int32]) -> Float64:
        """Return the surprisal of each of targets [K], predicted from outputs [K, H], in bits."""
        bits = np.empty(len(targets))
        for part in slices(len(targets)):
            log_probs = log_softmax(self._output_projection.logits(outputs[part]))
            bits[part] = -np.take_along_axis(log_probs, targets[part, None], -1)[:, 0] / math.log(2)
        return bits

    @property
    def gate_labels(self) -> Mapping[str, str]:
        """The gates of the cell, the most informative one first, and what their values mean."""
        return self._cell.gate_labels

    def check_config(self, config: GenerationConfig) -> None:
        """Validate what depends on the model.

        Raises:
            UsageError: the model has no such unit.
        """
        held_units(config.dial, self._sizes.L, self._sizes.H)

    def warm_up(self) -> None:
        """Compile or load the kernels."""
        for _ in Stream(self._make_request(self.initial_state(), GenerationConfig(max_chars=1)), ""):
            pass

    def initial_state(self) -> State:
        """Return the state before the first token of a document."""
        hidden = np.zeros((self._sizes.L, self._cell.width(self._sizes.H)), np.float32)
        return State(hidden, self._start_token, turn_start=State(hidden, self._start_token))

    def _prefill(self, state: State, tokens: NDArray[np.int32], engine: InferenceEngine | None = None) -> Float32:
        hidden = state.hidden[:, None, :].copy()
        for part in slices(len(tokens)):
            (engine or self._engine).prefill(tokens[part, None], hidden)
        return np.ascontiguousarray(hidden[:, 0])

    def read(self, state: State, text: str) -> State:
        """Return the state after `text`; unknown symbols are read as the unknown token."""
        ids = self.tokenizer.encode(text)
        if len(ids) == 0:
            return state
        tokens = np.concatenate([[state.last_token], ids[:-1]]).astype(np.int32)
        return self._later(state, self._prefill(state, tokens), int(ids[-1]), text)

    def end_turn(self, state: State) -> State:
        """Return the state at the beginning of the next turn. A generated EOS counts as the end of the turn."""
        ended = state if state.last_token in (EOT, EOS) else self.accept(state, EOT)
        start = State(ended.hidden, EOT)
        return dataclasses.replace(start, turn_start=start, without_turn=state.turn_start)

    def accept(self, state: State, token: int) -> State:
        """Return the state after `token`, as if it had been generated.

        Raises:
            UsageError: `token` is not in the vocabulary.
        """
        if not 0 <= token < self._sizes.V:
            raise UsageError(f"token not found: {token}", f"this model has tokens 0 to {self._sizes.V - 1}")
        hidden = self._prefill(state, np.array([state.last_token], np.int32))
        return self._later(state, hidden, token, "" if token in (EOS, EOT) else self.tokenizer.decode([token]))

    def _later(self, state: State, hidden: Float32, last_token: int, text: str) -> State:
        tail = "" if last_token in (EOS, EOT) else (state.tail + text)[-TAIL_CHARS:]
        return dataclasses.replace(state, hidden=hidden, last_token=last_token, tail=tail)

    def stream(self, state: State, config: GenerationConfig, prompt: str = "") -> TextStream:
        """Return a stream of one text from `state`. `prompt` is only recorded in the sample."""
        request = self._make_request(state, config)
        if config.beam:
            return BeamSearch(request, self._output_projection, prompt)
        if config.best_of == 1:
            return Stream(request, prompt)
        empty = Sample("", prompt, config.seed, 0, 0.0, "interrupted")
        return BestOf(
            self._generate_candidates(request, prompt, 1),
            lambda texts: self.mmi_scores(state, texts),
            empty,
            lambda text: self.read(state, text),
        )

    def generate(
        self, state: State, prompt: str, n: int, config: GenerationConfig, *, in_order: bool = False
    ) -> Iterator[Sample]:
        """Yield n samples from `state` as they finish, or `in_order` of their seeds.

        Sample i has the seed config.seed + i and the text that `stream` gives for that seed; `prompt` is only recorded.
        With beam search: the n best texts, best first.

        Raises:
            UsageError: n exceeds the beam width.
        """
        if config.beam:
            if n > config.beam:
                raise UsageError(
                    f"--beam {config.beam} cannot return {n} samples", f"use --beam {n} or more, or fewer samples"
                )
            yield from BeamSearch(self._make_request(state, config), self._output_projection, prompt).best(n)
            return
        choose = config.best_of > 1
        batches = self._generate_candidates(self._make_request(state, config), prompt, n, in_order=in_order or choose)
        samples = itertools.chain.from_iterable(batches)
        if not choose:
            yield from samples
            return
        for number in range(n):
            candidates = list(itertools.islice(samples, config.best_of))
            best = choose_best(candidates, lambda texts: self.mmi_scores(state, texts))
            yield dataclasses.replace(best, seed=later_seed(config.seed, number))

    def _generate_candidates(
        self, request: GenerationRequest, prompt: str, n: int, *, in_order: bool = True
    ) -> Iterator[list[Sample]]:
        """Generate the texts from which n samples are chosen, as `generate_batch`; each sample has seeds of its own."""
        config = request.config
        first, total = config.seed * config.best_of % (MAX_SEED + 1), n * config.best_of
        before_wrap = min(total, MAX_SEED + 1 - first)
        for seeds in (range(first, first + before_wrap), range(total - before_wrap)):
            if seeds:
                yield from generate_batch(request, prompt, seeds, self._pool, in_order=in_order)

    def mmi_scores(self, state: State, texts: Sequence[str]) -> list[float]:
        """Return the score of each of some replies to the dialogue that `state` has read; none of them is empty."""
        conditional, unconditional = (self._bits_per_char(each, texts) for each in (state, self._uncond_state(state)))
        return list(map(mmi_score, conditional, unconditional))

    def _bits_per_char(self, state: State, texts: Sequence[str]) -> list[float]:
        ids = list(map(self.tokenizer.encode, texts))
        targets = np.full((max(map(len, ids)), len(ids)), -1, np.int32)
        for column, each in enumerate(ids):
            targets[: len(each), column] = each
        hidden, inputs = np.repeat(state.hidden[:, None], len(ids), axis=1), np.maximum(targets, 0)
        inputs = np.concatenate([np.full((1, len(ids)), state.last_token, np.int32), inputs[:-1]])
        bits = np.zeros(targets.shape)
        for part in slices(len(targets), max(PREFILL_TOKENS // len(ids), 1)):
            outputs = np.empty((*inputs[part].shape, self._sizes.H), np.float32)
            self._engine.prefill(inputs[part], hidden, outputs)
            is_text = targets[part] >= 0
            bits[part][is_text] = self._bits(outputs[is_text], targets[part][is_text])
        return [float(total) / len(text) for total, text in zip(bits.sum(axis=0), texts, strict=True)]

    def top_next_tokens(self, state: State, n: int, config: GenerationConfig) -> list[TokenProb]:
        """Return the n most probable next tokens, most probable first, by the distribution that is sampled from.

        Tokens that are excluded are not among them; the end of the text is, once the turn has config.min_chars.
        """
        request = self._make_request(state, config)
        automaton, fsm_state = build_automaton(request.phrases, state.tail)
        mask = allowed_mask(automaton, fsm_state, self._sizes.V, len(state.tail) >= config.min_chars)
        uncond_state, engine = request.uncond_state, request.engine
        uncond_logits = None if uncond_state is None else self._logits(uncond_state, engine)
        probabilities = token_probabilities(self._logits(state, engine), uncond_logits, mask, config)
        top = np.argsort(-probabilities, kind="stable")[: max(n, 0)].tolist()
        return [
            TokenProb(self.tokenizer.decode([token]), float(probabilities[token]), token)
            for token in top
            if probabilities[token] > 0
        ]

    def surprisals(self, state: State, text: str) -> list[TokenSurprisal]:
        """Return the surprisal of each token of `text` at temperature 1; the texts join to `text`.

        Each UTF-8 byte of an unknown symbol adds 8 bits to those of the unknown token.
        """
        ids, texts = self.tokenizer.encode(text), self.tokenizer.split(text)
        bits = self._bits(self._read_outputs(state, ids), ids).tolist()
        unknown = (8 * len(each.encode()) if token == UNK else 0 for token, each in zip(ids, texts, strict=True))
        costs = [cost + more for cost, more in zip(bits, unknown, strict=True)]
        return [TokenSurprisal(joined, sum(costs[part])) for joined, part in _merge_partial_chars(texts)]

    def gate_activations(self, state: State, text: str) -> list[GateActivations]:
        """Return the gates when each token of `text` is read, by the float64 equations; the texts join to `text`."""
        ids, texts = self.tokenizer.encode(text), self.tokenizer.split(text)
        if len(ids) == 0:
            return []
        layers = list(self._prefill(state, np.array([state.last_token], np.int32))[:, None].astype(np.float64))
        by_slice = [self._gate_means(ids[part], layers) for part in slices(len(ids))]
        means = {name: np.concatenate([each[name] for each in by_slice]) for name in self._cell.gate_labels}
        return [
            GateActivations(joined, {name: tuple(each[part].mean(axis=0).tolist()) for name, each in means.items()})
            for joined, part in _merge_partial_chars(texts)
        ]

    def _gate_means(self, ids: NDArray[np.int32], layers: list[Float64]) -> dict[str, Float64]:
        """The mean of each layer's gates at each of ids [K], by name: [K, L]; the states of the layers, [1, S·H] each,
        are updated in place."""
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

    def _logits(self, state: State, engine: InferenceEngine) -> Float64:
        output = self._prefill(state, np.array([state.last_token], np.int32), engine)[-1:, : self._sizes.H]
        return np.asarray(self._output_projection.logits(output)[0])

    def _make_request(self, state: State, config: GenerationConfig) -> GenerationRequest:
        uncond_state = self._uncond_state(state) if config.relevance else None
        held = held_units(config.dial, self._sizes.L, self._sizes.H)
        engine = self._decoder.with_held_units(held) if held else self._decoder
        return GenerationRequest(
            engine, self.tokenizer, self._matcher_for(config), config, state, uncond_state, self.read
        )

    def _uncond_state(self, state: State) -> State:
        """Return the state that guidance compares with.

        It is that of a reply which has begun alike, in a dialogue without the turn that it answers. A model that knows
        no turns is compared with itself before any text.
        """
        if not self.conversations:
            return self.initial_state()
        return self.read(state.without_turn or self.initial_state(), state.tail)

    def _matcher_for(self, config: GenerationConfig) -> PhraseMatcher | None:
        if not (config.stop or config.block):
            return None
        key = (config.stop, config.block)
        if key not in self._matchers:
            while len(self._matchers) >= _MAX_CACHED_MATCHERS:
                del self._matchers[next(iter(self._matchers))]
            self._matchers[key] = PhraseMatcher(self.tokenizer, config.stop, config.block)
        return self._matchers[key]


def _merge_partial_chars(texts: list[str]) -> Iterator[tuple[str, slice]]:
    """Texts with the slices of their tokens; tokens that spell one character in bytes are merged."""
    start = 0
    for index, text in enumerate(texts):
        if text:
            yield text, slice(start, index + 1)
            start = index + 1


def initial_token(weights: SavedModel) -> int:
    """Return the token before a text: EOS, or a newline if the model was trained on one running text."""
    newline = weights.tokenizer.encode("\n")
    if weights.card.running_text and len(newline) == 1 and newline[0] != UNK:
        return int(newline[0])
    return EOS
