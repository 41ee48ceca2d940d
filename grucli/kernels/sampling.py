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
from grucli.kernels.elementary import bits_float, exp
from grucli.kernels.jit import exactly, reduction
from grucli.kernels.loss import largest

UNKNOWN, END, TURN = 0, 1, 2  # the ids of the special tokens, as in `grucli.text`
RUNNING, AT_END, AT_TURN, AT_LENGTH, AT_STOP = 0, 1, 2, 3, 4  # why a stream stopped
BANNED, STOPS = -1, -2  # stand in a `Guard` for the place behind a token that may not be drawn, or that ends the text
PLAUSIBLE = 0.1  # times the relevance: how likely a token must be to be weighed, against the likeliest (Li 2022)
MIROSTAT_RATE = 0.1  # how fast the bound follows what was drawn
RECENT = 64  # drawn tokens that the repetition penalty looks back on

Ids = NDArray[np.int32]

_BLOCK = 128
_INFINITY_BITS = np.int32(0x7F800000)
_LN2 = math.log(2.0)


class Guard(NamedTuple):
    """Words that are never said and texts that end a text, as an automaton: S places, and V tokens that lead on.

    usual [3, V]: in row 0 and 1 the place behind each token, BANNED or STOPS, where nothing has begun; in row 2 which
    tokens end a word. places [S, 4]: of each place, which of the two rows it takes; whether a word that is never said
    is whole there, so that no token may follow that ends a word, nor may the text end; and from where to where its own
    rows stand in own [N, 2]: tokens, ascending, that lead elsewhere than the row says, and where to. What the row bans
    is banned there too, and what it stops at does not go on.
    """

    usual: Ids
    places: Ids
    own: Ids


class Rules(NamedTuple):
    """How tokens are drawn; see `extend`. `characters` [V]: how many characters each token adds to a text.

    mirostat: the surprise aimed at, in bits a token, 0 for none. relevance: 0, or how much of what would be likely
    anyway is taken off; then every second row of a batch is the shadow of the one before (see `extend`). guarded:
    whether there is anything in `guard`, which is not touched otherwise.
    """

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    penalty: float
    mirostat: float
    relevance: float
    min_chars: int
    max_chars: int
    characters: NDArray[np.int16]
    guarded: bool
    guard: Guard


class Streams(NamedTuple):
    """n texts being written side by side, each with its own seed and end.

    last [n]: the token each reads next. status [n]: RUNNING or why it stopped. drawn, chars [n]: tokens and characters
    so far. nats [n]: -ln of their probability at temperature 1. recent [n, RECENT]: see `_penalise`. bound [n]: the
    surprise, in bits, that mirostat lets a token have. place [n]: see `Guard`.
    """

    seeds: NDArray[np.uint64]
    last: Ids
    status: Ids
    drawn: NDArray[np.int64]
    chars: NDArray[np.int64]
    nats: NDArray[np.float64]
    recent: Ids
    bound: NDArray[np.float64]
    place: Ids


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
def forbid(weights: Float32, row: int, may_stop: bool, rules: Rules, place: int) -> None:
    """Leave -inf in weights[row] for what may not be drawn: the unknown token; the end and turn tokens, and what would
    stop the text, unless `may_stop`; and what is banned at `place` of the guard.
    """
    weights[row, UNKNOWN] = -np.inf
    may_end = may_stop
    if rules.guarded:
        usual, places, own = rules.guard
        closing = places[place, 1]
        may_end = may_stop and closing == 0
        for j in range(usual.shape[1]):
            behind = usual[places[place, 0], j]
            banned = (behind == BANNED) | ((behind == STOPS) & (not may_stop)) | (closing & usual[2, j] != 0)
            weights[row, j] = -np.inf if banned else weights[row, j]
        for k in range(places[place, 2], places[place, 3]):
            if own[k, 1] == BANNED or (own[k, 1] == STOPS and not may_stop):
                weights[row, own[k, 0]] = -np.inf
    if not may_end:
        weights[row, END] = -np.inf
        weights[row, TURN] = -np.inf


@exactly
def _follow(guard: Guard, place: int, token: int) -> int:
    """The place behind `token`, or STOPS."""
    low, high = guard.places[place, 2], guard.places[place, 3]
    while low < high:
        middle = low + (high - low) // 2
        if guard.own[middle, 0] < token:
            low = middle + 1
        else:
            high = middle
    if low < guard.places[place, 3] and guard.own[low, 0] == token:
        return int(guard.own[low, 1])
    return int(guard.usual[guard.places[place, 0], token])


@exactly
def _leave_out(weights: Float32, logits: Float32, row: int, V: int, rules: Rules, bound: float) -> None:
    """Forbid what has a logit below `bound`, with mirostat, or is not plausible, with relevance; but never what has the
    largest logit of all that may still be drawn.
    """
    best = np.float32(-np.inf)
    for j in range(V):
        best = logits[row, j] if weights[row, j] > -np.inf and logits[row, j] > best else best
    least = np.float32(-np.inf)
    if rules.mirostat > 0.0:
        least = min(np.float32(bound), best)
    if rules.relevance > 0.0:
        # What both find unlikely may differ by any factor: only what the voice finds likely enough is weighed.
        least = max(least, np.float32(best + math.log(rules.relevance * PLAUSIBLE)))
    for j in range(V):
        weights[row, j] = weights[row, j] if logits[row, j] >= least else np.float32(-np.inf)


@exactly
def draw(weights: Float32, row: int, V: int, rules: Rules, u: float) -> int:
    """The token that u in [0, 1) falls on; weights[row, :V] holds logits, -inf for what may not be drawn, and is used
    up. The cut-offs see the distribution after the temperature; at 0 the likeliest is taken. Where nothing may be drawn
    it is the end.
    """
    top = largest(weights, row, V)
    if top == -np.inf:
        return END
    if rules.temperature == 0.0:
        for j in range(V):
            if weights[row, j] == top:
                return j
    sharpness = np.float32(1.0 / max(rules.temperature, 1e-6))
    for j in range(V):
        # exp stops at e^-87: what cannot be drawn must weigh nothing.
        weight = exp((weights[row, j] - top) * sharpness)
        weights[row, j] = weight if weights[row, j] > -np.inf else np.float32(0)
    _cut(weights, row, V, rules.top_k, rules.top_p, rules.min_p)
    return _fall(weights, row, V, u)


@exactly
def _weigh(logits: Float32, weights: Float32, row: int, bias: Float32, relevance: float) -> None:
    """Add the bias to logits[row] and copy them to weights[row]; with `relevance` λ from (0, 1), to row + 1 as well,
    and what is weighed is (voice - λ · shadow) / (1 - λ): where both agree nothing changes, whatever λ is.
    """
    V = bias.shape[0]
    for j in range(V):
        logits[row, j] += bias[j]
        weights[row, j] = logits[row, j]
    if relevance > 0.0:
        more = np.float32(relevance / (1.0 - relevance))
        for j in range(V):
            logits[row + 1, j] += bias[j]
            weights[row, j] += more * (logits[row, j] - logits[row + 1, j])


@exactly
def extend(
    logits: Float32, weights: Float32, row: int, bias: Float32, rules: Rules, streams: Streams, stream: int
) -> int:
    """Draw the next token of `stream` from logits[row] (without their bias [V]), keep the books, and return it.

    weights [rows, ≥ V] is scratch: drawing uses its row up, and the books need the logit of what was drawn. With
    `relevance` (Li 2016, MMI-antiLM), row + 1 is the shadow: what the same network says after the same tokens, but
    without what they reply to. With `mirostat` (Basu 2021, version 2), tokens that surprise more than the stream's
    bound are left out, and the bound follows what was drawn.
    """
    V = bias.shape[0]
    _weigh(logits, weights, row, bias, rules.relevance)
    if rules.penalty != 1.0:
        _penalise(weights, row, streams.recent, stream, np.float32(rules.penalty))
    forbid(weights, row, streams.chars[stream] >= rules.min_chars, rules, streams.place[stream])
    mass = _log_mass(logits, row, V)
    if rules.mirostat > 0.0 or rules.relevance > 0.0:
        _leave_out(weights, logits, row, V, rules, mass - streams.bound[stream] * _LN2)
    u = uniform(streams.seeds[stream], np.uint64(streams.drawn[stream]))
    token = draw(weights, row, V, rules, u)
    nats = mass - logits[row, token]
    streams.nats[stream] += nats
    streams.bound[stream] -= MIROSTAT_RATE * (nats / _LN2 - rules.mirostat)
    streams.last[stream] = token
    streams.recent[stream, streams.drawn[stream] % RECENT] = token
    streams.drawn[stream] += 1
    streams.chars[stream] += rules.characters[token]
    streams.status[stream] = _status(rules, streams, stream, token)
    return token


@exactly
def _status(rules: Rules, streams: Streams, stream: int, token: int) -> int:
    """Whether the stream has stopped behind `token`; its place goes on where something is guarded."""
    if token == END:
        return AT_END
    if token == TURN:
        return AT_TURN
    if rules.guarded:
        behind = _follow(rules.guard, streams.place[stream], token)
        if behind == STOPS:
            return AT_STOP
        streams.place[stream] = behind
    return AT_LENGTH if streams.chars[stream] >= rules.max_chars else RUNNING
