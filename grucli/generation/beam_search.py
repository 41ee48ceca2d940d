"""The likeliest text there is, as far as a search that keeps only the best few beginnings can tell.

What can be written in several ways, because it may end in two or be cut into other tokens, is one text: it is held by
the likeliest of them, whose figures are those of the sample. Their chances are not added up, as `relevance` and
penalties rank by what is no chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from grucli.generation.decoding import GenerationRequest, bits_per_char, build_automaton, visible_text
from grucli.generation.options import Sample, State, TextChunk
from grucli.generation.probabilities import (
    Float64,
    OutputProjection,
    allowed_mask,
    log_softmax,
    plausibility_mask,
    transitions,
)
from grucli.kernels.arrays import Float32
from grucli.kernels.sampling import REPEAT_WINDOW, STOPS
from grucli.text.tokenizers import EOS, EOT

_STEPS_PER_YIELD = 16  # steps between two looks at what the user wants
_LENGTH_ALPHA = 0.6  # Wu 2016: between the likeliest text, which is always short, and the likeliest mean


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """A text that may be the best, in UTF-8, of which a character may be unfinished. `row` is that of its state,
    `score` what it is ranked by, `nats` the model's own."""

    ids: tuple[int, ...] = ()
    utf8: bytes = b""
    score: float = 0.0
    nats: float = 0.0
    chars: int = 0
    fsm_state: int = 0
    row: int = 0
    finish_reason: str = ""

    @property
    def normalized_score(self) -> float:
        """The score, so that texts of different lengths can be compared."""
        return self.score / _length_penalty(self.chars)


def _length_penalty(chars: int) -> float:
    return float(((5 + chars) / 6) ** _LENGTH_ALPHA)


class BeamSearch:
    """A search that can be followed like a stream: its pieces are empty until the best text is known, the last one."""

    def __init__(self, request: GenerationRequest, output_projection: OutputProjection, prompt: str) -> None:
        self._request, self._output_projection, self._prompt = request, output_projection, prompt
        self._automaton, fsm_state = build_automaton(request.phrases, request.state.tail)
        self._active, self._finished = [_Hypothesis(fsm_state=fsm_state)], dict[str, _Hypothesis]()
        initial_states = [request.state] if request.uncond_state is None else [request.state, request.uncond_state]
        self._rows_per_sequence = len(initial_states)
        self._hidden: Float32 = np.ascontiguousarray(np.stack([state.hidden for state in initial_states], axis=1))
        self._last_tokens = np.array([state.last_token for state in initial_states], np.int32)
        self._results: list[Sample] = []

    def __iter__(self) -> Iterator[TextChunk]:
        if self._results:
            return
        for step in self._steps():
            if step % _STEPS_PER_YIELD == 0:
                yield TextChunk("", 0, 0.0)
        ranked = self._ranked()
        self._results = [self._sample(text, self._finished[text]) for text in ranked]
        best = self._finished[ranked[0]]
        yield TextChunk(self._results[0].text, len(best.ids), best.nats)

    @property
    def sample(self) -> Sample:
        """The best text; an empty one until it is found."""
        empty = Sample("", self._prompt, self._request.config.seed, 0, 0.0, "interrupted")
        return self._results[0] if self._results else empty

    @property
    def state(self) -> State:
        """The state after the best text."""
        return self._request.read(self._request.state, self.sample.text)

    def best(self, n: int) -> list[Sample]:
        """The n best texts, as far as there are so many; searches, if that has not been done."""
        for _ in self:
            pass
        return self._results[:n]

    def _ranked(self) -> list[str]:
        """The texts that are over, the best first."""
        return sorted(self._finished, key=lambda text: -self._finished[text].normalized_score)

    def _steps(self) -> Iterator[int]:
        """Search, a token at a time, until no text that goes on can still become one of the best."""
        beam, step = self._request.config.beam, 0
        while self._active:
            yield step
            self._step()
            step += 1
            if len(self._finished) >= beam and self._active:
                best_possible = max(line.score for line in self._active) / _length_penalty(
                    self._request.config.max_chars
                )
                if best_possible <= self._finished[self._ranked()[beam - 1]].normalized_score:
                    break

    def _step(self) -> None:
        output = np.empty((1, len(self._last_tokens), self._output_projection.H), np.float32)
        self._request.engine.prefill(self._last_tokens[None], self._hidden, output)
        logits = self._output_projection.logits(output[0])
        beam = self._request.config.beam
        scores = np.full((len(self._active), logits.shape[1]), -np.inf)
        for i, hypothesis in enumerate(self._active):
            scores[i] = hypothesis.score + self._token_scores(
                hypothesis, logits[i * self._rows_per_sequence : (i + 1) * self._rows_per_sequence]
            )
            scores[i, EOS if scores[i, EOS] < scores[i, EOT] else EOT] = -np.inf
        log_probs = log_softmax(logits[:: self._rows_per_sequence])
        flat = scores.reshape(-1)
        best = np.argpartition(-flat, min(2 * beam, flat.size - 1))[: 2 * beam]
        best = best[np.lexsort((best, -flat[best]))]
        candidates: dict[bytes, _Hypothesis] = {}
        for rank, (row, token) in enumerate(divmod(int(each), scores.shape[1]) for each in best):
            if scores[row, token] == -np.inf or len(candidates) == beam:
                break
            hypothesis = self._extend(row, token, float(scores[row, token]), float(log_probs[row, token]))
            if not hypothesis.finish_reason:
                candidates.setdefault(hypothesis.utf8, hypothesis)
            elif rank < beam:
                self._finish(hypothesis)
        if not candidates and not self._finished:
            # Where nothing may be said any more, the texts end as they are.
            for hypothesis in self._active:
                self._finish(replace(hypothesis, finish_reason="end"))
        self._active = list(candidates.values())
        self._reorder_states()

    def _finish(self, hypothesis: _Hypothesis) -> None:
        """Note a text that is over, unless it is known to be likelier."""
        request = self._request
        generated = hypothesis.utf8.decode("utf-8", "replace")
        text = visible_text(generated, False, request.config, request.phrases, request.state.tail)
        if text not in self._finished or self._finished[text].normalized_score < hypothesis.normalized_score:
            self._finished[text] = hypothesis

    def _token_scores(self, hypothesis: _Hypothesis, logits: Float64) -> Float64:
        """What each token [V] adds to the score of a line; logits [1 or 2, V] of the voice and its shadow."""
        config, cond_logits = self._request.config, logits[0].copy()
        if config.repeat_penalty != 1:
            recent = list({*hypothesis.ids[-REPEAT_WINDOW:]})
            x = cond_logits[recent]
            cond_logits[recent] = np.where(x > 0, x / config.repeat_penalty, x * config.repeat_penalty)
        mask = allowed_mask(
            self._automaton, hypothesis.fsm_state, len(cond_logits), hypothesis.chars >= config.min_chars
        )
        mask = plausibility_mask(logits[0], mask, config.relevance)
        scores = log_softmax(cond_logits)
        if self._rows_per_sequence == 2:
            scores = (scores - config.relevance * log_softmax(logits[1])) / (1 - config.relevance)
        return np.where(mask, scores, -np.inf)

    def _extend(self, row: int, token: int, score: float, log_prob: float) -> _Hypothesis:
        hypothesis, config = self._active[row], self._request.config
        chars, fsm_state, finish_reason = (
            hypothesis.chars + int(self._request.tokenizer.token_lengths[token]),
            hypothesis.fsm_state,
            "",
        )
        if token in (EOS, EOT):
            finish_reason = "end" if token == EOS else "turn"
        elif self._automaton.default_next.shape[1] > 0:
            fsm_state = int(transitions(self._automaton, hypothesis.fsm_state)[token])
            finish_reason = "stop" if fsm_state == STOPS else ""
        if not finish_reason and chars >= config.max_chars:
            finish_reason = "length"
        utf8 = hypothesis.utf8 + self._request.tokenizer.pieces[token]
        return _Hypothesis(
            (*hypothesis.ids, token), utf8, score, hypothesis.nats - log_prob, chars, fsm_state, row, finish_reason
        )

    def _reorder_states(self) -> None:
        """Let every line that goes on have a state of its own, and read its last token next."""
        rows = [
            line.row * self._rows_per_sequence + shadow
            for line in self._active
            for shadow in range(self._rows_per_sequence)
        ]
        self._hidden = np.ascontiguousarray(self._hidden[:, rows])
        self._last_tokens = np.repeat(
            np.array([line.ids[-1] for line in self._active], np.int32), self._rows_per_sequence
        )

    def _sample(self, text: str, hypothesis: _Hypothesis) -> Sample:
        return Sample(
            text=text,
            prompt=self._prompt,
            seed=self._request.config.seed,
            tokens=len(hypothesis.ids),
            bits_per_char=bits_per_char(
                hypothesis.nats, hypothesis.utf8.decode("utf-8", "replace"), self._request.config
            ),
            stopped=hypothesis.finish_reason,
        )
