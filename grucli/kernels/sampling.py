"""Drawing one token from a row of logits: temperature, top-k, top-p, min-p, repetition, and what may not be drawn.

The cut-offs are thresholds on the weights, found by halving over the bits of the floats (positive floats order as
their bits do), so nothing is sorted. Random numbers are a hash of (seed, position): what a stream draws does not
depend on the streams drawn beside it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import bits_float, exp
from grucli.kernels.jit import exactly, reduction
from grucli.kernels.loss import largest

UNKNOWN, END, TURN = 0, 1, 2  # the ids of the special tokens, as in `grucli.text`
RUNNING, AT_END, AT_TURN, AT_LENGTH = 0, 1, 2, 3  # why a stream stopped
RECENT = 64  # drawn tokens that the repetition penalty looks back on

Ids = NDArray[np.int32]

_BLOCK = 128
_INFINITY_BITS = np.int32(0x7F800000)


class Rules(NamedTuple):
    """How tokens are drawn; see `draw`. `characters` [V]: how many characters each token adds to a text."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    penalty: float
    min_chars: int
    max_chars: int
    characters: NDArray[np.int16]


class Streams(NamedTuple):
    """n texts being written side by side, each with its own seed and end.

    last [n]: the token each reads next. status [n]: RUNNING or why it stopped. drawn, chars [n]: tokens and characters
    so far. nats [n]: -ln of their probability at temperature 1. recent [n, RECENT]: see `penalise`.
    """

    seeds: NDArray[np.uint64]
    last: Ids
    status: Ids
    drawn: NDArray[np.int64]
    chars: NDArray[np.int64]
    nats: NDArray[np.float64]
    recent: Ids


@exactly
def uniform(seed: np.uint64, position: np.uint64) -> np.float64:
    """A number in [0, 1) for the place `position` of the stream `seed`: SplitMix64 (Steele 2014), twice."""
    x = seed * np.uint64(0x9E3779B97F4A7C15)
    for _ in range(2):
        x = (x + position + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return np.float64(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@reduction
def _log_mass(logits: Float32, row: int, V: int) -> np.float64:
    """ln Σ_j e^logits[row, j]."""
    top = largest(logits, row, V)
    mass = np.float32(0)
    for j in range(V):
        mass += exp(logits[row, j] - top)
    return np.float64(math.log(mass) + top)


@reduction
def _mass_from(weights: Float32, row: int, V: int, threshold: np.float32) -> np.float32:
    mass = np.float32(0)
    for j in range(V):
        mass += weights[row, j] if weights[row, j] >= threshold else np.float32(0)
    return mass


@reduction
def _count_from(weights: Float32, row: int, V: int, threshold: np.float32) -> int:
    count = 0
    for j in range(V):
        count += 1 if weights[row, j] >= threshold else 0
    return count


@exactly
def _keep_k(weights: Float32, row: int, V: int, k: int) -> np.float32:
    """The largest threshold that at least k weights reach (ties stay together)."""
    low, high = np.int32(0), _INFINITY_BITS
    while high - low > 1:
        middle = np.int32(low + (high - low) // 2)
        if _count_from(weights, row, V, bits_float(middle)) >= k:
            low = middle
        else:
            high = middle
    return np.float32(bits_float(low))


@exactly
def _keep_mass(weights: Float32, row: int, V: int, mass: np.float32) -> np.float32:
    """The largest threshold above which the weights sum to at least `mass`: the nucleus (Holtzman 2020)."""
    low, high = np.int32(0), _INFINITY_BITS
    while high - low > 1:
        middle = np.int32(low + (high - low) // 2)
        if _mass_from(weights, row, V, bits_float(middle)) >= mass:
            low = middle
        else:
            high = middle
    return np.float32(bits_float(low))


@exactly
def _cut(weights: Float32, row: int, V: int, top_k: int, top_p: float, min_p: float) -> None:
    """Clear the weights of the row that a cut-off excludes; the largest weight is one and always stays."""
    threshold = np.float32(min_p)
    if 0 < top_k < V:
        threshold = max(threshold, _keep_k(weights, row, V, top_k))
    if top_p < 1.0:
        for j in range(V):
            weights[row, j] = weights[row, j] if weights[row, j] >= threshold else np.float32(0)
        total = _mass_from(weights, row, V, np.float32(0))
        threshold = max(threshold, _keep_mass(weights, row, V, np.float32(top_p * total)))
    threshold = min(threshold, np.float32(1))
    for j in range(V):
        weights[row, j] = weights[row, j] if weights[row, j] >= threshold else np.float32(0)


@reduction
def _mass_between(weights: Float32, row: int, low: int, high: int) -> np.float32:
    mass = np.float32(0)
    for j in range(low, high):
        mass += weights[row, j]
    return mass


@exactly
def _fall(weights: Float32, row: int, V: int, u: float) -> int:
    """The token that u in [0, 1) of the weights' sum falls on: first its block, whose sums are vector code."""
    total, chosen = 0.0, 0
    for low in range(0, V, _BLOCK):
        total += float(_mass_between(weights, row, low, min(low + _BLOCK, V)))
    reach = total * u
    for low in range(0, V, _BLOCK):
        high = min(low + _BLOCK, V)
        mass = float(_mass_between(weights, row, low, high))
        if mass <= reach and high < V:
            reach -= mass
            continue
        for j in range(low, high):
            if weights[row, j] > 0:
                chosen = j
                reach -= float(weights[row, j])
                if reach < 0:
                    return chosen
        if chosen >= low:
            return chosen
    for j in range(V):
        # Rounding left the last block without a weight: the last token that has one.
        chosen = j if weights[row, j] > 0 else chosen
    return chosen


@exactly
def _penalise(logits: Float32, row: int, recent: Ids, stream: int, penalty: np.float32) -> None:
    """Make tokens drawn lately less likely (Keskar 2019, CTRL): positive logits are divided, negative multiplied.

    recent [n, RECENT] holds ids, -1 where nothing was drawn yet; a token that stands there twice counts once.
    """
    for a in range(RECENT):
        token = recent[stream, a]
        repeated = False
        for b in range(a):
            repeated |= recent[stream, b] == token
        if token >= 0 and not repeated:
            x = logits[row, token]
            logits[row, token] = x / penalty if x > 0 else x * penalty


@exactly
def draw(logits: Float32, row: int, V: int, may_stop: bool, rules: Rules, u: float) -> int:
    """The token that u in [0, 1) falls on; logits[row, :V] is used up. The unknown token is never drawn, the end and
    turn tokens only where `may_stop`. The cut-offs see the distribution after the temperature; at 0 the likeliest is
    taken.
    """
    logits[row, UNKNOWN] = -np.inf
    if not may_stop:
        logits[row, END] = -np.inf
        logits[row, TURN] = -np.inf
    top = largest(logits, row, V)
    if rules.temperature == 0.0:
        for j in range(V):
            if logits[row, j] == top:
                return j
    sharpness = np.float32(1.0 / max(rules.temperature, 1e-6))
    for j in range(V):
        # exp stops at e^-87: what cannot be drawn must weigh nothing.
        weight = exp((logits[row, j] - top) * sharpness)
        logits[row, j] = weight if logits[row, j] > -np.inf else np.float32(0)
    _cut(logits, row, V, rules.top_k, rules.top_p, rules.min_p)
    return _fall(logits, row, V, u)


@exactly
def extend(
    logits: Float32, weights: Float32, row: int, bias: Float32, rules: Rules, streams: Streams, stream: int
) -> int:
    """Draw the next token of `stream` from logits[row] (without their bias [V]), keep the books, and return it.

    weights [rows, ≥ V] is scratch: drawing uses its row up, and the books need the logit of what was drawn.
    """
    V = bias.shape[0]
    for j in range(V):
        logits[row, j] += bias[j]
        weights[row, j] = logits[row, j]
    if rules.penalty != 1.0:
        _penalise(weights, row, streams.recent, stream, np.float32(rules.penalty))
    u = uniform(streams.seeds[stream], np.uint64(streams.drawn[stream]))
    token = draw(weights, row, V, streams.chars[stream] >= rules.min_chars, rules, u)
    streams.nats[stream] += _log_mass(logits, row, V) - logits[row, token]
    streams.last[stream] = token
    streams.recent[stream, streams.drawn[stream] % RECENT] = token
    streams.drawn[stream] += 1
    streams.chars[stream] += rules.characters[token]
    if token == END:
        streams.status[stream] = AT_END
    elif token == TURN:
        streams.status[stream] = AT_TURN
    elif streams.chars[stream] >= rules.max_chars:
        streams.status[stream] = AT_LENGTH
    return token
