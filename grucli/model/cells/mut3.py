"""The third of three cells found by a search among thousands (Jozefowicz, Zaremba and Sutskever 2015).

    z_t = σ(x_t U_z + tanh(s_{t-1}) W_z + b_z)        update: how much of the old state stays
    r_t = σ(x_t U_r + s_{t-1} W_r + b_r)              reset: how much of it the candidate depends on
    h_t = tanh(x_t U_h + (r_t ∘ s_{t-1}) W_h + b_h)   candidate
    s_t = (1 - z_t) ∘ h_t + z_t ∘ s_{t-1}

Only the tanh distinguishes it from `gru`. The paper's z is 1 - z here: there 1 takes the candidate, here it keeps the
old state. The columns of each parameter are in the order z, r, h:

    here   shape             Jozefowicz 2015
    U      [input_size, 3H]  -W_xz, W_xr, W_xh
    W      [H, 3H]           -W_hz, W_hr, W_hh
    b      [3H]              -b_z, b_r, b_h

PyTorch, Keras and ONNX have no such cell.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from grucli.model.cell import Arrays, Backprop, Float64, Gradients, Product, outer, sigmoid
from grucli.model.cells.gru import GRUCell


class MUT3Cell(GRUCell):
    """The specification of `mut3`, in float64. Gates and parameters are those of `gru`; ts is tanh(s_{t-1})."""

    products: ClassVar[tuple[Product, ...]] = (Product("s", ("r",)), Product("ts", ("z",)), Product("rs", ("h",)))
    saved = ("ts", "rs")

    def forward(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """See `Cell.forward`."""
        T, B, _ = x.shape
        H = state.shape[1]
        U, W = parameters["U"], parameters["W"]
        z, r, h, s_prev, s = self._forward_states(parameters, x, state, reset_mask)

        def backprop(ds: Float64) -> tuple[Float64, Float64, Gradients]:
            da, carried, ts = np.empty((T, B, 3 * H)), np.zeros((B, H)), np.tanh(s_prev)
            for t in reversed(range(T)):
                d = ds[t] + carried
                da_h = d * (1.0 - z[t]) * (1.0 - h[t] ** 2)
                d_reset_state = da_h @ W[:, 2 * H :].T
                da_z = d * (s_prev[t] - h[t]) * z[t] * (1.0 - z[t])
                da_r = d_reset_state * s_prev[t] * r[t] * (1.0 - r[t])
                carried = d * z[t] + d_reset_state * r[t] + da_r @ W[:, H : 2 * H].T
                carried += (da_z @ W[:, :H].T) * (1.0 - ts[t] ** 2)
                carried = np.where(reset_mask[t][:, None], 0.0, carried)
                np.concatenate([da_z, da_r, da_h], axis=1, out=da[t])

            def gradients() -> dict[str, Float64]:
                operands = zip((ts, s_prev, r * s_prev), np.split(da, 3, axis=2), strict=True)
                dW = np.hstack([outer(operand, d) for operand, d in operands])
                return {"U": outer(x, da), "W": dW, "b": da.sum(axis=(0, 1))}

            return da @ U.T, carried, gradients

        return s, backprop

    def _forward_states(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, ...]:
        """z, r, h, s_{t-1} and s, each [T, B, H]."""
        T, B, _ = x.shape
        H = state.shape[1]
        U, W, b = parameters["U"], parameters["W"], parameters["b"]
        z, r, h, s_prev, s = (np.empty((T, B, H)) for _ in range(5))
        for t in range(T):
            state = np.where(reset_mask[t][:, None], 0.0, state)
            a = x[t] @ U + b
            z[t] = sigmoid(a[:, :H] + np.tanh(state) @ W[:, :H])
            r[t] = sigmoid(a[:, H : 2 * H] + state @ W[:, H : 2 * H])
            h[t] = np.tanh(a[:, 2 * H :] + (r[t] * state) @ W[:, 2 * H :])
            s_prev[t] = state
            state = s[t] = (1.0 - z[t]) * h[t] + z[t] * state
        return z, r, h, s_prev, s


CELL = MUT3Cell()
