"""Texts while they are drawn: one alone, slice by slice, or many side by side.

The token loop runs compiled, in slices short enough for Ctrl-C. What a stream draws depends on its state, its seed and
the rules alone, never on what is drawn beside it.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.engine.decoder import Decoder
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

_TOKENS_PER_STEP = 32  # tokens of a stream between two looks at what the user wants
_MAX_BATCH = 256  # streams that are drawn as one batch
_REFILL_BELOW = 192  # streams at which a batch that has more to draw is filled up again
_MAX_PENDING = (
    4096  # texts that wait for an earlier one before no more are begun: it has few beside it then, and is soon over
)
_FINISH_REASONS = {
    FINISH_EOS: "end",
    FINISH_TURN: "turn",
    FINISH_LENGTH: "length",
    FINISH_STOP: "stop",
    RUNNING: "interrupted",
}

NO_CONSTRAINTS = TokenAutomaton(np.zeros((3, 0), np.int32), np.zeros((0, 4), np.int32), np.zeros((0, 2), np.int32))
"""For draws that neither block nor stop at anything."""


def build_automaton(phrases: PhraseMatcher | None, before: str) -> tuple[TokenAutomaton, int]:
    """The phrases for the kernel, and the place in which a text begins that follows `before`."""
    if phrases is None:
        return NO_CONSTRAINTS, 0
    return phrases.table(phrases.state_after(before))


def visible_text(
    generated: str, running: bool, config: GenerationConfig, phrases: PhraseMatcher | None, before: str
) -> str:
    """What of a text that was drawn after `before` is part of a sample, or, while it is `running`, surely will be."""
    if phrases is None:
        return generated[: config.max_chars]
    if not running:
        generated = generated[: phrases.find_stop(generated)]
    text = generated[: config.max_chars]
    return text[: len(text) - (phrases.withheld_chars if running else phrases.chars_to_trim)(before, text)]


def bits_per_char(nats: float, generated: str, config: GenerationConfig) -> float:
    """The surprise of all that was drawn, a stop included, a character of the text that it makes."""
    return nats / math.log(2) / max(min(len(generated), config.max_chars), 1)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What streams are drawn from: the state they begin in, with `relevance` the state of their shadow, and the rules.

    `read` gives the state after a text, for what was drawn and is not said.
    """

    engine: Decoder
    tokenizer: Tokenizer
    phrases: PhraseMatcher | None
    config: GenerationConfig
    state: State
    uncond_state: State | None
    read: Callable[[State, str], State]

    def sampling_params(self) -> tuple[SamplingParams, int]:
        """The draw for the kernel, and the place in which a stream begins."""
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


class DecodeBatch:
    """Streams side by side. Where they have shadows, every second row is that of the one before."""

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
        """The books of the streams, without those of their shadows."""
        return DecodeState(
            **{name: array[:: self._rows_per_sequence] for name, array in self._decode_state._asdict().items()}
        )

    @property
    def hidden(self) -> Float32:
        """The states of the streams, [L, n, H]."""
        return self._hidden[:, :: self._rows_per_sequence]

    def step(self, pool: ThreadPool | None) -> Ids:
        """Some more tokens of each running stream: ids [n, tokens], -1 where a stream had stopped."""
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
        """Let go of the streams that have stopped, and begin others with the seeds `more`."""
        rows = np.repeat(running, self._rows_per_sequence)
        hidden, decode_state = self._new_rows(new_seeds)
        self._hidden = np.ascontiguousarray(np.concatenate([self._hidden[:, rows], hidden], axis=1))
        old, new = self._decode_state._asdict(), decode_state._asdict()
        self._decode_state = DecodeState(**{name: np.concatenate([old[name][rows], new[name]]) for name in old})


class Stream:
    """One text as it is drawn: iterate over its pieces. `state` and `sample` are right at any moment."""

    def __init__(self, request: GenerationRequest, prompt: str) -> None:
        seed = request.config.seed
        self._request, self._prompt = request, prompt
        self._batch = DecodeBatch(request, range(seed, seed + 1))
        self._decoder = request.tokenizer.decoder()
        self._generated = self._text = ""

    @property
    def state(self) -> State:
        """The state after what was said so far."""
        initial_state = self._request.state
        if self._text != self._generated:
            # Something was drawn that is not said: it stops the text, or is beyond its end.
            return self._request.read(initial_state, self._text)
        hidden, last_token = self._batch.hidden[:, 0].copy(), int(self._batch.decode_state.last_token[0])
        return State(hidden, last_token, (initial_state.tail + self._text)[-TAIL_CHARS:])

    @property
    def sample(self) -> Sample:
        """What was said so far."""
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
            # What may be shown only ever grows, so that a slice is what it has more than before.
            text = visible_text(self._generated, running, request.config, request.phrases, request.state.tail)
            chunk, self._text = text[len(self._text) :], text
            yield TextChunk(chunk, int(decode_state.num_tokens[0]) - before, float(decode_state.nll[0]) - nats)


def generate_batch(
    request: GenerationRequest, prompt: str, seeds: range, pool: ThreadPool, *, in_order: bool = False
) -> Iterator[Sample]:
    """A text for each seed, drawn side by side, each when it is over, or `in_order` of the seeds; in memory are only
    those that are being drawn, and a few thousand at most that wait for an earlier one."""
    batch = DecodeBatch(request, seeds[:_MAX_BATCH])
    pending_seeds = seeds[_MAX_BATCH:]
    ids: list[list[int]] = [[] for _ in seeds[:_MAX_BATCH]]
    reorder_buffer = _ReorderBuffer(seeds.start)
    while ids:
        for tokens, row in zip(ids, batch.step(pool), strict=True):
            tokens.extend(row[row >= 0].tolist())
        running = batch.decode_state.finish_status == RUNNING
        finished = (_sample(request, prompt, batch.decode_state, int(i), ids[i]) for i in np.flatnonzero(~running))
        yield from reorder_buffer.put(finished) if in_order else finished
        ids = [tokens for tokens, goes_on in zip(ids, running, strict=True) if goes_on]
        new_seeds = (
            pending_seeds[: _MAX_BATCH - len(ids)]
            if len(ids) <= _REFILL_BELOW and reorder_buffer.num_pending < _MAX_PENDING
            else pending_seeds[:0]
        )
        pending_seeds = pending_seeds[len(new_seeds) :]
        batch.refill(running, new_seeds)
        ids += ([] for _ in new_seeds)


class _ReorderBuffer:
    """Samples that came before their turn, until those of the seeds before them are there."""

    def __init__(self, seed: int) -> None:
        self._next, self._pending = seed, dict[int, Sample]()

    @property
    def num_pending(self) -> int:
        """How many wait."""
        return len(self._pending)

    def put(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Take some, and give all whose turn it is."""
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
