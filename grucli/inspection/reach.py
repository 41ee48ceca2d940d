"""Reach: how much of a state is left in later ones, the vanishing gradient that one can see.

The root mean square of the singular values of the derivative of the state at T by the state at t, of one layer whose
inputs are given, against T - t: 1 if everything stays (Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063).
"""

from dataclasses import dataclass

import numpy as np

from grucli.inspection.backward import Backward, one_blas_thread
from grucli.inspection.trace import Trace
from grucli.json_record import JsonRecord

MAX_LAGS = 100
"""Tokens back to which it is measured."""

_POSITIONS = 16
_QUARTILES = (25, 50, 75)


@dataclass(frozen=True, slots=True)
class Reach(JsonRecord):
    """Quartiles over positions of the root mean square singular value, by lag 1, 2, …; layers count from 1.

    Both components of an LSTM's state are a part of it. positions: number of positions that were measured.
    """

    layer: int
    lower: tuple[float, ...]
    median: tuple[float, ...]
    upper: tuple[float, ...]
    positions: int


@dataclass(frozen=True, slots=True)
class ModelReach(JsonRecord):
    """How far each layer of a model reaches back."""

    model: str
    cell: str
    hidden: int
    layers: tuple[Reach, ...]


def measure_reach(trace: Trace, layer: int, max_lags: int = MAX_LAGS) -> Reach:
    """Return how far a layer reaches, up to `max_lags` tokens and half of the text; layers count from 0.

    It is estimated with a random vector v at each position: the expected square of the norm of vᵀJ is that of J
    (Hutchinson 1990). The vectors are the same for every text and model of that size.
    """
    T, width = len(trace.ids), trace.states[layer].shape[1]
    lags = min(max_lags, -(-T // 2))
    ends = np.unique(np.linspace(lags - 1, T - 1, _POSITIONS).astype(np.intp))
    backward = Backward(trace, layer)
    d = np.random.default_rng(0).standard_normal((len(ends), width)) / np.sqrt(width)
    norms = np.empty((lags, len(ends)))
    with one_blas_thread():
        for lag in range(lags):
            _, d = backward.step(ends - lag, d)
            norms[lag] = np.linalg.norm(d, axis=1)
    lower, median, upper = np.percentile(norms, _QUARTILES, axis=1).tolist()
    return Reach(layer + 1, tuple(lower), tuple(median), tuple(upper), len(ends))
