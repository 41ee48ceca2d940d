"""GRU with the reset gate after the product, one row at a time; gates z, r, h.

One product per step, s_{t-1} W. Its columns of h are multiplied by r, so the gradient of the product is da in the
columns of z and r, and dq = r ∘ da_h in those of h.
"""

from typing import NamedTuple

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import sigmoid, tanh
from grucli.kernels.microkernel import Pointer

_ONE = np.float32(1)
_Row = tuple[Pointer]


class GRUAfterKernel(NamedTuple):
    """b [L, 3H], c [L, H]; q [N, H] is s_{t-1} W_h + c, and its gradient after the backward pass."""

    b: Float32
    c: Float32
    q: Float32

    def update(self, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row, new: _Row) -> None:
        """Compute z, r, q, h and s_t."""
        b, c, q, (s,), (s_new,) = self.b, self.c, self.q, old, new
        for j in range(2 * H):
            a[j] = sigmoid(a[j] + m[j] + b[layer, j])
        for j in range(H):
            q[n, j] = m[2 * H + j] + c[layer, j]
        for j in range(H):
            a[2 * H + j] = tanh(a[2 * H + j] + b[layer, 2 * H + j] + a[H + j] * q[n, j])
        for j in range(H):
            h = a[2 * H + j]
            s_new[j] = h + a[j] * (s[j] - h)

    def update_backward(self, n: int, H: int, a: Pointer, old: _Row, new: _Row, d: _Row) -> None:
        """Compute da of h, z and r, and dq."""
        q, (s,), (ds,) = self.q, old, d
        for j in range(H):
            z, h, g = a[j], a[2 * H + j], ds[j]
            a[2 * H + j] = g * (_ONE - z) * (_ONE - h * h)
            a[j] = g * (s[j] - h) * z * (_ONE - z)
            ds[j] = g * z
        for j in range(H):
            r = a[H + j]
            dq = a[2 * H + j] * r
            a[H + j] = dq * q[n, j] * (_ONE - r)
            q[n, j] = dq


CELL = GRUAfterKernel
