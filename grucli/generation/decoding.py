"""Texts while they are drawn: one alone, slice by slice, or many side by side.

The token loop runs compiled, in slices short enough for Ctrl-C. What a stream draws depends on its state, its seed and
the rules alone, never on what is drawn beside it.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.engine.cell_kernels import Writer
from grucli.engine.thread_pool import Crew
from grucli.generation.options import TAIL, Draw, Piece, Sample, State
from grucli.generation.phrase_matcher import Phrases
from grucli.kernels.arrays import Float32
from grucli.kernels.sampling import AT_END, AT_LENGTH, AT_STOP, AT_TURN, RECENT, RUNNING, Guard, Ids, Rules, Streams
from grucli.text.tokenizers import Tokenizer

_SLICE = 32  # tokens of a stream between two looks at what the user wants
_TOGETHER = 256  # streams that are drawn as one batch
_FEWER = 192  # streams at which a batch that has more to draw is filled up again
_HELD = 4096  # texts that wait for an earlier one before no more are begun: it has few beside it then, and is soon over
_STOPPED = {AT_END: "end", AT_TURN: "turn", AT_LENGTH: "length", AT_STOP: "stop", RUNNING: "interrupted"}

NO_GUARD = Guard(np.zeros((3, 0), np.int32), np.zeros((0, 4), np.int32), np.zeros((0, 2), np.int32))
"""For draws that neither block nor stop at anything."""


def guard_for(phrases: Phrases | None, before: str) -> tuple[Guard, int]:
    """The phrases for the kernel, and the place in which a text begins that follows `before`."""
    if phrases is None:
        return NO_GUARD, 0
    table, place = phrases.table(phrases.after(before))
    return Guard(table.usual, table.places, table.own), place


def said(drawn: str, running: bool, draw: Draw, phrases: Phrases | None, before: str) -> str:
    """What of a text that was drawn after `before` is part of a sample, or, while it is `running`, surely will be."""
    if phrases is None:
        return drawn[: draw.max_chars]
    if not running:
        drawn = drawn[: phrases.stop_in(drawn)]
    text = drawn[: draw.max_chars]
    return text[: len(text) - (phrases.held if running else phrases.unsaid)(before, text)]


def bits_per_char(nats: float, drawn: str, draw: Draw) -> float:
    """The surprise of all that was drawn, a stop included, a character of the text that it makes."""
    return nats / math.log(2) / max(min(len(drawn), draw.max_chars), 1)


@dataclass(frozen=True, slots=True)
class Source:
    """What streams are drawn from: the state they begin in, with `relevance` the state of their shadow, and the rules.

    `read` gives the state after a text, for what was drawn and is not said.
    """

    writer: Writer
    tokenizer: Tokenizer
    phrases: Phrases | None
    draw: Draw
    state: State
    shadow: State | None
    read: Callable[[State, str], State]

    def rules(self) -> tuple[Rules, int]:
        """The draw for the kernel, and the place in which a stream begins."""
        draw = self.draw
        guard, place = guard_for(self.phrases, self.state.tail)
        rules = Rules(
            temperature=float(draw.temp),
            top_k=int(draw.top_k),
            top_p=float(draw.top_p),
            min_p=float(draw.min_p),
            penalty=float(draw.repeat_penalty),
            mirostat=float(draw.mirostat),
            relevance=float(draw.relevance),
            min_chars=int(draw.min_chars),
            max_chars=int(draw.max_chars),
            characters=self.tokenizer.characters,
            guarded=self.phrases is not None,
            guard=guard,
        )
        return rules, place


class Batch:
    """Streams side by side. Where they have shadows, every second row is that of the one before."""

    def __init__(self, source: Source, seeds: range) -> None:
        self._source = source
        self._rules, self._place = source.rules()
        self._beginnings = [source.state] if source.shadow is None else [source.state, source.shadow]
        self._pair = len(self._beginnings)
        self._state, self._streams = self._begun(seeds)

    def _begun(self, seeds: range) -> tuple[Float32, Streams]:
        n, beginnings = len(seeds), self._beginnings
        rows = n * self._pair
        layers = np.stack([state.layers for state in beginnings], axis=1)
        streams = Streams(
            seeds=np.repeat(np.array(seeds, np.uint64), self._pair),
            last=np.tile(np.array([state.last for state in beginnings], np.int32), n),
            status=np.zeros(rows, np.int32),
            drawn=np.zeros(rows, np.int64),
            chars=np.zeros(rows, np.int64),
            nats=np.zeros(rows, np.float64),
            recent=np.full((rows, RECENT), -1, np.int32),
            bound=np.full(rows, 2.0 * self._source.draw.mirostat, np.float64),
            place=np.full(rows, self._place, np.int32),
        )
        return np.ascontiguousarray(np.tile(layers, (1, n, 1))), streams

    @property
    def streams(self) -> Streams:
        """The books of the streams, without those of their shadows."""
        return Streams(**{name: array[:: self._pair] for name, array in self._streams._asdict().items()})

    @property
    def state(self) -> Float32:
        """The states of the streams, [L, n, H]."""
        return self._state[:, :: self._pair]

    def advance(self, crew: Crew | None) -> Ids:
        """Some more tokens of each running stream: ids [n, tokens], -1 where a stream had stopped."""
        rows = len(self._streams.last)
        written = np.full((rows, _SLICE), -1, np.int32)

        def share(low: int, high: int) -> None:
            self._source.writer.write(low, high, self._rules, self._streams, self._state, written)

        if crew is None:
            share(0, rows)
        else:
            crew.share(rows, share, grain=8)
        return written[:: self._pair]

    def keep(self, running: NDArray[np.bool_], more: range) -> None:
        """Let go of the streams that have stopped, and begin others with the seeds `more`."""
        rows = np.repeat(running, self._pair)
        state, streams = self._begun(more)
        self._state = np.ascontiguousarray(np.concatenate([self._state[:, rows], state], axis=1))
        old, new = self._streams._asdict(), streams._asdict()
        self._streams = Streams(**{name: np.concatenate([old[name][rows], new[name]]) for name in old})


class Stream:
    """One text as it is drawn: iterate over its pieces. `state` and `sample` are right at any moment."""

    def __init__(self, source: Source, prompt: str) -> None:
        seed = source.draw.seed
        self._source, self._prompt = source, prompt
        self._batch = Batch(source, range(seed, seed + 1))
        self._decoder = source.tokenizer.decoder()
        self._drawn = self._text = ""

    @property
    def state(self) -> State:
        """The state after what was said so far."""
        begun = self._source.state
        if self._text != self._drawn:
            # Something was drawn that is not said: it stops the text, or is beyond its end.
            return self._source.read(begun, self._text)
        layers, last = self._batch.state[:, 0].copy(), int(self._batch.streams.last[0])
        return State(layers, last, (begun.tail + self._text)[-TAIL:])

    @property
    def sample(self) -> Sample:
        """What was said so far."""
        streams, draw = self._batch.streams, self._source.draw
        return Sample(
            text=self._text,
            prompt=self._prompt,
            seed=draw.seed,
            tokens=int(streams.drawn[0]),
            bits_per_char=bits_per_char(float(streams.nats[0]), self._drawn, draw),
            stopped=_STOPPED[int(streams.status[0])],
        )

    def __iter__(self) -> Iterator[Piece]:
        source, streams = self._source, self._batch.streams
        while streams.status[0] == RUNNING:
            before, nats = int(streams.drawn[0]), float(streams.nats[0])
            ids = self._batch.advance(None)[0]
            running = bool(streams.status[0] == RUNNING)
            self._drawn += "".join(map(self._decoder.push, ids[ids >= 0].tolist()))
            if not running:
                self._drawn += self._decoder.flush()
            # What may be shown only ever grows, so that a slice is what it has more than before.
            text = said(self._drawn, running, source.draw, source.phrases, source.state.tail)
            piece, self._text = text[len(self._text) :], text
            yield Piece(piece, int(streams.drawn[0]) - before, float(streams.nats[0]) - nats)


def write(source: Source, prompt: str, seeds: range, crew: Crew, *, in_order: bool = False) -> Iterator[Sample]:
    """A text for each seed, drawn side by side, each when it is over, or `in_order` of the seeds; in memory are only
    those that are being drawn, and a few thousand at most that wait for an earlier one."""
    batch = Batch(source, seeds[:_TOGETHER])
    waiting = seeds[_TOGETHER:]
    ids: list[list[int]] = [[] for _ in seeds[:_TOGETHER]]
    order = _Order(seeds.start)
    while ids:
        for tokens, row in zip(ids, batch.advance(crew), strict=True):
            tokens.extend(row[row >= 0].tolist())
        running = batch.streams.status == RUNNING
        over = (_sample(source, prompt, batch.streams, int(i), ids[i]) for i in np.flatnonzero(~running))
        yield from order.put(over) if in_order else over
        ids = [tokens for tokens, goes_on in zip(ids, running, strict=True) if goes_on]
        more = waiting[: _TOGETHER - len(ids)] if len(ids) <= _FEWER and order.held < _HELD else waiting[:0]
        waiting = waiting[len(more) :]
        batch.keep(running, more)
        ids += ([] for _ in more)


class _Order:
    """Samples that came before their turn, until those of the seeds before them are there."""

    def __init__(self, seed: int) -> None:
        self._next, self._early = seed, dict[int, Sample]()

    @property
    def held(self) -> int:
        """How many wait."""
        return len(self._early)

    def put(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Take some, and give all whose turn it is."""
        self._early.update((sample.seed, sample) for sample in samples)
        while self._next in self._early:
            yield self._early.pop(self._next)
            self._next += 1


def _sample(source: Source, prompt: str, streams: Streams, i: int, ids: list[int]) -> Sample:
    drawn = source.tokenizer.decode(ids)
    return Sample(
        text=said(drawn, False, source.draw, source.phrases, source.state.tail),
        prompt=prompt,
        seed=int(streams.seeds[i]),
        tokens=len(ids),
        bits_per_char=bits_per_char(float(streams.nats[i]), drawn, source.draw),
        stopped=_STOPPED[int(streams.status[i])],
    )
