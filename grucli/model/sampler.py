"""Text out of a model: a state to begin from, text read into it, and tokens drawn from it until something ends them.

The whole memory of a recurrent network is one small `State`, a value: it can be kept, gone back to and branched from.
The token loop runs compiled, in slices short enough for Ctrl-C.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.errors import UsageError
from grucli.kernels.arrays import Float32
from grucli.kernels.sampling import AT_END, AT_LENGTH, AT_TURN, RECENT, RUNNING, Rules, Streams
from grucli.model.crew import Crew
from grucli.model.recurrence import WRITERS, Writer
from grucli.model.weights import Weights
from grucli.text.tokenizers import END, TURN, UNKNOWN, Tokenizer

_SLICE = 32  # tokens of a stream between two looks at what the user wants
_READ_SLICE = 1024  # tokens read between two such looks
_TOGETHER = 256  # streams that are drawn as one batch
_STOPPED = {AT_END: "end", AT_TURN: "turn", AT_LENGTH: "length", RUNNING: "interrupted"}


@dataclass(frozen=True, slots=True)
class Draw:
    """How text is drawn. The cut-offs see the distribution after the temperature; 0, 1 and 0 switch them off.

    Raises:
        UsageError: a value out of its range, by the name of its flag.
    """

    temp: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    max_chars: int = 500
    min_chars: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        for flag, value, fits, allowed in (
            ("temp", self.temp, 0 <= self.temp <= 100, "a number from 0 to 100"),
            ("top-k", self.top_k, 0 <= self.top_k < 1 << 31, "a whole number from 0 (off) to 2147483647"),
            ("top-p", self.top_p, 0 < self.top_p <= 1, "a number above 0 and up to 1 (off)"),
            ("min-p", self.min_p, 0 <= self.min_p <= 1, "a number from 0 (off) to 1"),
            ("repeat-penalty", self.repeat_penalty, 0 < self.repeat_penalty <= 100, "a number above 0, up to 100"),
            ("max-chars", self.max_chars, 1 <= self.max_chars < 1 << 31, "a whole number from 1 to 2147483647"),
            ("min-chars", self.min_chars, 0 <= self.min_chars <= self.max_chars, "a whole number up to --max-chars"),
            ("seed", self.seed, 0 <= self.seed < 1 << 63, "a whole number from 0 to 9223372036854775807"),
        ):
            if not fits:
                raise UsageError(f"--{flag} is {value}", f"--{flag} takes {allowed}")

    def rules(self, tokenizer: Tokenizer) -> Rules:
        """The same, for the kernel."""
        return Rules(
            temperature=float(self.temp),
            top_k=int(self.top_k),
            top_p=float(self.top_p),
            min_p=float(self.min_p),
            penalty=float(self.repeat_penalty),
            min_chars=int(self.min_chars),
            max_chars=int(self.max_chars),
            characters=tokenizer.characters,
        )


@dataclass(frozen=True, slots=True)
class State:
    """Everything a model remembers: `layers` [L, H], and the token it reads next. Never changed once made."""

    layers: Float32
    last: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What one slice of a stream added: its text, its tokens, and -ln of their probability at temperature 1."""

    text: str
    tokens: int
    nats: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A text that was drawn. `stopped`: "end", "turn", "length", or "interrupted" while it was not over.

    `bits_per_char` is of the drawn text alone, end token included, under the model at temperature 1.
    """

    text: str
    prompt: str
    seed: int
    tokens: int
    bits_per_char: float
    stopped: str


class _Batch:
    """n streams from one state, seeds counted up from the first."""

    def __init__(self, writer: Writer, tokenizer: Tokenizer, state: State, draw: Draw, seeds: range) -> None:
        n = len(seeds)
        self._writer, self._rules = writer, draw.rules(tokenizer)
        self.state: Float32 = np.ascontiguousarray(np.repeat(state.layers[:, None, :], n, axis=1))
        self.streams = Streams(
            seeds=np.array(seeds, np.uint64),
            last=np.full(n, state.last, np.int32),
            status=np.zeros(n, np.int32),
            drawn=np.zeros(n, np.int64),
            chars=np.zeros(n, np.int64),
            nats=np.zeros(n, np.float64),
            recent=np.full((n, RECENT), -1, np.int32),
        )

    def advance(self, crew: Crew | None, tokens: int) -> NDArray[np.int32]:
        """Up to `tokens` more of each running stream: ids [n, tokens], -1 where a stream had stopped."""
        n = len(self.streams.last)
        written = np.full((n, tokens), -1, np.int32)
        rules, streams = self._rules, self.streams

        def share(low: int, high: int) -> None:
            self._writer.write(low, high, rules, streams, self.state, written)

        if crew is None:
            share(0, n)
        else:
            crew.share(n, share, grain=8)
        return written

    def keep(self, running: NDArray[np.bool_]) -> None:
        """Let go of the streams that have stopped."""
        self.state = np.ascontiguousarray(self.state[:, running])
        self.streams = Streams(**{name: array[running] for name, array in self.streams._asdict().items()})


def _bits_per_char(nats: float, chars: int) -> float:
    return nats / math.log(2) / max(chars, 1)


class Stream:
    """One text as it is drawn: iterate over its pieces. `state` and `sample` are right at any moment."""

    def __init__(self, writer: Writer, tokenizer: Tokenizer, state: State, draw: Draw, prompt: str) -> None:
        self._batch = _Batch(writer, tokenizer, state, draw, range(draw.seed, draw.seed + 1))
        self._decoder = tokenizer.decoder()
        self._draw, self._prompt = draw, prompt
        self._text = ""

    @property
    def state(self) -> State:
        """The state after what was said so far."""
        return State(self._batch.state[:, 0].copy(), int(self._batch.streams.last[0]))

    @property
    def sample(self) -> Sample:
        """What was said so far."""
        streams = self._batch.streams
        return Sample(
            text=self._text,
            prompt=self._prompt,
            seed=self._draw.seed,
            tokens=int(streams.drawn[0]),
            bits_per_char=_bits_per_char(float(streams.nats[0]), len(self._text)),
            stopped=_STOPPED[int(streams.status[0])],
        )

    def __iter__(self) -> Iterator[Piece]:
        streams = self._batch.streams
        while streams.status[0] == RUNNING:
            before, nats = int(streams.drawn[0]), float(streams.nats[0])
            ids = self._batch.advance(None, _SLICE)[0]
            text = "".join(map(self._decoder.push, ids[ids >= 0].tolist()))
            if streams.status[0] != RUNNING:
                text += self._decoder.flush()
            text = text[: self._draw.max_chars - len(self._text)]
            self._text += text
            yield Piece(text, int(streams.drawn[0]) - before, float(streams.nats[0]) - nats)


class Sampler:
    """Reads and writes with one model; `conversations` says whether it was trained on turns.

    `rounded`: with weights of a byte each (see `grucli.kernels.streaming`), which are several times as fast to read.
    """

    def __init__(self, weights: Weights, threads: int | None = None, *, rounded: bool = True) -> None:
        arrays, sizes = weights.arrays, weights.sizes
        layers = []
        for index in range(sizes.L):
            prefix = f"layers.{index}."
            layers.append({name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)})
        self._writer = WRITERS[sizes.cell](
            arrays["embedding"], layers, arrays["out.W"], arrays["out.b"], rounded=rounded
        )
        self._sizes, self._crew = sizes, Crew(threads)
        self.tokenizer = weights.tokenizer
        self.conversations = weights.card.conversations
        self._first = _first_token(weights)

    def begin(self) -> State:
        """The state before a document's first token."""
        return State(np.zeros((self._sizes.L, self._sizes.H), np.float32), self._first)

    def _read(self, state: State, tokens: NDArray[np.int32]) -> Float32:
        layers = state.layers[:, None, :].copy()
        for start in range(0, len(tokens), _READ_SLICE):
            self._writer.read(tokens[start : start + _READ_SLICE], layers)
        return np.ascontiguousarray(layers[:, 0])

    def read(self, state: State, text: str) -> State:
        """The state after `text` as well; symbols the model never saw are read as the unknown token."""
        ids = self.tokenizer.encode(text)
        if len(ids) == 0:
            return state
        tokens = np.concatenate([[state.last], ids[:-1]]).astype(np.int32)
        return State(self._read(state, tokens), int(ids[-1]))

    def end_turn(self, state: State) -> State:
        """The state in which the other side begins to speak. An end that was drawn is taken as the end of a turn."""
        if state.last in (TURN, END):
            return dataclasses.replace(state, last=TURN)
        return State(self._read(state, np.array([state.last], np.int32)), TURN)

    def stream(self, state: State, draw: Draw, prompt: str = "") -> Stream:
        """One text from `state`, a piece at a time. `prompt` is only noted in the sample."""
        return Stream(self._writer, self.tokenizer, state, draw, prompt)

    def write(self, state: State, prompt: str, n: int, draw: Draw) -> Iterator[Sample]:
        """n texts from `state`, drawn side by side, each when it is over. The i-th has the seed draw.seed + i, and is
        the text that `stream` gives for that seed; `prompt` is only noted.
        """
        for first in range(draw.seed, draw.seed + n, _TOGETHER):
            seeds = range(first, min(first + _TOGETHER, draw.seed + n))
            yield from self._write_batch(_Batch(self._writer, self.tokenizer, state, draw, seeds), prompt, draw)

    def _write_batch(self, batch: _Batch, prompt: str, draw: Draw) -> Iterator[Sample]:
        ids: list[list[int]] = [[] for _ in batch.streams.last]
        while len(batch.streams.last):
            for tokens, row in zip(ids, batch.advance(self._crew, _SLICE), strict=True):
                tokens.extend(row[row >= 0].tolist())
            streams = batch.streams
            for i in np.flatnonzero(streams.status != RUNNING):
                text = self.tokenizer.decode(ids[i])[: draw.max_chars]
                yield Sample(
                    text=text,
                    prompt=prompt,
                    seed=int(streams.seeds[i]),
                    tokens=len(ids[i]),
                    bits_per_char=_bits_per_char(float(streams.nats[i]), len(text)),
                    stopped=_STOPPED[int(streams.status[i])],
                )
            running = streams.status == RUNNING
            ids = [tokens for tokens, goes_on in zip(ids, running, strict=True) if goes_on]
            batch.keep(running)


def _first_token(weights: Weights) -> int:
    """What a text begins after: the end of another one, or, where the model knows only one text, the end of a line."""
    newline = weights.tokenizer.encode("\n")
    if weights.card.running_text and len(newline) == 1 and newline[0] != UNKNOWN:
        return int(newline[0])
    return END
