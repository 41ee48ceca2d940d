"""The first of three cells found by a search among thousands (Jozefowicz, Zaremba and Sutskever 2015).

    z_t = σ(x_t U_z + b_z)                                   update: how much of the old state stays
    r_t = σ(x_t U_r + s_{t-1} W_r + b_r)                     reset: how much of it the candidate depends on
    u_t = tanh(x_t U_h)                                      the input's part of the candidate
    h_t = tanh(u_t + (r_t ∘ s_{t-1}) W_h + c)                candidate
    s_t = (1 - z_t) ∘ h_t + z_t ∘ s_{t-1}

What stays depends on the input alone. The paper's z is 1 - z here: there 1 takes the candidate, here it keeps the old
state, as in `gru`. The paper has tanh(x_t), of an input of the size of the state; here x_t is multiplied by U_h first.
The columns of U are in the order z, r, h, those of W r, h:

    here   shape             Jozefowicz 2015
    U      [input_size, 3H]  -W_xz, W_xr, and none
    W      [H, 2H]           W_hr, W_hh
    b      [2H]              -b_z, b_r
    c      [H]               b_h

PyTorch, Keras and ONNX have no such cell.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from grucli.model.cell import Arrays, Backprop, Float64, Gradients, Product, outer, sigmoid
from grucli.model.cells.gru import GRUCell


class MUT1Cell(GRUCell):
    """The specification of `mut1`, in float64. Gates are those of `gru`; the gradient of u is that of c."""

    products = (Product("s", ("r",)), Product("rs", ("h",), gradient=("u",)))
    biases: ClassVar = {"b": ("z", "r"), "c": ("u",)}
    saved = ("rs", "u")

    def forward(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """See `Cell.forward`."""
        T, B, _ = x.shape
        H = state.shape[1]
        U, W = parameters["U"], parameters["W"]
        z, r, u, h, s_prev, s = self._forward_states(parameters, x, state, reset_mask)

        def backprop(ds: Float64) -> tuple[Float64, Float64, Gradients]:
            da, du = np.empty((T, B, 3 * H)), np.empty((T, B, H))
            carried = np.zeros((B, H))
            for t in reversed(range(T)):
                d = ds[t] + carried
                du[t] = d * (1.0 - z[t]) * (1.0 - h[t] ** 2)
                d_reset_state = du[t] @ W[:, H:].T
                da_z = d * (s_prev[t] - h[t]) * z[t] * (1.0 - z[t])
                da_r = d_reset_state * s_prev[t] * r[t] * (1.0 - r[t])
                carried = d * z[t] + d_reset_state * r[t] + da_r @ W[:, :H].T
                carried = np.where(reset_mask[t][:, None], 0.0, carried)
                np.concatenate([da_z, da_r, du[t] * (1.0 - u[t] ** 2)], axis=1, out=da[t])

            def gradients() -> dict[str, Float64]:
                dW = np.hstack([outer(s_prev, da[..., H : 2 * H]), outer(r * s_prev, du)])
                db, dc = da[..., : 2 * H].sum(axis=(0, 1)), du.sum(axis=(0, 1))
                return {"U": outer(x, da), "W": dW, "b": db, "c": dc}

            return da @ U.T, carried, gradients

        return s, backprop

    def _forward_states(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, ...]:
        """z, r, u, h, s_{t-1} and s, each [T, B, H]."""
        T, B, _ = x.shape
        H = state.shape[1]
        U, W, b, c = parameters["U"], parameters["W"], parameters["b"], parameters["c"]
        z, r, u, h, s_prev, s = (np.empty((T, B, H)) for _ in range(6))
        for t in range(T):
            state = np.where(reset_mask[t][:, None], 0.0, state)
            a = x[t] @ U
            z[t] = sigmoid(a[:, :H] + b[:H])
            r[t] = sigmoid(a[:, H : 2 * H] + state @ W[:, :H] + b[H:])
            u[t] = np.tanh(a[:, 2 * H :])
            h[t] = np.tanh(u[t] + (r[t] * state) @ W[:, H:] + c)
            s_prev[t] = state
            state = s[t] = (1.0 - z[t]) * h[t] + z[t] * state
        return z, r, u, h, s_prev, s


CELL = MUT1Cell()
