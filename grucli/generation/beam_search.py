"""The likeliest text there is, as far as a search that keeps only the best few beginnings can tell.

What can be written in several ways, because it may end in two or be cut into other tokens, is one text: it is held by
the likeliest of them, whose figures are those of the sample. Their chances are not added up, as `relevance` and
penalties rank by what is no chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from grucli.generation.decoding import Source, bits_per_char, guard_for, said
from grucli.generation.options import Piece, Sample, State
from grucli.generation.phrase_matcher import STOPS
from grucli.generation.probabilities import Float64, Head, allowed, following, log_softmax, plausible
from grucli.kernels.arrays import Float32
from grucli.kernels.sampling import RECENT
from grucli.text.tokenizers import END, TURN

_SLICE = 16  # steps between two looks at what the user wants
_LENGTH_POWER = 0.6  # Wu 2016: between the likeliest text, which is always short, and the likeliest mean


@dataclass(frozen=True, slots=True)
class _Line:
    """A text that may be the best, in UTF-8, of which a character may be unfinished. `row` is that of its state,
    `score` what it is ranked by, `nats` the model's own."""

    ids: tuple[int, ...] = ()
    utf8: bytes = b""
    score: float = 0.0
    nats: float = 0.0
    chars: int = 0
    place: int = 0
    row: int = 0
    stopped: str = ""

    @property
    def rank(self) -> float:
        """The score, so that texts of different lengths can be compared."""
        return self.score / _length_penalty(self.chars)


def _length_penalty(chars: int) -> float:
    return float(((5 + chars) / 6) ** _LENGTH_POWER)


class Beam:
    """A search that can be followed like a stream: its pieces are empty until the best text is known, the last one."""

    def __init__(self, source: Source, head: Head, prompt: str) -> None:
        self._source, self._head, self._prompt = source, head, prompt
        self._guard, place = guard_for(source.phrases, source.state.tail)
        self._alive, self._over = [_Line(place=place)], dict[str, _Line]()
        beginnings = [source.state] if source.shadow is None else [source.state, source.shadow]
        self._pair = len(beginnings)
        self._layers: Float32 = np.ascontiguousarray(np.stack([state.layers for state in beginnings], axis=1))
        self._last = np.array([state.last for state in beginnings], np.int32)
        self._found: list[Sample] = []

    def __iter__(self) -> Iterator[Piece]:
        if self._found:
            return
        for step in self._steps():
            if step % _SLICE == 0:
                yield Piece("", 0, 0.0)
        ranked = self._ranked()
        self._found = [self._sample(text, self._over[text]) for text in ranked]
        best = self._over[ranked[0]]
        yield Piece(self._found[0].text, len(best.ids), best.nats)

    @property
    def sample(self) -> Sample:
        """The best text; an empty one until it is found."""
        unknown = Sample("", self._prompt, self._source.draw.seed, 0, 0.0, "interrupted")
        return self._found[0] if self._found else unknown

    @property
    def state(self) -> State:
        """The state after the best text."""
        return self._source.read(self._source.state, self.sample.text)

    def best(self, n: int) -> list[Sample]:
        """The n best texts, as far as there are so many; searches, if that has not been done."""
        for _ in self:
            pass
        return self._found[:n]

    def _ranked(self) -> list[str]:
        """The texts that are over, the best first."""
        return sorted(self._over, key=lambda text: -self._over[text].rank)

    def _steps(self) -> Iterator[int]:
        """Search, a token at a time, until no text that goes on can still become one of the best."""
        beam, step = self._source.draw.beam, 0
        while self._alive:
            yield step
            self._step()
            step += 1
            if len(self._over) >= beam and self._alive:
                most = max(line.score for line in self._alive) / _length_penalty(self._source.draw.max_chars)
                if most <= self._over[self._ranked()[beam - 1]].rank:
                    break

    def _step(self) -> None:
        seen = np.empty((1, len(self._last), self._layers.shape[2]), np.float32)
        self._source.writer.read(self._last[None], self._layers, seen)
        logits = self._head.logits(seen[0])
        beam = self._source.draw.beam
        scores = np.full((len(self._alive), logits.shape[1]), -np.inf)
        for i, line in enumerate(self._alive):
            scores[i] = line.score + self._gain(line, logits[i * self._pair : (i + 1) * self._pair])
            scores[i, END if scores[i, END] < scores[i, TURN] else TURN] = -np.inf
        voices = log_softmax(logits[:: self._pair])
        flat = scores.reshape(-1)
        best = np.argpartition(-flat, min(2 * beam, flat.size - 1))[: 2 * beam]
        best = best[np.lexsort((best, -flat[best]))]
        further: dict[bytes, _Line] = {}
        for rank, (row, token) in enumerate(divmod(int(each), scores.shape[1]) for each in best):
            if scores[row, token] == -np.inf or len(further) == beam:
                break
            line = self._further(row, token, float(scores[row, token]), float(voices[row, token]))
            if not line.stopped:
                further.setdefault(line.utf8, line)
            elif rank < beam:
                self._end(line)
        if not further and not self._over:
            # Where nothing may be said any more, the texts end as they are.
            for line in self._alive:
                self._end(replace(line, stopped="end"))
        self._alive = list(further.values())
        self._go_on()

    def _end(self, line: _Line) -> None:
        """Note a text that is over, unless it is known to be likelier."""
        source = self._source
        drawn = line.utf8.decode("utf-8", "replace")
        text = said(drawn, False, source.draw, source.phrases, source.state.tail)
        if text not in self._over or self._over[text].rank < line.rank:
            self._over[text] = line

    def _gain(self, line: _Line, logits: Float64) -> Float64:
        """What each token [V] adds to the score of a line; logits [1 or 2, V] of the voice and its shadow."""
        draw, voice = self._source.draw, logits[0].copy()
        if draw.repeat_penalty != 1:
            recent = list({*line.ids[-RECENT:]})
            x = voice[recent]
            voice[recent] = np.where(x > 0, x / draw.repeat_penalty, x * draw.repeat_penalty)
        mask = allowed(self._guard, line.place, len(voice), line.chars >= draw.min_chars)
        mask = plausible(logits[0], mask, draw.relevance)
        gain = log_softmax(voice)
        if self._pair == 2:
            gain = (gain - draw.relevance * log_softmax(logits[1])) / (1 - draw.relevance)
        return np.where(mask, gain, -np.inf)

    def _further(self, row: int, token: int, score: float, log: float) -> _Line:
        line, draw = self._alive[row], self._source.draw
        chars, place, stopped = line.chars + int(self._source.tokenizer.characters[token]), line.place, ""
        if token in (END, TURN):
            stopped = "end" if token == END else "turn"
        elif self._guard.usual.shape[1] > 0:
            place = int(following(self._guard, line.place)[token])
            stopped = "stop" if place == STOPS else ""
        if not stopped and chars >= draw.max_chars:
            stopped = "length"
        utf8 = line.utf8 + self._source.tokenizer.pieces[token]
        return _Line((*line.ids, token), utf8, score, line.nats - log, chars, place, row, stopped)

    def _go_on(self) -> None:
        """Let every line that goes on have a state of its own, and read its last token next."""
        rows = [line.row * self._pair + shadow for line in self._alive for shadow in range(self._pair)]
        self._layers = np.ascontiguousarray(self._layers[:, rows])
        self._last = np.repeat(np.array([line.ids[-1] for line in self._alive], np.int32), self._pair)

    def _sample(self, text: str, line: _Line) -> Sample:
        return Sample(
            text=text,
            prompt=self._prompt,
            seed=self._source.draw.seed,
            tokens=len(line.ids),
            bits_per_char=bits_per_char(line.nats, line.utf8.decode("utf-8", "replace"), self._source.draw),
            stopped=line.stopped,
        )
