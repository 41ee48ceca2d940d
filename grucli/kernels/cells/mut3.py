"""MUT3, one row at a time; gates z, r, h.

Three products, each with another operand: s_{t-1} W_r, tanh(s_{t-1}) W_z and (r ∘ s_{t-1}) W_h.
"""

from typing import NamedTuple

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import sigmoid, tanh
from grucli.kernels.microkernel import Pointer

_ONE = np.float32(1)
_UPDATE, _CANDIDATE = 1, 2  # stages: the products of z and h
_Row = tuple[Pointer]


class MUT3Kernel(NamedTuple):
    """b [L, 3H]; ts [N, H] is tanh(s_{t-1}), and rs [N, H] is r ∘ s_{t-1}."""

    b: Float32
    ts: Float32
    rs: Float32

    def prepare_operand(self, stage: int, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row) -> None:
        """Compute r and both operands from the product of r, then z from its own."""
        b, ts, rs, (s,) = self.b, self.ts, self.rs, old
        if stage == _UPDATE:
            for j in range(H):
                r = sigmoid(a[H + j] + m[j] + b[layer, H + j])
                a[H + j] = r
                rs[n, j] = r * s[j]
            for j in range(H):
                ts[n, j] = tanh(s[j])
        else:
            for j in range(H):
                a[j] = sigmoid(a[j] + m[j] + b[layer, j])

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
        """Compute da of r from the gradient m of r ∘ s_{t-1}; that of tanh(s_{t-1}) goes to the state."""
        ts, (s,), (ds,) = self.ts, old, d
        if stage == _CANDIDATE:
            for j in range(H):
                r = a[H + j]
                ds[j] += m[j] * r
                a[H + j] = m[j] * s[j] * r * (_ONE - r)
        else:
            for j in range(H):
                ds[j] += m[j] * (_ONE - ts[n, j] * ts[n, j])


CELL = MUT3Kernel
