"""The exact backward pass from any positions of a text that was read, one step at a time.

Every state is known, so a step of the backward pass needs only the states and inputs at its position: rows that begin
at different positions are one batch. It uses the float64 specification of the cell.
"""

from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from grucli.inspection.trace import Trace
from grucli.model.cell import Float64

Positions = NDArray[np.intp]


def one_blas_thread() -> AbstractContextManager[object]:
    """Return a context for many steps: threads of BLAS cost more than they save on such small products."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


class Backward:
    """Takes gradients of one layer's states back by a step."""

    def __init__(self, trace: Trace, layer: int) -> None:
        self._trace, self._layer, self._parameters = trace, layer, trace.parameters(layer)

    def step(self, positions: Positions, d: Float64) -> tuple[Float64, Float64]:
        """Return the gradients of the inputs at `positions` [n] and of the states before them.

        d [n, S·H]: gradient of the states after the tokens at `positions`. No gradient goes past a token that clears
        the state, or past the first position: rows at negative positions are zero.
        """
        is_text = (positions >= 0)[:, None]
        at = np.maximum(positions, 0)
        x, before = self._trace.inputs(self._layer, at), self._trace.states_before(self._layer, at)
        no_reset = np.zeros((1, len(at)), np.bool_)
        _, backprop = self._trace.cell.forward(self._parameters, x[None], before, no_reset)
        dx, dbefore, _ = backprop((d * is_text)[None])
        return dx[0], dbefore * self._trace.continues(at)[:, None]
