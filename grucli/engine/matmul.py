"""Products over all rows of a window, shared among a crew. Which share is whose changes no sum's order on the tile.

Apple's Accelerate reaches matrix units that no vector instruction does, so macOS takes its BLAS; everywhere else the
tile is as fast as the best BLAS and much faster than one that does not know its processor (`benchmarks/NOTES.md`).
"""

import sys
from typing import Protocol

import numpy as np

from grucli.engine.thread_pool import Crew
from grucli.kernels.arrays import Float32, empty
from grucli.kernels.gemm import CHUNK, GROUP, multiply, multiply_transposed
from grucli.kernels.microkernel import ROWS, WIDTH, pack, pack_transposed, panels_for


class Factor(Protocol):
    """A matrix B [K, M] laid out to be multiplied from the left, for as long as it does not change."""

    def apply(self, a: Float32, out: Float32) -> None:
        """out = a @ B, by the calling thread alone; a [N, K], out [N, M]."""


class Products(Protocol):
    """A B, A Bᵀ and Aᵀ B for C-contiguous float32 matrices."""

    def factor(self, b: Float32) -> Factor:
        """B itself; b [K, M]."""

    def transposed_factor(self, b: Float32) -> Factor:
        """Its transpose; b [M, K]."""

    def times(self, a: Float32, factor: Factor, out: Float32) -> None:
        """out = a @ B; a [N, K], out [N, M]."""

    def transposed_times(self, a: Float32, b: Float32, out: Float32, columns: slice = ..., shift: int = 0) -> None:
        """out = aᵀ @ b; a [N, K], b [N, M], out [K, M]; or of `columns` alone, which go to out[:, columns + shift]."""


class _Panels:
    """A factor on the register tile."""

    def __init__(self, panels: Float32) -> None:
        self._panels = panels

    def apply(self, a: Float32, out: Float32) -> None:
        """See `Factor`."""
        multiply(a, self._panels, out, empty(ROWS, WIDTH), empty(ROWS, a.shape[1]))


class TileProducts:
    """The products on the register tile."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def factor(self, b: Float32) -> Factor:
        """See `Products`."""
        panels = empty(panels_for(b.shape[1]), b.shape[0], WIDTH)
        pack(b, 0, b.shape[1], panels)
        return _Panels(panels)

    def transposed_factor(self, b: Float32) -> Factor:
        """See `Products`."""
        panels = empty(panels_for(b.shape[0]), b.shape[1], WIDTH)
        pack_transposed(b, 0, b.shape[1], panels)
        return _Panels(panels)

    def times(self, a: Float32, factor: Factor, out: Float32) -> None:
        """See `Products`."""
        self._crew.share(len(a), lambda low, high: factor.apply(a[low:high], out[low:high]), grain=ROWS)

    def transposed_times(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), shift: int = 0
    ) -> None:
        """See `Products`."""
        K = a.shape[1]
        left, right, _ = columns.indices(b.shape[1])

        def share(top: int, bottom: int, left: int, right: int) -> None:
            packed = empty(-(-(bottom - top) // ROWS), CHUNK, ROWS)
            multiply_transposed(
                top, bottom, left, right, shift, a, b, out, packed, empty(GROUP, CHUNK, WIDTH), empty(ROWS, WIDTH)
            )

        if right - left <= K:
            self._crew.share(K, lambda top, bottom: share(top, bottom, left, right), grain=ROWS)
        else:
            self._crew.share(right - left, lambda low, high: share(0, K, left + low, left + high), grain=WIDTH)


class _Plain:
    """A factor for BLAS, which packs for itself."""

    def __init__(self, b: Float32) -> None:
        self._b = b

    def apply(self, a: Float32, out: Float32) -> None:
        """See `Factor`."""
        _matmul(a, self._b, out)


class BlasProducts:
    """The products by NumPy's BLAS, each thread making rows of the result."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def factor(self, b: Float32) -> Factor:
        """See `Products`."""
        return _Plain(b)

    def transposed_factor(self, b: Float32) -> Factor:
        """See `Products`."""
        return _Plain(b.T)

    def times(self, a: Float32, factor: Factor, out: Float32) -> None:
        """See `Products`."""
        self._crew.share(len(a), lambda low, high: factor.apply(a[low:high], out[low:high]), grain=16)

    def transposed_times(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), shift: int = 0
    ) -> None:
        """See `Products`."""
        left, right, _ = columns.indices(b.shape[1])
        rows, into = a.T, out[:, left + shift : right + shift]
        self._crew.share(len(rows), lambda low, high: _matmul(rows[low:high], b[:, left:right], into[low:high]), 16)


def _matmul(a: Float32, b: Float32, out: Float32) -> None:
    # Numbers that are not finite show in the loss, where training looks for them, not as a warning on the way.
    with np.errstate(all="ignore"):
        np.matmul(a, b, out=out)


ONE_ORDER = sys.platform != "darwin"
"""Whether every sum has one order, whatever the number of threads."""


def products_of(crew: Crew) -> Products:
    """The products that are fastest here."""
    return TileProducts(crew) if ONE_ORDER else BlasProducts(crew)
