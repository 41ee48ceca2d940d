"""The gated recurrent unit with the reset gate applied before the product (Cho 2014, arXiv:1406.1078).

    z_t = σ(x_t U_z + s_{t-1} W_z + b_z)              update: how much of the old state stays
    r_t = σ(x_t U_r + s_{t-1} W_r + b_r)              reset: how much of it the candidate depends on
    h_t = tanh(x_t U_h + (r_t ∘ s_{t-1}) W_h + b_h)   candidate
    s_t = (1 - z_t) ∘ h_t + z_t ∘ s_{t-1}

With r = 1 and z = 0 this is the plain tanh network. The columns of each parameter are in the order z, r, h:

    here   shape             PyTorch nn.GRU           Keras GRU                 ONNX GRU
    U      [input_size, 3H]  no such cell: it resets  kernel, reset_after=False W, transposed (z, r, h)
    W      [H, 3H]           after the product        recurrent_kernel          R, transposed; linear_before_reset=0
    b      [3H]              (see `gru-after`)        bias                      first half of B
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from grucli.model.cell import Arrays, Backprop, Cell, Float64, Gradients, Product, outer, sigmoid

_UPDATE = "update gate: 0 replaces the state, 1 keeps it"
_RESET = "reset gate: 0 hides the old state from the candidate, 1 shows it"


class GRUCell(Cell):
    """The specification of `gru`, in float64."""

    gates = ("z", "r", "h")
    products: ClassVar[tuple[Product, ...]] = (Product("s", ("z", "r")), Product("rs", ("h",)))
    biases: ClassVar = {"b": gates}
    saved: ClassVar[tuple[str, ...]] = ("rs",)
    gate_labels: ClassVar = {"update": _UPDATE, "reset": _RESET}

    def initialize(self, rng: np.random.Generator, input_size: int, H: int) -> dict[str, Float64]:
        """Start z near 0.73, so that a new state lasts several steps."""
        parameters = super().initialize(rng, input_size, H)
        parameters["b"][:H] = 1
        return parameters

    def forward(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """See `Cell.forward`."""
        T, B, _ = x.shape
        H = state.shape[1]
        U, W = parameters["U"], parameters["W"]
        z, r, h, s_prev, s = self._forward_states(parameters, x, state, reset_mask)

        def backprop(ds: Float64) -> tuple[Float64, Float64, Gradients]:
            da, carried = np.empty((T, B, 3 * H)), np.zeros((B, H))
            for t in reversed(range(T)):
                d = ds[t] + carried
                da_h = d * (1.0 - z[t]) * (1.0 - h[t] ** 2)
                d_reset_state = da_h @ W[:, 2 * H :].T
                da_z = d * (s_prev[t] - h[t]) * z[t] * (1.0 - z[t])
                da_r = d_reset_state * s_prev[t] * r[t] * (1.0 - r[t])
                carried = d * z[t] + d_reset_state * r[t] + da_z @ W[:, :H].T + da_r @ W[:, H : 2 * H].T
                carried = np.where(reset_mask[t][:, None], 0.0, carried)
                np.concatenate([da_z, da_r, da_h], axis=1, out=da[t])

            def gradients() -> dict[str, Float64]:
                dW = np.hstack([outer(s_prev, da[..., : 2 * H]), outer(r * s_prev, da[..., 2 * H :])])
                return {"U": outer(x, da), "W": dW, "b": da.sum(axis=(0, 1))}

            return da @ U.T, carried, gradients

        return s, backprop

    def inspect_gates(self, parameters: Arrays, x: Float64, state: Float64) -> tuple[Float64, dict[str, Float64]]:
        """See `Cell.inspect_gates`."""
        z, r, *_, s = self._forward_states(parameters, x, state, np.zeros(x.shape[:2], np.bool_))
        return s, {"update": z, "reset": r}

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
            z[t] = sigmoid(a[:, :H] + state @ W[:, :H])
            r[t] = sigmoid(a[:, H : 2 * H] + state @ W[:, H : 2 * H])
            h[t] = np.tanh(a[:, 2 * H :] + (r[t] * state) @ W[:, 2 * H :])
            s_prev[t] = state
            state = s[t] = (1.0 - z[t]) * h[t] + z[t] * state
        return z, r, h, s_prev, s


CELL = GRUCell()
