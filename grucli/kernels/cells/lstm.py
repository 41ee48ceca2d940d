"""LSTM, one row at a time; gates i, f, g, o, state s and c."""

from typing import NamedTuple

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import sigmoid, tanh
from grucli.kernels.microkernel import Pointer

_ONE = np.float32(1)
_Row = tuple[Pointer, Pointer]


class LSTMKernel(NamedTuple):
    """b [L, 4H]."""

    b: Float32

    def update(self, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row, new: _Row) -> None:
        """Compute all gates, c_t and s_t."""
        b, c, s_new, c_new = self.b, old[1], new[0], new[1]
        for j in range(2 * H):
            a[j] = sigmoid(a[j] + m[j] + b[layer, j])
        for j in range(2 * H, 3 * H):
            a[j] = tanh(a[j] + m[j] + b[layer, j])
        for j in range(3 * H, 4 * H):
            a[j] = sigmoid(a[j] + m[j] + b[layer, j])
        for j in range(H):
            memory = a[H + j] * c[j] + a[j] * a[2 * H + j]
            c_new[j] = memory
            s_new[j] = a[3 * H + j] * tanh(memory)

    def update_backward(self, n: int, H: int, a: Pointer, old: _Row, new: _Row, d: _Row) -> None:
        """Compute da of all gates; the old s has a gradient through the product only."""
        c, c_new, ds, dc = old[1], new[1], d[0], d[1]
        for j in range(H):
            i, f, g, o = a[j], a[H + j], a[2 * H + j], a[3 * H + j]
            tanh_c = tanh(c_new[j])
            dmemory = dc[j] + ds[j] * o * (_ONE - tanh_c * tanh_c)
            a[j] = dmemory * g * i * (_ONE - i)
            a[H + j] = dmemory * c[j] * f * (_ONE - f)
            a[2 * H + j] = dmemory * i * (_ONE - g * g)
            a[3 * H + j] = ds[j] * tanh_c * o * (_ONE - o)
            dc[j] = dmemory * f
            ds[j] = np.float32(0)


CELL = LSTMKernel
