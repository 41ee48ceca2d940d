"""MUT1, one row at a time; gates z, r, h.

The product with W_h and its bias are added to u = tanh(x U_h), so their gradient is du, and da of h is (1 - u²) du.
"""

from typing import NamedTuple

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import sigmoid, tanh
from grucli.kernels.microkernel import Pointer

_ONE = np.float32(1)
_Row = tuple[Pointer]


class MUT1Kernel(NamedTuple):
    """b [L, 2H], c [L, H]; rs [N, H] is r ∘ s_{t-1}; u [N, H] is tanh(x U_h), and du after the backward pass."""

    b: Float32
    c: Float32
    rs: Float32
    u: Float32

    def prepare_operand(self, stage: int, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row) -> None:
        """Compute z, r and r ∘ s_{t-1}."""
        b, rs, (s,) = self.b, self.rs, old
        for j in range(H):
            a[j] = sigmoid(a[j] + b[layer, j])
        for j in range(H):
            r = sigmoid(a[H + j] + m[j] + b[layer, H + j])
            a[H + j] = r
            rs[n, j] = r * s[j]

    def update(self, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row, new: _Row) -> None:
        """Compute u, h and s_t."""
        c, u, (s,), (s_new,) = self.c, self.u, old, new
        for j in range(H):
            u[n, j] = tanh(a[2 * H + j])
        for j in range(H):
            h = tanh(u[n, j] + m[j] + c[layer, j])
            a[2 * H + j] = h
            s_new[j] = h + a[j] * (s[j] - h)

    def update_backward(self, n: int, H: int, a: Pointer, old: _Row, new: _Row, d: _Row) -> None:
        """Compute du, and da of h and z."""
        u, (s,), (ds,) = self.u, old, d
        for j in range(H):
            z, h, g = a[j], a[2 * H + j], ds[j]
            du = g * (_ONE - z) * (_ONE - h * h)
            a[2 * H + j] = du * (_ONE - u[n, j] * u[n, j])
            u[n, j] = du
            a[j] = g * (s[j] - h) * z * (_ONE - z)
            ds[j] = g * z

    def prepare_operand_backward(self, stage: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row, d: _Row) -> None:
        """Compute da of r; m is the gradient of r ∘ s_{t-1}."""
        (s,), (ds,) = old, d
        for j in range(H):
            r = a[H + j]
            ds[j] += m[j] * r
            a[H + j] = m[j] * s[j] * r * (_ONE - r)


CELL = MUT1Kernel
