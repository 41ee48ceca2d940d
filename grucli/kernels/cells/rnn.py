"""Plain tanh network, one row at a time."""

from typing import NamedTuple

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import tanh
from grucli.kernels.microkernel import Pointer

_ONE = np.float32(1)
_Row = tuple[Pointer]


class RNNKernel(NamedTuple):
    """b [L, H]."""

    b: Float32

    def update(self, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: _Row, new: _Row) -> None:
        """Compute s_t."""
        b, (s_new,) = self.b, new
        for j in range(H):
            s = tanh(a[j] + m[j] + b[layer, j])
            a[j] = s
            s_new[j] = s

    def update_backward(self, n: int, H: int, a: Pointer, old: _Row, new: _Row, d: _Row) -> None:
        """Compute da; the old state has a gradient through the product only."""
        (ds,) = d
        for j in range(H):
            a[j] = ds[j] * (_ONE - a[j] * a[j])
            ds[j] = np.float32(0)


CELL = RNNKernel
