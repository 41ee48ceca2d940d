"""Beam search: the most probable text that a search with a limited number of hypotheses finds.

Hypotheses with the same text, which may end in two ways or be split into other tokens, are one: the best one counts.
Their probabilities are not added, since with guidance and penalties the scores are not log-probabilities.
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

_STEPS_PER_YIELD = 16  # lets the caller stop the search
_LENGTH_ALPHA = 0.6  # exponent of the length penalty of GNMT (Wu 2016, arXiv:1609.08144)


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """A partial text. `utf8` may end inside a character; `row` is that of its hidden state; `score` ranks it; `nats` is
    its negative log-likelihood under the model."""

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
        """The score, divided by the length penalty."""
        return self.score / _length_penalty(self.chars)


def _length_penalty(chars: int) -> float:
    return float(((5 + chars) / 6) ** _LENGTH_ALPHA)


class BeamSearch:
    """Beam search with the interface of `Stream`: chunks are empty until the last one, which is the best text."""

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
        """The best text, or an empty one before it is found."""
        empty = Sample("", self._prompt, self._request.config.seed, 0, 0.0, "interrupted")
        return self._results[0] if self._results else empty

    @property
    def state(self) -> State:
        """The state after the best text."""
        return self._request.read(self._request.state, self.sample.text)

    def best(self, n: int) -> list[Sample]:
        """Return up to n texts, best first; runs the search if necessary."""
        for _ in self:
            pass
        return self._results[:n]

    def _ranked(self) -> list[str]:
        return sorted(self._finished, key=lambda text: -self._finished[text].normalized_score)

    def _steps(self) -> Iterator[int]:
        """Extend all hypotheses by one token at a time, until no active one can become one of the best."""
        beam, step = self._request.config.beam, 0
        while self._active:
            yield step
            self._step()
            step += 1
            if len(self._finished) >= beam and self._active:
                best_possible = max(hypothesis.score for hypothesis in self._active) / _length_penalty(
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
            # Every token is excluded: the texts end here.
            for hypothesis in self._active:
                self._finish(replace(hypothesis, finish_reason="end"))
        self._active = list(candidates.values())
        self._reorder_states()

    def _finish(self, hypothesis: _Hypothesis) -> None:
        request = self._request
        generated = hypothesis.utf8.decode("utf-8", "replace")
        text = visible_text(generated, False, request.config, request.phrases, request.state.tail)
        if text not in self._finished or self._finished[text].normalized_score < hypothesis.normalized_score:
            self._finished[text] = hypothesis

    def _token_scores(self, hypothesis: _Hypothesis, logits: Float64) -> Float64:
        """The score of each token [V], from logits [1 or 2, V]: conditional, and unconditional with guidance."""
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
        chars = hypothesis.chars + int(self._request.tokenizer.token_lengths[token])
        fsm_state, finish_reason = hypothesis.fsm_state, ""
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
        """Copy the hidden states of the active hypotheses, and set their last tokens as the next inputs."""
        n = self._rows_per_sequence
        rows = [hypothesis.row * n + branch for hypothesis in self._active for branch in range(n)]
        self._hidden = np.ascontiguousarray(self._hidden[:, rows])
        self._last_tokens = np.repeat(np.array([hypothesis.ids[-1] for hypothesis in self._active], np.int32), n)

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
