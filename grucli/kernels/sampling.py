"""Sample one token from a row of logits: temperature, truncation, repetition penalty, guidance and constraints.

Truncation thresholds are found by bisection over the bits of the floats (positive floats order as their bits do), so
nothing is sorted. Random numbers are a hash of (seed, position): a sequence does not depend on the others of its batch.

`scores` float32 [rows, >= V] is scratch: first logits, then probabilities relative to the largest; -inf, or 0, excludes
a token. Helpers work on one row of it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import bitcast_to_float, exp
from grucli.kernels.jit import helper, reduction
from grucli.kernels.loss import row_max

UNK, EOS, EOT = 0, 1, 2  # ids of the special tokens, as in `grucli.text.tokenizers`
RUNNING, FINISH_EOS, FINISH_TURN, FINISH_LENGTH, FINISH_STOP = 0, 1, 2, 3, 4  # finish status of a sequence
BANNED, STOPS = -1, -2  # in place of the next state of a `TokenAutomaton`: the token is blocked, or ends the text
PLAUSIBILITY_ALPHA = 0.1  # times the relevance: minimum probability relative to the largest (Li 2022, arXiv:2210.15097)
MIROSTAT_ETA = 0.1  # learning rate of the surprisal bound
REPEAT_WINDOW = 64  # generated tokens that the repetition penalty considers

Ids = NDArray[np.int32]

_BLOCK = 128
_INFINITY_BITS = np.int32(0x7F800000)
_LN2 = math.log(2.0)


class TokenAutomaton(NamedTuple):
    """Deterministic automaton over tokens for blocked phrases and stop strings; S states, V tokens.

    default_next int32 [3, V]: rows 0 and 1 = next state, BANNED or STOPS from the two default states (between words,
    inside a word); row 2 = 1 if the token ends a word. states int32 [S, 4] = (default row, whether a blocked word is
    complete, so that neither the word nor the text may end, first, last). overrides int32 [N, 2] = (token, next state),
    by token; overrides[first:last] belongs to the state.
    """

    default_next: Ids
    states: Ids
    overrides: Ids


class SamplingParams(NamedTuple):
    """Parameters of `sample_token`; see `grucli.generation.options.GenerationConfig`.

    mirostat: target surprisal in bits per token, 0 disables. relevance: 0 to below 1, 0 disables; above 0, each odd row
    of a batch is the unconditional branch of the row before it. token_chars int16 [V]: characters per token. automaton:
    read only if has_automaton.
    """

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repeat_penalty: float
    mirostat: float
    relevance: float
    min_chars: int
    max_chars: int
    token_chars: NDArray[np.int16]
    has_automaton: bool
    automaton: TokenAutomaton


class DecodeState(NamedTuple):
    """Progress of n sequences that are generated side by side.

    seeds uint64 [n]. last_token int32 [n]: the next input. finish_status int32 [n]: RUNNING or why it ended.
    num_tokens, num_chars int64 [n]: generated so far. nll float64 [n]: their negative log-likelihood at temperature 1,
    in nats. recent_tokens int32 [n, REPEAT_WINDOW]: ring of the last tokens, -1 where empty. mu float64 [n]: upper
    bound of mirostat on the surprisal of a token, in bits. fsm_state int32 [n]: state of the automaton.
    """

    seeds: NDArray[np.uint64]
    last_token: Ids
    finish_status: Ids
    num_tokens: NDArray[np.int64]
    num_chars: NDArray[np.int64]
    nll: NDArray[np.float64]
    recent_tokens: Ids
    mu: NDArray[np.float64]
    fsm_state: Ids


@helper
def counter_uniform(seed: np.uint64, position: np.uint64) -> np.float64:
    """Return number `position` in [0, 1) of the generator `seed`: SplitMix64 twice (doi:10.1145/2660193.2660195)."""
    x = seed * np.uint64(0x9E3779B97F4A7C15)
    for _ in range(2):
        x = (x + position + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return np.float64(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@reduction
def _logsumexp(logits: Float32, row: int, V: int) -> np.float64:
    max_logit = row_max(logits, row, V)
    sum_exp = np.float32(0)
    for j in range(V):
        sum_exp += exp(logits[row, j] - max_logit)
    return np.float64(math.log(sum_exp) + max_logit)


@reduction
def _sum_above(probs: Float32, row: int, V: int, threshold: np.float32) -> np.float32:
    total = np.float32(0)
    for j in range(V):
        total += probs[row, j] if probs[row, j] >= threshold else np.float32(0)
    return total


@reduction
def _count_above(probs: Float32, row: int, V: int, threshold: np.float32) -> int:
    count = 0
    for j in range(V):
        count += 1 if probs[row, j] >= threshold else 0
    return count


@helper
def _top_k_threshold(probs: Float32, row: int, V: int, k: int) -> np.float32:
    """The largest threshold that at least k probabilities reach: top-k (Fan 2018, arXiv:1805.04833) with ties."""
    low, high = np.int32(0), _INFINITY_BITS
    while high - low > 1:
        middle = np.int32(low + (high - low) // 2)
        if _count_above(probs, row, V, bitcast_to_float(middle)) >= k:
            low = middle
        else:
            high = middle
    return np.float32(bitcast_to_float(low))


@helper
def _top_p_threshold(probs: Float32, row: int, V: int, mass: np.float32) -> np.float32:
    """The largest threshold above which the sum is at least `mass`: the nucleus (Holtzman 2020, arXiv:1904.09751)."""
    low, high = np.int32(0), _INFINITY_BITS
    while high - low > 1:
        middle = np.int32(low + (high - low) // 2)
        if _sum_above(probs, row, V, bitcast_to_float(middle)) >= mass:
            low = middle
        else:
            high = middle
    return np.float32(bitcast_to_float(low))


@helper
def _truncate(probs: Float32, row: int, V: int, top_k: int, top_p: float, min_p: float) -> None:
    """Clear the probabilities that top-k, top-p or min-p (Nguyen 2024, arXiv:2407.01082) excludes.

    They are relative to the largest one, which is 1 and always stays.
    """
    threshold = np.float32(min_p)
    if 0 < top_k < V:
        threshold = max(threshold, _top_k_threshold(probs, row, V, top_k))
    if top_p < 1.0:
        for j in range(V):
            probs[row, j] = probs[row, j] if probs[row, j] >= threshold else np.float32(0)
        total = _sum_above(probs, row, V, np.float32(0))
        threshold = max(threshold, _top_p_threshold(probs, row, V, np.float32(top_p * total)))
    threshold = min(threshold, np.float32(1))
    for j in range(V):
        probs[row, j] = probs[row, j] if probs[row, j] >= threshold else np.float32(0)


@reduction
def _range_sum(probs: Float32, row: int, low: int, high: int) -> np.float32:
    total = np.float32(0)
    for j in range(low, high):
        total += probs[row, j]
    return total


@helper
def _sample_categorical(probs: Float32, row: int, V: int, u: float) -> int:
    """The token at which the cumulative sum exceeds u · total; sums of blocks, which are vector code, come first."""
    total, chosen = 0.0, 0
    for low in range(0, V, _BLOCK):
        total += float(_range_sum(probs, row, low, min(low + _BLOCK, V)))
    remaining = total * u
    for low in range(0, V, _BLOCK):
        high = min(low + _BLOCK, V)
        block_sum = float(_range_sum(probs, row, low, high))
        if block_sum <= remaining and high < V:
            remaining -= block_sum
            continue
        for j in range(low, high):
            if probs[row, j] > 0:
                chosen = j
                remaining -= float(probs[row, j])
                if remaining < 0:
                    return chosen
        if chosen >= low:
            return chosen
    for j in range(V):
        # Rounding can leave the last block without a candidate: take the last one of all.
        chosen = j if probs[row, j] > 0 else chosen
    return chosen


@helper
def _apply_repetition_penalty(
    logits: Float32, row: int, recent_tokens: Ids, sequence: int, repeat_penalty: np.float32
) -> None:
    """Divide positive and multiply negative logits of recent tokens (Keskar 2019, arXiv:1909.05858), each once."""
    for a in range(REPEAT_WINDOW):
        token = recent_tokens[sequence, a]
        repeated = False
        for b in range(a):
            repeated |= recent_tokens[sequence, b] == token
        if token >= 0 and not repeated:
            x = logits[row, token]
            logits[row, token] = x / repeat_penalty if x > 0 else x * repeat_penalty


@helper
def apply_token_mask(scores: Float32, row: int, allow_stop: bool, params: SamplingParams, fsm_state: int) -> None:
    """Set scores[row] to -inf for UNK, banned tokens and, unless `allow_stop`, tokens that end the text."""
    scores[row, UNK] = -np.inf
    allow_eos = allow_stop
    if params.has_automaton:
        default_next, states, overrides = params.automaton
        pending_word = states[fsm_state, 1]
        allow_eos = allow_stop and pending_word == 0
        for j in range(default_next.shape[1]):
            next_state = default_next[states[fsm_state, 0], j]
            banned = (
                (next_state == BANNED)
                | ((next_state == STOPS) & (not allow_stop))
                | (pending_word & default_next[2, j] != 0)
            )
            scores[row, j] = -np.inf if banned else scores[row, j]
        for k in range(states[fsm_state, 2], states[fsm_state, 3]):
            if overrides[k, 1] == BANNED or (overrides[k, 1] == STOPS and not allow_stop):
                scores[row, overrides[k, 0]] = -np.inf
    if not allow_eos:
        scores[row, EOS] = -np.inf
        scores[row, EOT] = -np.inf


@helper
def _transition(automaton: TokenAutomaton, fsm_state: int, token: int) -> int:
    """The next state, or STOPS."""
    low, high = automaton.states[fsm_state, 2], automaton.states[fsm_state, 3]
    while low < high:
        middle = low + (high - low) // 2
        if automaton.overrides[middle, 0] < token:
            low = middle + 1
        else:
            high = middle
    if low < automaton.states[fsm_state, 3] and automaton.overrides[low, 0] == token:
        return int(automaton.overrides[low, 1])
    return int(automaton.default_next[automaton.states[fsm_state, 0], token])


@helper
def _apply_min_logit(
    scores: Float32, logits: Float32, row: int, V: int, params: SamplingParams, mirostat_min_logit: float
) -> None:
    """Exclude tokens with a logit below the bound of mirostat or the plausibility constraint of guidance; never the
    most likely one of those not excluded before."""
    max_logit = np.float32(-np.inf)
    for j in range(V):
        max_logit = logits[row, j] if scores[row, j] > -np.inf and logits[row, j] > max_logit else max_logit
    min_logit = np.float32(-np.inf)
    if params.mirostat > 0.0:
        min_logit = min(np.float32(mirostat_min_logit), max_logit)
    if params.relevance > 0.0:
        # The ratio of two small probabilities is noise: guidance applies to plausible tokens only (Li 2022).
        min_logit = max(min_logit, np.float32(max_logit + math.log(params.relevance * PLAUSIBILITY_ALPHA)))
    for j in range(V):
        scores[row, j] = scores[row, j] if logits[row, j] >= min_logit else np.float32(-np.inf)


@helper
def sample_from_logits(scores: Float32, row: int, V: int, params: SamplingParams, u: float) -> int:
    """Return the token for u in [0, 1), EOS if all are excluded or one is not a number; temperature 0 is greedy.

    scores[row, :V]: logits, -inf to exclude; overwritten. Truncation applies after the temperature.
    """
    max_score = row_max(scores, row, V)
    if not -np.inf < max_score < np.inf:
        return EOS  # not UNK, which adds no character: the text would never end
    if params.temperature == 0.0:
        for j in range(V):
            if scores[row, j] == max_score:
                return j
    inv_temperature = np.float32(1.0 / max(params.temperature, 1e-6))
    for j in range(V):
        # exp is never below e^-87, but an excluded token needs probability 0.
        prob = exp((scores[row, j] - max_score) * inv_temperature)
        scores[row, j] = prob if scores[row, j] > -np.inf else np.float32(0)
    _truncate(scores, row, V, params.top_k, params.top_p, params.min_p)
    return _sample_categorical(scores, row, V, u)


@helper
def _apply_guidance(logits: Float32, scores: Float32, row: int, bias: Float32, relevance: float) -> None:
    """Add the bias to the logits and write the guided logits to scores[row]: classifier-free guidance.

    With c = logits[row], u = logits[row + 1] (unconditional) and relevance λ in (0, 1) they are (c - λ u) / (1 - λ)
    = u + γ (c - u), γ = 1 / (1 - λ) the guidance scale (Sanchez 2023, arXiv:2306.17806); with λ = 0 they are c.
    """
    V = bias.shape[0]
    for j in range(V):
        logits[row, j] += bias[j]
        scores[row, j] = logits[row, j]
    if relevance > 0.0:
        guidance_weight = np.float32(relevance / (1.0 - relevance))
        for j in range(V):
            logits[row + 1, j] += bias[j]
            scores[row, j] += guidance_weight * (logits[row, j] - logits[row + 1, j])


@helper
def sample_token(
    logits: Float32,
    scores: Float32,
    row: int,
    bias: Float32,
    params: SamplingParams,
    decode_state: DecodeState,
    sequence: int,
) -> int:
    """Sample the next token of a sequence, update its entry of `decode_state`, and return the token.

    logits float32 [rows, >= V]: without the bias [V], which is added to row `row`. With relevance, row + 1 holds the
    logits without the turn that is answered (MMI-antiLM, Li 2016, arXiv:1510.03055). With mirostat version 2 (Basu
    2021, arXiv:2007.14966), tokens above the surprisal bound are excluded, and the bound follows the surprisal of the
    sample.
    """
    V = bias.shape[0]
    _apply_guidance(logits, scores, row, bias, params.relevance)
    if params.repeat_penalty != 1.0:
        _apply_repetition_penalty(scores, row, decode_state.recent_tokens, sequence, np.float32(params.repeat_penalty))
    apply_token_mask(
        scores, row, decode_state.num_chars[sequence] >= params.min_chars, params, decode_state.fsm_state[sequence]
    )
    log_sum_exp = _logsumexp(logits, row, V)
    if params.mirostat > 0.0 or params.relevance > 0.0:
        _apply_min_logit(scores, logits, row, V, params, log_sum_exp - decode_state.mu[sequence] * _LN2)
    u = counter_uniform(decode_state.seeds[sequence], np.uint64(decode_state.num_tokens[sequence]))
    token = sample_from_logits(scores, row, V, params, u)
    nats = log_sum_exp - logits[row, token]
    decode_state.nll[sequence] += nats
    decode_state.mu[sequence] -= MIROSTAT_ETA * (nats / _LN2 - params.mirostat)
    decode_state.last_token[sequence] = token
    decode_state.recent_tokens[sequence, decode_state.num_tokens[sequence] % REPEAT_WINDOW] = token
    decode_state.num_tokens[sequence] += 1
    decode_state.num_chars[sequence] += params.token_chars[token]
    decode_state.finish_status[sequence] = _finish_status(params, decode_state, sequence, token)
    return token


@helper
def _finish_status(params: SamplingParams, decode_state: DecodeState, sequence: int, token: int) -> int:
    """The status after `token`; advances the automaton."""
    if token == EOS:
        return FINISH_EOS
    if token == EOT:
        return FINISH_TURN
    if params.has_automaton:
        next_state = _transition(params.automaton, decode_state.fsm_state[sequence], token)
        if next_state == STOPS:
            return FINISH_STOP
        decode_state.fsm_state[sequence] = next_state
    return FINISH_LENGTH if decode_state.num_chars[sequence] >= params.max_chars else RUNNING
