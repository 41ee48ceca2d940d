"""Matrix products over all rows of a window, split among threads. With tiles the split does not change the result.

macOS uses Accelerate, whose matrix units no vector instruction reaches; elsewhere the tile is as fast as the best BLAS
and much faster than one that does not detect the processor (`benchmarks/NOTES.md`).
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.arrays import Float32, empty
from grucli.kernels.gemm import KC, PANELS_PER_GROUP, gemm, gemm_tn
from grucli.kernels.microkernel import MR, NR, num_panels, pack, pack_transposed

RowProduct = Callable[[Float32, Float32], None]
"""Function of (a [N, K], out [N, M]) that computes out = a @ B in the calling thread; B [K, M] is packed."""


class MatmulBackend(ABC):
    """A B, A Bᵀ and Aᵀ B of C-contiguous float32 matrices."""

    rows_per_grain: int

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool

    @abstractmethod
    def pack(self, b: Float32) -> RowProduct:
        """Pack b [K, M]."""

    @abstractmethod
    def pack_transposed(self, b: Float32) -> RowProduct:
        """Pack the transpose of b [M, K]."""

    def matmul(self, a: Float32, packed: RowProduct, out: Float32) -> None:
        """out = a @ B; a [N, K], out [N, M]."""
        self._pool.parallel_for(len(a), lambda low, high: packed(a[low:high], out[low:high]), self.rows_per_grain)

    @abstractmethod
    def matmul_tn(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), out_offset: int = 0
    ) -> None:
        """out = aᵀ @ b; a [N, K], b [N, M], out [K, M]; `columns` alone of b go to out[:, columns + out_offset]."""


def _tile_product(panels: Float32) -> RowProduct:
    return lambda a, out: gemm(a, panels, out, empty(MR, NR), empty(MR, a.shape[1]))


class TileBackend(MatmulBackend):
    """Products by the register tile of `kernels.microkernel`."""

    rows_per_grain = MR

    def pack(self, b: Float32) -> RowProduct:
        """Pack b [K, M]."""
        panels = empty(num_panels(b.shape[1]), b.shape[0], NR)
        pack(b, 0, b.shape[1], panels)
        return _tile_product(panels)

    def pack_transposed(self, b: Float32) -> RowProduct:
        """Pack the transpose of b [M, K]."""
        panels = empty(num_panels(b.shape[0]), b.shape[1], NR)
        pack_transposed(b, 0, b.shape[1], panels)
        return _tile_product(panels)

    def matmul_tn(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), out_offset: int = 0
    ) -> None:
        """See `MatmulBackend.matmul_tn`."""
        K = a.shape[1]
        left, right, _ = columns.indices(b.shape[1])

        def task(top: int, bottom: int, left: int, right: int) -> None:
            a_packed = empty(-(-(bottom - top) // MR), KC, MR)
            b_packed, edge_tile = empty(PANELS_PER_GROUP, KC, NR), empty(MR, NR)
            gemm_tn(top, bottom, left, right, out_offset, a, b, out, a_packed, b_packed, edge_tile)

        if right - left <= K:
            self._pool.parallel_for(K, lambda top, bottom: task(top, bottom, left, right), grain_size=MR)
        else:
            self._pool.parallel_for(right - left, lambda low, high: task(0, K, left + low, left + high), grain_size=NR)


class BlasBackend(MatmulBackend):
    """Products by the BLAS of NumPy; each thread computes some rows of the result."""

    rows_per_grain = 16

    def pack(self, b: Float32) -> RowProduct:
        """Return b as it is: BLAS packs it."""
        return lambda a, out: _matmul(a, b, out)

    def pack_transposed(self, b: Float32) -> RowProduct:
        """Return the transpose of b as it is: BLAS packs it."""
        return lambda a, out: _matmul(a, b.T, out)

    def matmul_tn(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), out_offset: int = 0
    ) -> None:
        """See `MatmulBackend.matmul_tn`."""
        left, right, _ = columns.indices(b.shape[1])
        rows, out_columns = a.T, out[:, left + out_offset : right + out_offset]
        self._pool.parallel_for(
            len(rows),
            lambda low, high: _matmul(rows[low:high], b[:, left:right], out_columns[low:high]),
            self.rows_per_grain,
        )


def _matmul(a: Float32, b: Float32, out: Float32) -> None:
    # Training checks the loss for values that are not finite; warnings here would repeat that.
    with np.errstate(all="ignore"):
        np.matmul(a, b, out=out)


THREAD_COUNT_INVARIANT = sys.platform != "darwin"
"""True if the number of threads does not change the order of any sum."""


def matmul_backend(pool: ThreadPool) -> MatmulBackend:
    """Return the fastest backend of this machine."""
    return TileBackend(pool) if THREAD_COUNT_INVARIANT else BlasBackend(pool)
