"""Products over all rows of a window, on the register tile: A B with B packed, and Aᵀ B with both packed in chunks.

They take rectangles of the result, so that threads can share one. BLAS would do as well where it knows the processor,
and half as well where it does not; these are the same everywhere, and a sum is taken in the same order whatever the
number of threads.
"""

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import exactly, kernel
from grucli.kernels.microkernel import ROWS, WIDTH, address, move_column, move_row, tile

BLOCK = 32 * ROWS  # rows that walk along the panels together: they and a panel lie in the second-level cache
GROUP = 8  # panels packed together, so that a row of B is read in long pieces
CHUNK = 256  # steps of a long sum taken at once: a packed panel of so many rows lies in the first-level cache


@exactly
def _place(edge: Float32, i: int, rows: int, j: int, columns: int, out: Float32, more: int) -> None:
    """Put a tile that hangs over the border of `out` where it belongs: its first rows and columns at (i, j)."""
    for row in range(rows):
        for column in range(columns):
            value = edge[row, column]
            out[i + row, j + column] = out[i + row, j + column] + value if more else value


@kernel
def multiply(a: Float32, panels: Float32, out: Float32, edge: Float32, rest: Float32) -> None:
    """out = a @ B, a [N, K], B packed in panels [P, K, WIDTH], out [N, M].

    edge [ROWS, WIDTH] and rest [ROWS, K] are scratch.
    """
    P, K, _ = panels.shape
    N, M = out.shape
    for top in range(0, N, BLOCK):
        bottom = min(top + BLOCK, N)
        for k in range(0, K, CHUNK):
            steps, more = min(CHUNK, K - k), 1 if k > 0 else 0
            for p in range(P):
                b, left = address(panels, (p * K + k) * WIDTH), p * WIDTH
                columns = min(WIDTH, M - left)
                for i in range(top, bottom, ROWS):
                    rows = min(ROWS, bottom - i)
                    if rows == ROWS and columns == WIDTH:
                        tile(address(a, i * K + k), K, 1, b, address(out, i * M + left), M, steps, more)
                        continue
                    source, begin = a, i * K + k
                    if rows < ROWS:
                        for row in range(rows):
                            for column in range(K):
                                rest[row, column] = a[i + row, column]
                        source, begin = rest, k
                    tile(address(source, begin), K, 1, b, address(edge, 0), WIDTH, steps, 0)
                    _place(edge, i, rows, left, columns, out, more)


@exactly
def _pack_columns(a: Float32, n: int, steps: int, low: int, high: int, packed: Float32) -> None:
    """packed[i, k] = a[n + k, low + i·ROWS :] for k < steps, ROWS numbers each, filled up with zeros from `high` on."""
    stride = a.shape[1]
    for i in range(-(-(high - low) // ROWS)):
        first = low + i * ROWS
        for k in range(steps):
            if first + ROWS <= high:
                move_column(address(packed, (i * CHUNK + k) * ROWS), address(a, (n + k) * stride + first))
                continue
            for row in range(ROWS):
                packed[i, k, row] = a[n + k, first + row] if first + row < high else np.float32(0)


@exactly
def _pack_rows(b: Float32, n: int, steps: int, left: int, right: int, packed: Float32) -> None:
    """packed[p, k] = b[n + k, left + p·WIDTH :] for k < steps, WIDTH numbers each, zeros from `right` on."""
    M = b.shape[1]
    for k in range(steps):
        for j in range(left, right, WIDTH):
            p = (j - left) // WIDTH
            if j + WIDTH <= right:
                move_row(address(packed, (p * CHUNK + k) * WIDTH), address(b, (n + k) * M + j))
                continue
            for column in range(WIDTH):
                packed[p, k, column] = b[n + k, j + column] if j + column < right else np.float32(0)


@kernel
def multiply_transposed(
    top: int,
    bottom: int,
    left: int,
    right: int,
    shift: int,
    a: Float32,
    b: Float32,
    out: Float32,
    a_packed: Float32,
    b_packed: Float32,
    edge: Float32,
) -> None:
    """out[top:bottom, left + shift : right + shift] = a[:, top:bottom]ᵀ @ b[:, left:right]; a [N, K], b [N, M].

    a_packed [≥ (bottom - top) / ROWS, CHUNK, ROWS], b_packed [GROUP, CHUNK, WIDTH] and edge [ROWS, WIDTH] are scratch.
    """
    N, stride = len(b), out.shape[1]
    for n in range(0, N, CHUNK):
        steps, more = min(CHUNK, N - n), 1 if n > 0 else 0
        _pack_columns(a, n, steps, top, bottom, a_packed)
        for group in range(left, right, GROUP * WIDTH):
            end = min(group + GROUP * WIDTH, right)
            _pack_rows(b, n, steps, group, end, b_packed)
            for j in range(group, end, WIDTH):
                columns, panel = min(WIDTH, end - j), address(b_packed, (j - group) * CHUNK)
                for i in range(top, bottom, ROWS):
                    rows, source = min(ROWS, bottom - i), address(a_packed, (i - top) * CHUNK)
                    if rows == ROWS and columns == WIDTH:
                        cell = address(out, i * stride + j + shift)
                        tile(source, 1, ROWS, panel, cell, stride, steps, more)
                    else:
                        tile(source, 1, ROWS, panel, address(edge, 0), WIDTH, steps, 0)
                        _place(edge, i, rows, j + shift, columns, out, more)
