"""Next-token probabilities in NumPy, a few rows at a time: for inspection, surprisals and beam search.

`grucli.kernels.sampling` has the same, compiled; a test compares the two.
"""

import math

import numpy as np
from numpy.typing import NDArray

from grucli.generation.options import GenerationConfig
from grucli.kernels.arrays import Float32
from grucli.kernels.sampling import BANNED, EOS, EOT, PLAUSIBILITY_ALPHA, STOPS, UNK, TokenAutomaton

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


class OutputProjection:
    """The output layer: logits from the hidden state of the last layer; weights float32 [H, V], bias float32 [V]."""

    def __init__(self, out: Float32, bias: Float32) -> None:
        self._out, self._bias = out, bias
        self.H = len(out)

    def logits(self, output: Float32) -> Float64:
        """Return the logits [n, V] of output [n, H]."""
        return np.asarray(output @ self._out + self._bias, np.float64)


def log_softmax(logits: Float64) -> Float64:
    """Return ln softmax over the last axis of logits [..., V]."""
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def allowed_mask(automaton: TokenAutomaton, fsm_state: int, V: int, allow_stop: bool) -> Mask:
    """Return a mask [V] of the tokens that may follow in a state of the automaton."""
    mask = np.ones(V, np.bool_)
    pending_word = False
    if automaton.default_next.shape[1] > 0:
        next_states = transitions(automaton, fsm_state)
        pending_word = bool(automaton.states[fsm_state, 1])
        mask &= (
            (next_states != BANNED)
            & ((next_states != STOPS) | allow_stop)
            & ~(pending_word & (automaton.default_next[2] != 0))
        )
    mask[UNK] = False
    mask[[EOS, EOT]] = allow_stop and not pending_word
    return mask


def transitions(automaton: TokenAutomaton, fsm_state: int) -> NDArray[np.int32]:
    """Return the next state after each token, int32 [V], or BANNED or STOPS."""
    kind, _, first, end = automaton.states[fsm_state]
    next_states = np.array(automaton.default_next[kind])
    next_states[automaton.overrides[first:end, 0]] = automaton.overrides[first:end, 1]
    return next_states


def plausibility_mask(cond_logits: Float64, mask: Mask, relevance: float) -> Mask:
    """Return the part of `mask` [V] that is plausible (Li 2022, arXiv:2210.15097) by cond_logits [V]."""
    if relevance == 0 or not mask.any():
        return mask
    return np.asarray(mask & (cond_logits >= cond_logits[mask].max() + math.log(relevance * PLAUSIBILITY_ALPHA)))


def token_probabilities(
    cond_logits: Float64, uncond_logits: Float64 | None, mask: Mask, config: GenerationConfig
) -> Float64:
    """Return the probability of each token to be sampled first, float64 [V].

    cond_logits [V]; uncond_logits [V] with guidance; mask bool [V]: the tokens allowed.
    """
    mask = plausibility_mask(cond_logits, mask, config.relevance)
    if config.mirostat > 0 and mask.any():
        min_log_prob = -2 * config.mirostat * math.log(2)
        mask = mask & (log_softmax(cond_logits) >= min(min_log_prob, log_softmax(cond_logits)[mask].max()))
    guided = (
        cond_logits
        if uncond_logits is None
        else (cond_logits - config.relevance * uncond_logits) / (1 - config.relevance)
    )
    if not mask.any():
        return _one_hot(EOS, len(cond_logits))
    guided = np.where(mask, guided, -np.inf)
    if config.temp == 0:
        return _one_hot(int(guided.argmax()), len(cond_logits))
    probs = np.exp((guided - guided.max()) / config.temp)
    min_prob = config.min_p
    sorted_probs = np.sort(probs)[::-1]
    if 0 < config.top_k < len(sorted_probs):
        min_prob = max(min_prob, sorted_probs[config.top_k - 1])
    if config.top_p < 1:
        sums = np.cumsum(sorted_probs[sorted_probs >= min_prob])
        min_prob = max(min_prob, sorted_probs[np.searchsorted(sums, config.top_p * sums[-1] * (1 - 1e-9))])
    probs[probs < min_prob] = 0
    return np.asarray(probs / probs.sum())


def _one_hot(token: int, V: int) -> Float64:
    probs = np.zeros(V)
    probs[token] = 1
    return probs
