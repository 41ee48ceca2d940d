"""GRU with the reset gate before the product, one row at a time; gates z, r, h."""

from typing import NamedTuple

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import sigmoid, tanh
from grucli.kernels.microkernel import Pointer

_ONE = np.float32(1)
_Row = tuple[Pointer]


class GRUKernel(NamedTuple):
    """b [L, 3H]; rs [N, H] is r ∘ s_{t-1}, which W_h multiplies."""

    b: Float32
    rs: Float32

    def prepare_operand(self, stage: int, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row) -> None:
        """Compute z, r and r ∘ s_{t-1}."""
        b, rs, (s,) = self.b, self.rs, old
        for j in range(H):
            a[j] = sigmoid(a[j] + m[j] + b[layer, j])
        for j in range(H):
            r = sigmoid(a[H + j] + m[H + j] + b[layer, H + j])
            a[H + j] = r
            rs[n, j] = r * s[j]

    def update(self, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row, new: _Row) -> None:
        """Compute h and s_t."""
        b, (s,), (s_new,) = self.b, old, new
        for j in range(H):
            h = tanh(a[2 * H + j] + m[j] + b[layer, 2 * H + j])
            a[2 * H + j] = h
            s_new[j] = h + a[j] * (s[j] - h)

    def update_backward(self, n: int, H: int, a: Pointer, old: _Row, new: _Row, d: _Row) -> None:
        """Compute da of h and z."""
        (s,), (ds,) = old, d
        for j in range(H):
            z, h, g = a[j], a[2 * H + j], ds[j]
            a[2 * H + j] = g * (_ONE - z) * (_ONE - h * h)
            a[j] = g * (s[j] - h) * z * (_ONE - z)
            ds[j] = g * z

    def prepare_operand_backward(self, stage: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row, d: _Row) -> None:
        """Compute da of r; m is the gradient of r ∘ s_{t-1}."""
        (s,), (ds,) = old, d
        for j in range(H):
            r = a[H + j]
            ds[j] += m[j] * r
            a[H + j] = m[j] * s[j] * r * (_ONE - r)


CELL = GRUKernel
