"""Connectivity: how strongly a prediction depends on each token before it (Madsen 2019, doi:10.23915/distill.00016).

It is the norm of the gradient of the logit of the token at a position with respect to the embedding of each token that
was read before.
"""

import numpy as np

from grucli.inspection.backward import Backward, Positions, one_blas_thread
from grucli.inspection.trace import Trace
from grucli.model.cell import Float64
from grucli.model.parameters import output_weights


def connectivity(trace: Trace, positions: Positions, lags: int) -> Float64:
    """Return the norm of the gradient by lag, [n, lags]: column k is that of the token k + 1 positions earlier.

    It is exact, in float64. positions [n]: of the tokens whose logits are differentiated; columns before the beginning
    of their document are zero.
    """
    sizes, S = trace.weights.sizes, len(trace.cell.state)
    layers = [Backward(trace, layer) for layer in range(sizes.L)]
    d = [np.zeros((len(positions), S * sizes.H)) for _ in layers]
    d[-1][:, : sizes.H] = output_weights(trace.weights.arrays)[:, trace.ids[positions]].T
    norms = np.empty((len(positions), lags))
    with one_blas_thread():
        for lag in range(lags):
            at = positions - 1 - lag
            dx = np.zeros((len(positions), 0))
            for layer in reversed(range(sizes.L)):
                d[layer][:, : dx.shape[1]] += dx
                dx, d[layer] = layers[layer].step(at, d[layer])
            norms[:, lag] = np.linalg.norm(dx, axis=1)
    return norms
