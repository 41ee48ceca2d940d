"""The plain recurrent network with tanh (Elman 1990, doi:10.1207/s15516709cog1402_1).

s_t = tanh(x_t U + s_{t-1} W + b)

here   shape            PyTorch nn.RNN                       Keras SimpleRNN    ONNX RNN
U      [input_size, H]  weight_ih, transposed                kernel             W, transposed
W      [H, H]           weight_hh, transposed                recurrent_kernel   R, transposed
b      [H]              bias_ih + bias_hh                    bias               both halves of B, added
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from grucli.model.cell import Arrays, Backprop, Cell, Float64, Gradients, Product, outer


class RNNCell(Cell):
    """The specification of `rnn`, in float64."""

    gates = ("h",)
    products = (Product("s", ("h",)),)
    biases: ClassVar = {"b": gates}

    def forward(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """See `Cell.forward`."""
        T, B, _ = x.shape
        U, W, b = parameters["U"], parameters["W"], parameters["b"]
        s_prev, s = (np.empty((T, *state.shape)) for _ in range(2))
        for t in range(T):
            s_prev[t] = np.where(reset_mask[t][:, None], 0.0, state)
            state = s[t] = np.tanh(x[t] @ U + s_prev[t] @ W + b)

        def backprop(ds: Float64) -> tuple[Float64, Float64, Gradients]:
            da, carried = np.empty_like(s), np.zeros((B, len(W)))
            for t in reversed(range(T)):
                da[t] = (ds[t] + carried) * (1.0 - s[t] ** 2)
                carried = np.where(reset_mask[t][:, None], 0.0, da[t] @ W.T)
            return da @ U.T, carried, lambda: {"U": outer(x, da), "W": outer(s_prev, da), "b": da.sum(axis=(0, 1))}

        return s, backprop

    def inspect_gates(self, parameters: Arrays, x: Float64, state: Float64) -> tuple[Float64, dict[str, Float64]]:
        """See `Cell.inspect_gates`; this cell has none."""
        return self.forward(parameters, x, state, np.zeros(x.shape[:2], np.bool_))[0], {}


CELL = RNNCell()
