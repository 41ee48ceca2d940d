"""Products over all rows of a window, shared among a crew. Which share is whose changes no sum's order on the tile.

Apple's Accelerate reaches matrix units that no vector instruction does, so macOS takes its BLAS; everywhere else the
tile is as fast as the best BLAS and much faster than one that does not know its processor (`benchmarks/NOTES.md`).
"""

import sys
from typing import Protocol

import numpy as np

from grucli.kernels.arrays import Float32, empty
from grucli.kernels.products import CHUNK, multiply, multiply_transposed
from grucli.kernels.tile import ROWS, WIDTH, pack, pack_transposed, panels_for
from grucli.model.crew import Crew


class Products(Protocol):
    """A B, A Bᵀ and Aᵀ B for C-contiguous float32 matrices."""

    def times(self, a: Float32, b: Float32, out: Float32) -> None:
        """out = a @ b; a [N, K], b [K, M], out [N, M]."""

    def times_transposed(self, a: Float32, b: Float32, out: Float32) -> None:
        """out = a @ bᵀ; a [N, K], b [M, K], out [N, M]."""

    def transposed_times(self, a: Float32, b: Float32, out: Float32, columns: slice = ..., shift: int = 0) -> None:
        """out = aᵀ @ b; a [N, K], b [N, M], out [K, M]; or of `columns` alone, which go to out[:, columns + shift]."""


class TileProducts:
    """The products on the register tile."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def times(self, a: Float32, b: Float32, out: Float32) -> None:
        """See `Products`."""
        K, M = b.shape
        panels = empty(panels_for(M), K, WIDTH)
        pack(b, 0, M, panels)
        self._times_packed(a, panels, out)

    def times_transposed(self, a: Float32, b: Float32, out: Float32) -> None:
        """See `Products`."""
        M, K = b.shape
        panels = empty(panels_for(M), K, WIDTH)
        pack_transposed(b, 0, K, panels)
        self._times_packed(a, panels, out)

    def _times_packed(self, a: Float32, panels: Float32, out: Float32) -> None:
        N, K = a.shape

        def share(low: int, high: int) -> None:
            multiply(low, high, a, panels, out, empty(ROWS, WIDTH), empty(ROWS, K))

        self._crew.share(N, share, grain=ROWS)

    def transposed_times(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), shift: int = 0
    ) -> None:
        """See `Products`."""
        K = a.shape[1]
        left, right, _ = columns.indices(b.shape[1])

        def share(top: int, bottom: int, left: int, right: int) -> None:
            packed = empty(-(-(bottom - top) // ROWS), CHUNK, ROWS)
            multiply_transposed(
                top, bottom, left, right, shift, a, b, out, packed, empty(CHUNK, WIDTH), empty(ROWS, WIDTH)
            )

        if right - left <= K:
            self._crew.share(K, lambda top, bottom: share(top, bottom, left, right), grain=ROWS)
        else:
            self._crew.share(right - left, lambda low, high: share(0, K, left + low, left + high), grain=WIDTH)


class BlasProducts:
    """The products by NumPy's BLAS, each thread making rows of the result, or columns where those are more."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def times(self, a: Float32, b: Float32, out: Float32) -> None:
        """See `Products`."""
        N, M = out.shape
        if N >= M:
            self._crew.share(N, lambda low, high: _matmul(a[low:high], b, out[low:high]), grain=16)
        else:
            self._crew.share(M, lambda low, high: _matmul(a, b[:, low:high], out[:, low:high]), grain=16)

    def times_transposed(self, a: Float32, b: Float32, out: Float32) -> None:
        """See `Products`."""
        self.times(a, b.T, out)

    def transposed_times(
        self, a: Float32, b: Float32, out: Float32, columns: slice = slice(None), shift: int = 0
    ) -> None:
        """See `Products`."""
        left, right, _ = columns.indices(b.shape[1])
        self.times(a.T, b[:, left:right], out[:, left + shift : right + shift])


def _matmul(a: Float32, b: Float32, out: Float32) -> None:
    # Numbers that are not finite show in the loss, where training looks for them, not as a warning on the way.
    with np.errstate(all="ignore"):
        np.matmul(a, b, out=out)


def products_of(crew: Crew) -> Products:
    """The products that are fastest here."""
    return BlasProducts(crew) if sys.platform == "darwin" else TileProducts(crew)
