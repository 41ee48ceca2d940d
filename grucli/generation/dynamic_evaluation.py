"""What a model gains on a text by learning while it reads (dynamic evaluation, see `output_learner`).

The turns are read in order, and each two are learned as one passage, as a chat learns a line and its reply. A turn is
predicted with what was learned from the pairs before its own. After `STREAM_TURNS` turns the weights are those of the
model again; the state is carried on. The gain is that of the text: in a chat the model writes every other turn itself.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.engine.decoder import CpuDecoder
from grucli.generation.confidence_interval import mean_interval
from grucli.generation.output_learner import MAX_STEP_TOKENS, OutputLearner, OutputParameters
from grucli.generation.slices import slices
from grucli.json_record import JsonRecord
from grucli.kernels.arrays import Float32
from grucli.model.cells import CELLS
from grucli.model.weights import SavedModel
from grucli.progress import Progress, ignore_progress, report_sum
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import EOS, EOT, UNK

STREAM_TURNS = 200
MAX_STREAMS = 50
BUCKETS = ((1, 10), (11, 50), (51, 100), (101, STREAM_TURNS))
"""Positions of turns in a stream, both ends included, for the curve."""


@dataclass(frozen=True, slots=True)
class TurnGain(JsonRecord):
    """The bits that a turn costs less, on average from `first_turn` to `last_turn` of a stream, counted from 1."""

    first_turn: int
    last_turn: int
    gain_bits: float


@dataclass(frozen=True, slots=True)
class DynamicGain(JsonRecord):
    """What learning while reading gains.

    dynamic_gain_bits: bits that a stream of `dynamic_turns` turns costs less, on average over `dynamic_streams`
    streams, and the 95 % confidence interval of that mean, None for one stream. dynamic_curve: the bits that a turn
    costs less, by its position in the stream. The bits per character are those of the same turns with learning and
    without, where an unknown token counts as the mean one of the text. dynamic_ms_per_turn: milliseconds to learn from
    a turn, and to make the weights ready for a reply.
    """

    dynamic_gain_bits: float
    dynamic_gain_interval: tuple[float, float] | None
    dynamic_curve: tuple[TurnGain, ...]
    dynamic_bits_per_char: float
    static_bits_per_char: float
    dynamic_ms_per_turn: float
    dynamic_streams: int
    dynamic_turns: int


def measure_dynamic_gain(
    weights: SavedModel, tokens: TokenFile, *, quantized: bool = True, on_progress: Progress = ignore_progress
) -> DynamicGain:
    """Return the gain over the first turns of `tokens`, MAX_STREAMS streams at most.

    A text that is not made of turns or comments is cut into passages of MAX_STEP_TOKENS tokens. A stream that is not
    complete counts only if it is the only one. quantized: read with int8 weights, as a chat does.

    Raises:
        GruError: the token file is corrupt.
    """
    ends = np.fromiter(itertools.islice(_turn_ends(tokens), STREAM_TURNS * MAX_STREAMS), np.int64)
    turns = min(len(ends), STREAM_TURNS)
    streams = max(len(ends) // STREAM_TURNS, 1)
    borders = np.concatenate([[0], ends[: turns * streams]])
    reader = _Reader(weights, tokens, quantized=quantized)
    add = report_sum(on_progress, "learning while reading", turns * streams)
    nats = [reader.read_stream(borders[turns * i : turns * (i + 1) + 1], add) for i in range(streams)]
    gains = np.array(nats) / math.log(2)  # [streams, turns]
    totals = gains.sum(axis=1)
    # A token file has the sizes of its unknown tokens only in all.
    unknown_part = reader.unknown_tokens / max(int(tokens.token_counts()[UNK]), 1)
    characters = max(reader.known_characters + unknown_part * tokens.header.unknown_characters, 1)
    static = (reader.nats / math.log(2) + 8 * unknown_part * tokens.unknown_bytes) / characters
    curve = (
        TurnGain(first, min(last, turns), float(gains[:, first - 1 : last].mean()))
        for first, last in BUCKETS
        if first <= turns
    )
    return DynamicGain(
        dynamic_gain_bits=float(totals.mean()),
        dynamic_gain_interval=mean_interval(totals),
        dynamic_curve=tuple(curve),
        dynamic_bits_per_char=static - float(totals.sum()) / characters,
        static_bits_per_char=static,
        dynamic_ms_per_turn=1000 * (reader.seconds / gains.size + reader.packing_seconds / streams),
        dynamic_streams=streams,
        dynamic_turns=turns,
    )


def _turn_ends(tokens: TokenFile) -> Iterator[int]:
    """Yield the position after each turn, the positions counted as those of its last token."""
    if tokens.running_text:
        yield from range(MAX_STEP_TOKENS, tokens.tokens - 1, MAX_STEP_TOKENS)
        yield tokens.tokens - 1
        return
    for start, ids in tokens.chunks():
        borders = start + np.flatnonzero((ids == EOS) | (ids == EOT))
        yield from borders[borders > 0].tolist()
    yield tokens.tokens  # the last turn ends with the EOS that begins the first document


class _Reader:
    """Reads turns, and counts: nats without learning, known characters, unknown tokens, seconds of learning and of
    packing weights."""

    def __init__(self, weights: SavedModel, tokens: TokenFile, *, quantized: bool) -> None:
        sizes = weights.sizes
        self.nats, self.known_characters, self.unknown_tokens = 0.0, 0, 0
        self.seconds, self.packing_seconds = 0.0, 0.0
        self._tokens, self._lengths = tokens, weights.tokenizer.token_lengths
        self._decoder = CpuDecoder(sizes, weights.arrays, quantized=quantized)
        self._learner = OutputLearner(weights.arrays)
        self._state, self._H = np.zeros((sizes.L, 1, CELLS[sizes.cell].width(sizes.H)), np.float32), sizes.H

    def read_stream(self, borders: NDArray[np.int64], add: Callable[[int], None]) -> list[float]:
        """Return the nats that each turn between two borders costs less with what was learned before its pair.

        add: called with the number of turns that were read.
        """
        output = learned = self._learner.original
        rest, gains = self._no_passage(), list[float]()
        for turn, (begin, end) in enumerate(itertools.pairwise(borders.tolist()), 1):
            gain = 0.0
            for part in slices(end - begin):
                positions = np.arange(begin + part.start, begin + part.stop + 1) % self._tokens.tokens
                ids = self._tokens.read(positions)
                states, targets = np.empty((len(ids) - 1, 1, self._H), np.float32), ids[1:]
                self._decoder.prefill(np.ascontiguousarray(ids[:-1, None]), self._state, states)
                nats = self._learner.nats(self._learner.original, states[:, 0], targets)
                gain += nats - self._learner.nats(output, states[:, 0], targets)
                self.nats += nats
                self.known_characters += int(self._lengths[targets].sum())
                self.unknown_tokens += int((targets == UNK).sum())
                # All complete steps of the pair are taken at once, so that a long turn needs little memory.
                states, targets = np.concatenate([rest[0], states[:, 0]]), np.concatenate([rest[1], targets])
                complete = len(targets) // MAX_STEP_TOKENS * MAX_STEP_TOKENS
                learned = self._learn(learned, states[:complete], targets[:complete])
                rest = states[complete:], targets[complete:]
            if turn % 2 == 0:
                output = learned = self._learn(learned, *rest)
                rest = self._no_passage()
            gains.append(gain)
            add(1)
        self._pack(output)
        return gains

    def _no_passage(self) -> tuple[Float32, NDArray[np.int32]]:
        return np.empty((0, self._H), np.float32), np.empty(0, np.int32)

    def _learn(self, output: OutputParameters, states: Float32, targets: NDArray[np.int32]) -> OutputParameters:
        start = time.perf_counter()
        output = self._learner.learn(output, states, targets)
        self.seconds += time.perf_counter() - start
        return output

    def _pack(self, output: OutputParameters) -> None:
        start = time.perf_counter()
        self._decoder.with_output(self._learner.weights(output), output.bias)
        self.packing_seconds += time.perf_counter() - start
