"""Products over all rows of a window, shared among a crew. Which share is whose changes no sum's order on the tile.

Apple's Accelerate reaches matrix units that no vector instruction does, so macOS takes its BLAS; everywhere else the
tile is as fast as the best BLAS and much faster than one that does not know its processor (`benchmarks/NOTES.md`).
"""

import sys
from typing import Protocol

import numpy as np

from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.arrays import Float32, empty
from grucli.kernels.gemm import KC, PANELS_PER_GROUP, gemm, gemm_tn
from grucli.kernels.microkernel import MR, NR, num_panels, pack, pack_transposed


class PackedMatrix(Protocol):
    """A matrix B [K, M] laid out to be multiplied from the left, for as long as it does not change."""

    def matmul_rows(self, a: Float32, out: Float32) -> None:
        """out = a @ B, by the calling thread alone; a [N, K], out [N, M]."""


class MatmulBackend(Protocol):
    """A B, A Bᵀ and Aᵀ B for C-contiguous float32 matrices."""

    def pack(self, b: Float32) -> PackedMatrix:
        """B itself; b [K, M]."""

    def pack_transposed(self, b: Float32) -> PackedMatrix:
        """Its transpose; b [M, K]."""

    def matmul(self, a: Float32, packed: PackedMatrix, out: Float32) -> None:
        """out = a @ B; a [N, K], out [N, M]."""

    def matmul_tn(self, a: Float32, b: Float32, out: Float32, columns: slice = ..., out_offset: int = 0) -> None:
        """out = aᵀ @ b; a [N, K], b [N, M], out [K, M]; or of `columns` alone, which go to out[:, columns + shift]."""


class _TileMatrix:
    """A factor on the register tile."""

    def __init__(self, panels: Float32) -> None:
        self._panels = panels

    def matmul_rows(self, a: Float32, out: Float32) -> None:
        """See `Factor`."""
        gemm(a, self._panels, out, empty(MR, NR), empty(MR, a.shape[1]))


class TileBackend:
    """The products on the register tile."""

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool

    def pack(self, b: Float32) -> PackedMatrix:
        """See `Products`."""
        panels = empty(num_panels(b.shape[1]), b.shape[0], NR)
        pack(b, 0, b.shape[1], panels)
        return _TileMatrix(panels)

    def pack_transposed(self, b: Float32) -> PackedMatrix:
        """See `Products`."""
        panels = empty(num_panels(b.shape[0]), b.shape[1], NR)
        pack_transposed(b, 0, b.shape[1], panels)
        return _TileMatrix(panels)

    def matmul(self, a: Float32, packed: PackedMatrix, out: Float32) -> None:
        """See `Products`."""
        self._pool.parallel_for(len(a), lambda low, high: packed.matmul_rows(a[low:high], out[low:high]), grain_size=MR)

    def matmul_tn(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), out_offset: int = 0
    ) -> None:
        """See `Products`."""
        K = a.shape[1]
        left, right, _ = columns.indices(b.shape[1])

        def task(top: int, bottom: int, left: int, right: int) -> None:
            a_packed = empty(-(-(bottom - top) // MR), KC, MR)
            gemm_tn(
                top,
                bottom,
                left,
                right,
                out_offset,
                a,
                b,
                out,
                a_packed,
                empty(PANELS_PER_GROUP, KC, NR),
                empty(MR, NR),
            )

        if right - left <= K:
            self._pool.parallel_for(K, lambda top, bottom: task(top, bottom, left, right), grain_size=MR)
        else:
            self._pool.parallel_for(right - left, lambda low, high: task(0, K, left + low, left + high), grain_size=NR)


class _BlasMatrix:
    """A factor for BLAS, which packs for itself."""

    def __init__(self, b: Float32) -> None:
        self._b = b

    def matmul_rows(self, a: Float32, out: Float32) -> None:
        """See `Factor`."""
        _matmul(a, self._b, out)


class BlasBackend:
    """The products by NumPy's BLAS, each thread making rows of the result."""

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool

    def pack(self, b: Float32) -> PackedMatrix:
        """See `Products`."""
        return _BlasMatrix(b)

    def pack_transposed(self, b: Float32) -> PackedMatrix:
        """See `Products`."""
        return _BlasMatrix(b.T)

    def matmul(self, a: Float32, packed: PackedMatrix, out: Float32) -> None:
        """See `Products`."""
        self._pool.parallel_for(len(a), lambda low, high: packed.matmul_rows(a[low:high], out[low:high]), grain_size=16)

    def matmul_tn(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), out_offset: int = 0
    ) -> None:
        """See `Products`."""
        left, right, _ = columns.indices(b.shape[1])
        rows, out_columns = a.T, out[:, left + out_offset : right + out_offset]
        self._pool.parallel_for(
            len(rows), lambda low, high: _matmul(rows[low:high], b[:, left:right], out_columns[low:high]), 16
        )


def _matmul(a: Float32, b: Float32, out: Float32) -> None:
    # Numbers that are not finite show in the loss, where training looks for them, not as a warning on the way.
    with np.errstate(all="ignore"):
        np.matmul(a, b, out=out)


THREAD_COUNT_INVARIANT = sys.platform != "darwin"
"""Whether every sum has one order, whatever the number of threads."""


def matmul_backend(pool: ThreadPool) -> MatmulBackend:
    """The products that are fastest here."""
    return TileBackend(pool) if THREAD_COUNT_INVARIANT else BlasBackend(pool)
