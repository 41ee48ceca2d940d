"""The long short-term memory with a forget gate (Hochreiter 1997, doi:10.1162/neco.1997.9.8.1735; Gers 2000).

    i_t = σ(x_t U_i + s_{t-1} W_i + b_i)              input: how much of the candidate is stored
    f_t = σ(x_t U_f + s_{t-1} W_f + b_f)              forget: how much of the memory stays
    g_t = tanh(x_t U_g + s_{t-1} W_g + b_g)           candidate
    o_t = σ(x_t U_o + s_{t-1} W_o + b_o)              output: how much of the memory is output
    c_t = f_t ∘ c_{t-1} + i_t ∘ g_t                   memory
    s_t = o_t ∘ tanh(c_t)

The state of a row is s_t, c_t side by side. The columns of each parameter are in the order i, f, g, o:

    here   shape             PyTorch nn.LSTM          Keras LSTM          ONNX LSTM (order i, o, f, g)
    U      [input_size, 4H]  weight_ih, transposed    kernel              W, transposed
    W      [H, 4H]           weight_hh, transposed    recurrent_kernel    R, transposed
    b      [4H]              bias_ih + bias_hh        bias                both halves of B, added
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from grucli.model.cell import Arrays, Backprop, Cell, Float64, Gradients, Product, outer, sigmoid


class LSTMCell(Cell):
    """The specification of `lstm`, in float64."""

    gates = ("i", "f", "g", "o")
    state = ("s", "c")
    products = (Product("s", gates),)
    biases: ClassVar = {"b": gates}
    gate_labels: ClassVar = {
        "forget": "forget gate: 0 clears the memory, 1 keeps it",
        "input": "input gate: 0 stores nothing, 1 stores the candidate",
        "output": "output gate: 0 hides the memory, 1 shows it",
    }

    def initialize(self, rng: np.random.Generator, input_size: int, H: int) -> dict[str, Float64]:
        """Start with a forget bias of 1, so that a new memory lasts (Jozefowicz 2015)."""
        parameters = super().initialize(rng, input_size, H)
        parameters["b"][H : 2 * H] = 1
        return parameters

    def forward(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """See `Cell.forward`."""
        T, B, _ = x.shape
        U, W = parameters["U"], parameters["W"]
        H = len(W)
        i, f, g, o, previous, states = _forward_states(parameters, x, state, reset_mask)
        s_prev, c_prev = previous[..., :H], previous[..., H:]
        tanh_c = np.tanh(states[..., H:])

        def backprop(dstates: Float64) -> tuple[Float64, Float64, Gradients]:
            da, carried = np.empty((T, B, 4 * H)), np.zeros((B, 2 * H))
            for t in reversed(range(T)):
                ds, dc = dstates[t, :, :H] + carried[:, :H], dstates[t, :, H:] + carried[:, H:]
                dc = dc + ds * o[t] * (1.0 - tanh_c[t] ** 2)
                da_i = dc * g[t] * i[t] * (1.0 - i[t])
                da_f = dc * c_prev[t] * f[t] * (1.0 - f[t])
                da_g = dc * i[t] * (1.0 - g[t] ** 2)
                da_o = ds * tanh_c[t] * o[t] * (1.0 - o[t])
                np.concatenate([da_i, da_f, da_g, da_o], axis=1, out=da[t])
                carried = np.where(reset_mask[t][:, None], 0.0, np.hstack([da[t] @ W.T, dc * f[t]]))
            return da @ U.T, carried, lambda: {"U": outer(x, da), "W": outer(s_prev, da), "b": da.sum(axis=(0, 1))}

        return states, backprop

    def inspect_gates(self, parameters: Arrays, x: Float64, state: Float64) -> tuple[Float64, dict[str, Float64]]:
        """See `Cell.inspect_gates`."""
        i, f, _, o, _, states = _forward_states(parameters, x, state, np.zeros(x.shape[:2], np.bool_))
        return states, {"forget": f, "input": i, "output": o}


def _forward_states(
    parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
) -> tuple[Float64, ...]:
    """i, f, g and o, each [T, B, H]; the states before and after each step, each [T, B, 2H]."""
    T, B, _ = x.shape
    U, W, b = parameters["U"], parameters["W"], parameters["b"]
    H = len(W)
    i, f, g, o = (np.empty((T, B, H)) for _ in range(4))
    previous, states = (np.empty((T, B, 2 * H)) for _ in range(2))
    for t in range(T):
        previous[t] = np.where(reset_mask[t][:, None], 0.0, state)
        s, c = previous[t, :, :H], previous[t, :, H:]
        a_i, a_f, a_g, a_o = np.split(x[t] @ U + s @ W + b, 4, axis=1)
        i[t], f[t], g[t], o[t] = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
        c = f[t] * c + i[t] * g[t]
        state = states[t] = np.hstack([o[t] * np.tanh(c), c])
    return i, f, g, o, previous, states


CELL = LSTMCell()
