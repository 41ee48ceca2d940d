"""How likely each token is, a few rows at a time, in NumPy: for what is looked at, scored or searched.

The loop that draws (`grucli.kernels.sampling`) has its own, compiled; a test holds one against the other.
"""

import math

import numpy as np
from numpy.typing import NDArray

from grucli.generation.options import Draw
from grucli.kernels.arrays import Float32
from grucli.kernels.sampling import BANNED, END, PLAUSIBLE, STOPS, TURN, UNKNOWN, Guard

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Head:
    """The last step of a network: logits from what the highest layer hands up. out [H, V], bias [V]."""

    def __init__(self, out: Float32, bias: Float32) -> None:
        self._out, self._bias = out, bias

    def logits(self, seen: Float32) -> Float64:
        """Of seen [n, H]: [n, V]."""
        return np.asarray(seen @ self._out + self._bias, np.float64)


def log_softmax(logits: Float64) -> Float64:
    """ln of the softmax over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def allowed(guard: Guard, place: int, V: int, may_stop: bool) -> Mask:
    """Which tokens may be drawn at a place of the guard, [V]."""
    mask = np.ones(V, np.bool_)
    closing = False
    if guard.usual.shape[1] > 0:
        behind = following(guard, place)
        closing = bool(guard.places[place, 1])
        mask &= (behind != BANNED) & ((behind != STOPS) | may_stop) & ~(closing & (guard.usual[2] != 0))
    mask[UNKNOWN] = False
    mask[[END, TURN]] = may_stop and not closing
    return mask


def following(guard: Guard, place: int) -> NDArray[np.int32]:
    """The place behind each token, BANNED or STOPS, [V]; all zeros where nothing is guarded."""
    kind, _, first, end = guard.places[place]
    behind = np.array(guard.usual[kind])
    behind[guard.own[first:end, 0]] = guard.own[first:end, 1]
    return behind


def plausible(voice: Float64, mask: Mask, relevance: float) -> Mask:
    """Those of the tokens in `mask` that the voice, logits [V], finds likely enough for relevance to weigh them."""
    if relevance == 0 or not mask.any():
        return mask
    return np.asarray(mask & (voice >= voice[mask].max() + math.log(relevance * PLAUSIBLE)))


def chances(voice: Float64, shadow: Float64 | None, mask: Mask, draw: Draw) -> Float64:
    """The probability with which each token is drawn at the beginning of a text, [V]: of logits [V], of those of the
    shadow where there is relevance, and of what may be drawn at all."""
    mask = plausible(voice, mask, draw.relevance)
    if draw.mirostat > 0 and mask.any():
        bound = -2 * draw.mirostat * math.log(2)
        mask = mask & (log_softmax(voice) >= min(bound, log_softmax(voice)[mask].max()))
    weighed = voice if shadow is None else (voice - draw.relevance * shadow) / (1 - draw.relevance)
    if not mask.any():
        return _only(END, len(voice))
    weighed = np.where(mask, weighed, -np.inf)
    if draw.temp == 0:
        return _only(int(weighed.argmax()), len(voice))
    weights = np.exp((weighed - weighed.max()) / draw.temp)
    least = draw.min_p
    ordered = np.sort(weights)[::-1]
    if 0 < draw.top_k < len(ordered):
        least = max(least, ordered[draw.top_k - 1])
    if draw.top_p < 1:
        sums = np.cumsum(ordered[ordered >= least])
        least = max(least, ordered[np.searchsorted(sums, draw.top_p * sums[-1] * (1 - 1e-9))])
    weights[weights < least] = 0
    return np.asarray(weights / weights.sum())


def _only(token: int, V: int) -> Float64:
    certain = np.zeros(V)
    certain[token] = 1
    return certain
