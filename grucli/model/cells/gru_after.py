"""The gated recurrent unit with the reset gate applied after the product, as in cuDNN.

    z_t = σ(x_t U_z + s_{t-1} W_z + b_z)        update: how much of the old state stays
    r_t = σ(x_t U_r + s_{t-1} W_r + b_r)        reset: how much of q the candidate depends on
    q_t = s_{t-1} W_h + c                       the old state's part of the candidate
    h_t = tanh(x_t U_h + b_h + r_t ∘ q_t)       candidate
    s_t = (1 - z_t) ∘ h_t + z_t ∘ s_{t-1}

W multiplies s_{t-1} only: one product per step instead of the two of `gru`. With r = 1 and c = 0 the two cells are the
same. The columns of U, W and b are in the order z, r, h:

    here   shape             PyTorch nn.GRU (r, z, n)           Keras GRU (z, r, h)      ONNX GRU (z, r, h)
                                                                reset_after=True         linear_before_reset=1
    U      [input_size, 3H]  weight_ih, transposed              kernel                   W, transposed
    W      [H, 3H]           weight_hh, transposed              recurrent_kernel         R, transposed
    b      [3H]              bias_ih; of r and z + bias_hh      bias[0]; + bias[1]       first half of B; + second
    c      [H]               bias_hh of n                       bias[1] of h             second half of B, of h

The other libraries have two biases for z and r, of which only the sum has an effect: here b is that sum.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from grucli.model.cell import Arrays, Backprop, Float64, Gradients, Product, outer, sigmoid
from grucli.model.cells.gru import GRUCell


class GRUAfterCell(GRUCell):
    """The specification of `gru-after`, in float64. Gates, U and b are those of `gru`; the gradient of q is dq."""

    products = (Product("s", ("z", "r", "h"), gradient=("z", "r", "q")),)
    biases: ClassVar = {"b": GRUCell.gates, "c": ("q",)}
    saved = ("q",)

    def forward(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """See `Cell.forward`."""
        T, B, _ = x.shape
        H = state.shape[1]
        U, W = parameters["U"], parameters["W"]
        z, r, q, h, s_prev, s = self._forward_states(parameters, x, state, reset_mask)

        def backprop(ds: Float64) -> tuple[Float64, Float64, Gradients]:
            da, d_product = np.empty((T, B, 3 * H)), np.empty((T, B, 3 * H))
            carried = np.zeros((B, H))
            for t in reversed(range(T)):
                d = ds[t] + carried
                da_h = d * (1.0 - z[t]) * (1.0 - h[t] ** 2)
                da_z = d * (s_prev[t] - h[t]) * z[t] * (1.0 - z[t])
                da_r = da_h * q[t] * r[t] * (1.0 - r[t])
                np.concatenate([da_z, da_r, da_h], axis=1, out=da[t])
                np.concatenate([da_z, da_r, da_h * r[t]], axis=1, out=d_product[t])
                carried = np.where(reset_mask[t][:, None], 0.0, d * z[t] + d_product[t] @ W.T)

            def gradients() -> dict[str, Float64]:
                db, dc = da.sum(axis=(0, 1)), d_product[:, :, 2 * H :].sum(axis=(0, 1))
                return {"U": outer(x, da), "W": outer(s_prev, d_product), "b": db, "c": dc}

            return da @ U.T, carried, gradients

        return s, backprop

    def _forward_states(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, ...]:
        """z, r, q, h, s_{t-1} and s, each [T, B, H]."""
        T, B, _ = x.shape
        H = state.shape[1]
        U, W, b, c = (parameters[name] for name in ("U", "W", "b", "c"))
        z, r, q, h, s_prev, s = (np.empty((T, B, H)) for _ in range(6))
        for t in range(T):
            state = np.where(reset_mask[t][:, None], 0.0, state)
            a, product = x[t] @ U + b, state @ W
            z[t] = sigmoid(a[:, :H] + product[:, :H])
            r[t] = sigmoid(a[:, H : 2 * H] + product[:, H : 2 * H])
            q[t] = product[:, 2 * H :] + c
            h[t] = np.tanh(a[:, 2 * H :] + r[t] * q[t])
            s_prev[t] = state
            state = s[t] = (1.0 - z[t]) * h[t] + z[t] * state
        return z, r, q, h, s_prev, s


CELL = GRUAfterCell()
