"""Decoding: one text as a stream of chunks, or many side by side as a batch.

The token loop is compiled and runs in slices, short enough for Ctrl-C. A sequence depends on its state, seed and
parameters alone, not on the others of its batch.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grucli.engine.protocol import InferenceEngine
from grucli.engine.thread_pool import ThreadPool
from grucli.generation.options import TAIL_CHARS, GenerationConfig, Sample, State, TextChunk
from grucli.generation.phrase_matcher import PhraseMatcher
from grucli.kernels.arrays import Float32
from grucli.kernels.sampling import (
    FINISH_EOS,
    FINISH_LENGTH,
    FINISH_STOP,
    FINISH_TURN,
    REPEAT_WINDOW,
    RUNNING,
    DecodeState,
    Ids,
    SamplingParams,
    TokenAutomaton,
)
from grucli.text.tokenizers import Tokenizer

_TOKENS_PER_STEP = 32  # tokens per sequence and slice
_MAX_BATCH = 256  # sequences
_REFILL_BELOW = 192  # running sequences; a smaller batch is filled up
_MAX_PENDING = (
    4096  # finished texts that wait for an earlier one; at the limit the batch shrinks, which speeds that one up
)
_FINISH_REASONS = {
    FINISH_EOS: "end",
    FINISH_TURN: "turn",
    FINISH_LENGTH: "length",
    FINISH_STOP: "stop",
    RUNNING: "interrupted",
}

NO_CONSTRAINTS = TokenAutomaton(np.zeros((3, 0), np.int32), np.zeros((0, 4), np.int32), np.zeros((0, 2), np.int32))
"""The automaton without phrases and stop strings."""


def build_automaton(phrases: PhraseMatcher | None, before: str) -> tuple[TokenAutomaton, int]:
    """Return the automaton for the kernel, and its state after the text `before`."""
    if phrases is None:
        return NO_CONSTRAINTS, 0
    return phrases.table(phrases.state_after(before))


def visible_text(
    generated: str, running: bool, config: GenerationConfig, phrases: PhraseMatcher | None, before: str
) -> str:
    """Return the part of the generated text, after `before`, that belongs to the sample; if `running`, the part that
    will certainly belong to it."""
    if phrases is None:
        return generated[: config.max_chars]
    if not running:
        generated = generated[: phrases.find_stop(generated)]
    text = generated[: config.max_chars]
    return text[: len(text) - (phrases.withheld_chars if running else phrases.chars_to_trim)(before, text)]


def bits_per_char(nats: float, generated: str, config: GenerationConfig) -> float:
    """Return the bits per character of all generated text, stop strings included."""
    return nats / math.log(2) / max(min(len(generated), config.max_chars), 1)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What to generate from: the initial state, with guidance that of the unconditional branch, and the parameters.

    `read` returns the state after a text; it serves when the sample is shorter than the generated text.
    """

    engine: InferenceEngine
    tokenizer: Tokenizer
    phrases: PhraseMatcher | None
    config: GenerationConfig
    state: State
    uncond_state: State | None
    read: Callable[[State, str], State]

    def sampling_params(self) -> tuple[SamplingParams, int]:
        """Return the parameters for the kernel, and the initial state of the automaton."""
        config = self.config
        automaton, fsm_state = build_automaton(self.phrases, self.state.tail)
        params = SamplingParams(
            temperature=float(config.temp),
            top_k=int(config.top_k),
            top_p=float(config.top_p),
            min_p=float(config.min_p),
            repeat_penalty=float(config.repeat_penalty),
            mirostat=float(config.mirostat),
            relevance=float(config.relevance),
            min_chars=int(config.min_chars),
            max_chars=int(config.max_chars),
            token_chars=self.tokenizer.token_lengths,
            has_automaton=self.phrases is not None,
            automaton=automaton,
        )
        return params, fsm_state


class TextStream(Protocol):
    """One text as it is generated: an iterable of chunks, which join to the text. All is valid at any time."""

    def __iter__(self) -> Iterator[TextChunk]: ...

    @property
    def sample(self) -> Sample:
        """The text so far; `stopped` is "interrupted" until it ends."""

    @property
    def state(self) -> State:
        """The state after the text so far."""


class DecodeBatch:
    """Sequences side by side. With guidance each odd row is the unconditional branch of the row before it."""

    def __init__(self, request: GenerationRequest, seeds: range) -> None:
        self._request = request
        self._params, self._initial_fsm_state = request.sampling_params()
        self._initial_states = (
            [request.state] if request.uncond_state is None else [request.state, request.uncond_state]
        )
        self._rows_per_sequence = len(self._initial_states)
        self._hidden, self._decode_state = self._new_rows(seeds)

    def _new_rows(self, seeds: range) -> tuple[Float32, DecodeState]:
        n, initial_states = len(seeds), self._initial_states
        rows = n * self._rows_per_sequence
        hidden = np.stack([state.hidden for state in initial_states], axis=1)
        decode_state = DecodeState(
            seeds=np.repeat(np.array(seeds, np.uint64), self._rows_per_sequence),
            last_token=np.tile(np.array([state.last_token for state in initial_states], np.int32), n),
            finish_status=np.zeros(rows, np.int32),
            num_tokens=np.zeros(rows, np.int64),
            num_chars=np.zeros(rows, np.int64),
            nll=np.zeros(rows, np.float64),
            recent_tokens=np.full((rows, REPEAT_WINDOW), -1, np.int32),
            mu=np.full(rows, 2.0 * self._request.config.mirostat, np.float64),
            fsm_state=np.full(rows, self._initial_fsm_state, np.int32),
        )
        return np.ascontiguousarray(np.tile(hidden, (1, n, 1))), decode_state

    @property
    def decode_state(self) -> DecodeState:
        """The progress of the sequences [n], without their unconditional branches."""
        return DecodeState(
            **{name: array[:: self._rows_per_sequence] for name, array in self._decode_state._asdict().items()}
        )

    @property
    def hidden(self) -> Float32:
        """The hidden states of the sequences, float32 [L, n, H]."""
        return self._hidden[:, :: self._rows_per_sequence]

    def step(self, pool: ThreadPool | None) -> Ids:
        """Generate the next tokens of each running sequence: int32 [n, tokens], -1 after its end."""
        rows = len(self._decode_state.last_token)
        out_tokens = np.full((rows, _TOKENS_PER_STEP), -1, np.int32)

        def task(low: int, high: int) -> None:
            self._request.engine.decode(low, high, self._params, self._decode_state, self._hidden, out_tokens)

        if pool is None:
            task(0, rows)
        else:
            pool.parallel_for(rows, task, grain_size=8)
        return out_tokens[:: self._rows_per_sequence]

    def refill(self, running: NDArray[np.bool_], new_seeds: range) -> None:
        """Replace the sequences that are not `running`, bool [n], by new ones with the seeds `new_seeds`."""
        rows = np.repeat(running, self._rows_per_sequence)
        hidden, decode_state = self._new_rows(new_seeds)
        self._hidden = np.ascontiguousarray(np.concatenate([self._hidden[:, rows], hidden], axis=1))
        old, new = self._decode_state._asdict(), decode_state._asdict()
        self._decode_state = DecodeState(**{name: np.concatenate([old[name][rows], new[name]]) for name in old})


class Stream:
    """One text as it is generated: an iterable of chunks. `state` and `sample` are valid at any time."""

    def __init__(self, request: GenerationRequest, prompt: str) -> None:
        seed = request.config.seed
        self._request, self._prompt = request, prompt
        self._batch = DecodeBatch(request, range(seed, seed + 1))
        self._decoder = request.tokenizer.decoder()
        self._generated = self._text = ""

    @property
    def state(self) -> State:
        """The state after the text so far."""
        initial_state = self._request.state
        if self._text != self._generated or self._request.config.dial:
            # The generated text has more than the sample: a stop string, or characters beyond the limit. Held units are
            # not a part of what was read.
            return self._request.read(initial_state, self._text)
        hidden, last_token = self._batch.hidden[:, 0].copy(), int(self._batch.decode_state.last_token[0])
        tail = (initial_state.tail + self._text)[-TAIL_CHARS:]
        return replace(initial_state, hidden=hidden, last_token=last_token, tail=tail)

    @property
    def sample(self) -> Sample:
        """The text so far."""
        decode_state, config = self._batch.decode_state, self._request.config
        return Sample(
            text=self._text,
            prompt=self._prompt,
            seed=config.seed,
            tokens=int(decode_state.num_tokens[0]),
            bits_per_char=bits_per_char(float(decode_state.nll[0]), self._generated, config),
            stopped=_FINISH_REASONS[int(decode_state.finish_status[0])],
        )

    def __iter__(self) -> Iterator[TextChunk]:
        request, decode_state = self._request, self._batch.decode_state
        while decode_state.finish_status[0] == RUNNING:
            before, nats = int(decode_state.num_tokens[0]), float(decode_state.nll[0])
            ids = self._batch.step(None)[0]
            running = bool(decode_state.finish_status[0] == RUNNING)
            self._generated += "".join(map(self._decoder.push, ids[ids >= 0].tolist()))
            if not running:
                self._generated += self._decoder.flush()
            # The visible text only grows, so a chunk is what was added to it.
            text = visible_text(self._generated, running, request.config, request.phrases, request.state.tail)
            chunk, self._text = text[len(self._text) :], text
            yield TextChunk(chunk, int(decode_state.num_tokens[0]) - before, float(decode_state.nll[0]) - nats)


def generate_batch(
    request: GenerationRequest, prompt: str, seeds: range, pool: ThreadPool, *, in_order: bool = False
) -> Iterator[list[Sample]]:
    """Generate a sample per seed; after each slice of tokens, yield those that have finished, or none.

    They come as they finish, or `in_order` of the seeds. Memory is bounded, whatever their number.
    """
    batch = DecodeBatch(request, seeds[:_MAX_BATCH])
    pending_seeds = seeds[_MAX_BATCH:]
    ids: list[list[int]] = [[] for _ in seeds[:_MAX_BATCH]]
    reorder_buffer = _ReorderBuffer(seeds.start)
    while ids:
        for tokens, row in zip(ids, batch.step(pool), strict=True):
            tokens.extend(row[row >= 0].tolist())
        running = batch.decode_state.finish_status == RUNNING
        finished = (_sample(request, prompt, batch.decode_state, int(i), ids[i]) for i in np.flatnonzero(~running))
        yield list(reorder_buffer.put(finished) if in_order else finished)
        ids = [tokens for tokens, is_running in zip(ids, running, strict=True) if is_running]
        new_seeds = (
            pending_seeds[: _MAX_BATCH - len(ids)]
            if len(ids) <= _REFILL_BELOW and reorder_buffer.num_pending < _MAX_PENDING
            else pending_seeds[:0]
        )
        pending_seeds = pending_seeds[len(new_seeds) :]
        batch.refill(running, new_seeds)
        ids += ([] for _ in new_seeds)


class _ReorderBuffer:
    def __init__(self, seed: int) -> None:
        self._next, self._pending = seed, dict[int, Sample]()

    @property
    def num_pending(self) -> int:
        return len(self._pending)

    def put(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        self._pending.update((sample.seed, sample) for sample in samples)
        while self._next in self._pending:
            yield self._pending.pop(self._next)
            self._next += 1


def _sample(request: GenerationRequest, prompt: str, decode_state: DecodeState, i: int, ids: list[int]) -> Sample:
    generated = request.tokenizer.decode(ids)
    return Sample(
        text=visible_text(generated, False, request.config, request.phrases, request.state.tail),
        prompt=prompt,
        seed=int(decode_state.seeds[i]),
        tokens=len(ids),
        bits_per_char=bits_per_char(float(decode_state.nll[i]), generated, request.config),
        stopped=_FINISH_REASONS[int(decode_state.finish_status[i])],
    )
