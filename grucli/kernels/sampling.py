"""Drawing one token from a row of logits: temperature, cut-offs, repetition, and what may not be drawn.

The cut-offs are thresholds on the weights, found by halving over the bits of the floats (positive floats order as
their bits do), so nothing is sorted. Random numbers are a hash of (seed, position): what a stream draws does not
depend on the streams drawn beside it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import bitcast_to_float, exp
from grucli.kernels.jit import helper, reduction
from grucli.kernels.loss import row_max

UNK, EOS, EOT = 0, 1, 2  # the ids of the special tokens, as in `grucli.text`
RUNNING, FINISH_EOS, FINISH_TURN, FINISH_LENGTH, FINISH_STOP = 0, 1, 2, 3, 4  # why a stream stopped
BANNED, STOPS = -1, -2  # stand in a `Guard` for the place behind a token that may not be drawn, or that ends the text
PLAUSIBILITY_ALPHA = (
    0.1  # times the relevance: how likely a token must be to be weighed, against the likeliest (Li 2022)
)
MIROSTAT_ETA = 0.1  # how fast the bound follows what was drawn
REPEAT_WINDOW = 64  # drawn tokens that the repetition penalty looks back on

Ids = NDArray[np.int32]

_BLOCK = 128
_INFINITY_BITS = np.int32(0x7F800000)
_LN2 = math.log(2.0)


class TokenAutomaton(NamedTuple):
    """Words that are never said and texts that end a text, as an automaton: S places, and V tokens that lead on.

    usual [3, V]: in row 0 and 1 the place behind each token, BANNED or STOPS, where nothing has begun; in row 2 which
    tokens end a word. places [S, 4]: of each place, which of the two rows it takes; whether a word that is never said
    is whole there, so that no token may follow that ends a word, nor may the text end; and from where to where its own
    rows stand in own [N, 2]: tokens, ascending, that lead elsewhere than the row says, and where to. What the row bans
    is banned there too, and what it stops at does not go on.
    """

    default_next: Ids
    states: Ids
    overrides: Ids


class SamplingParams(NamedTuple):
    """How tokens are drawn; see `extend`. `characters` [V]: how many characters each token adds to a text.

    mirostat: the surprise aimed at, in bits a token, 0 for none. relevance: 0, or how much of what would be likely
    anyway is taken off; then every second row of a batch is the shadow of the one before (see `extend`). guarded:
    whether there is anything in `guard`, which is not touched otherwise.
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
    """n texts being written side by side, each with its own seed and end.

    last [n]: the token each reads next. status [n]: RUNNING or why it stopped. drawn, chars [n]: tokens and characters
    so far. nats [n]: -ln of their probability at temperature 1. recent [n, RECENT]: see `_penalise`. bound [n]: the
    surprise, in bits, that mirostat lets a token have. place [n]: see `Guard`.
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
    """A number in [0, 1) for the place `position` of the stream `seed`: SplitMix64 (Steele 2014), twice."""
    x = seed * np.uint64(0x9E3779B97F4A7C15)
    for _ in range(2):
        x = (x + position + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return np.float64(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@reduction
def _logsumexp(logits: Float32, row: int, V: int) -> np.float64:
    """ln Σ_j e^logits[row, j]."""
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
    """The largest threshold that at least k weights reach (ties stay together)."""
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
    """The largest threshold above which the weights sum to at least `mass`: the nucleus (Holtzman 2020)."""
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
    """Clear the weights of the row that a cut-off excludes; the largest weight is one and always stays."""
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
    """The token that u in [0, 1) of the weights' sum falls on: first its block, whose sums are vector code."""
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
        # Rounding left the last block without a weight: the last token that has one.
        chosen = j if probs[row, j] > 0 else chosen
    return chosen


@helper
def _apply_repetition_penalty(
    logits: Float32, row: int, recent_tokens: Ids, sequence: int, repeat_penalty: np.float32
) -> None:
    """Make tokens drawn lately less likely (Keskar 2019, CTRL): positive logits are divided, negative multiplied.

    recent [n, RECENT] holds ids, -1 where nothing was drawn yet; a token that stands there twice counts once.
    """
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
    """Leave -inf in weights[row] for what may not be drawn: the unknown token; the end and turn tokens, and what would
    stop the text, unless `may_stop`; and what is banned at `place` of the guard.
    """
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
    """The place behind `token`, or STOPS."""
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
    """Forbid what has a logit below `bound`, with mirostat, or is not plausible, with relevance; but never what has the
    largest logit of all that may still be drawn.
    """
    max_logit = np.float32(-np.inf)
    for j in range(V):
        max_logit = logits[row, j] if scores[row, j] > -np.inf and logits[row, j] > max_logit else max_logit
    min_logit = np.float32(-np.inf)
    if params.mirostat > 0.0:
        min_logit = min(np.float32(mirostat_min_logit), max_logit)
    if params.relevance > 0.0:
        # What both find unlikely may differ by any factor: only what the voice finds likely enough is weighed.
        min_logit = max(min_logit, np.float32(max_logit + math.log(params.relevance * PLAUSIBILITY_ALPHA)))
    for j in range(V):
        scores[row, j] = scores[row, j] if logits[row, j] >= min_logit else np.float32(-np.inf)


@helper
def sample_from_logits(scores: Float32, row: int, V: int, params: SamplingParams, u: float) -> int:
    """The token that u in [0, 1) falls on; weights[row, :V] holds logits, -inf for what may not be drawn, and is used
    up. The cut-offs see the distribution after the temperature; at 0 the likeliest is taken. Where nothing may be drawn
    it is the end.
    """
    max_score = row_max(scores, row, V)
    if max_score == -np.inf:
        return EOS
    if params.temperature == 0.0:
        for j in range(V):
            if scores[row, j] == max_score:
                return j
    inv_temperature = np.float32(1.0 / max(params.temperature, 1e-6))
    for j in range(V):
        # exp stops at e^-87: what cannot be drawn must weigh nothing.
        prob = exp((scores[row, j] - max_score) * inv_temperature)
        scores[row, j] = prob if scores[row, j] > -np.inf else np.float32(0)
    _truncate(scores, row, V, params.top_k, params.top_p, params.min_p)
    return _sample_categorical(scores, row, V, u)


@helper
def _apply_guidance(logits: Float32, scores: Float32, row: int, bias: Float32, relevance: float) -> None:
    """Add the bias to logits[row] and copy them to weights[row]; with `relevance` λ from (0, 1), to row + 1 as well,
    and what is weighed is (voice - λ · shadow) / (1 - λ): where both agree nothing changes, whatever λ is.
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
    """Draw the next token of `stream` from logits[row] (without their bias [V]), keep the books, and return it.

    weights [rows, ≥ V] is scratch: drawing uses its row up, and the books need the logit of what was drawn. With
    `relevance` (Li 2016, MMI-antiLM), row + 1 is the shadow: what the same network says after the same tokens, but
    without what they reply to. With `mirostat` (Basu 2021, version 2), tokens that surprise more than the stream's
    bound are left out, and the bound follows what was drawn.
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
    """Whether the stream has stopped behind `token`; its place goes on where something is guarded."""
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
