"""Matrix products over all rows of a window: A B with B packed, and Aᵀ B with both packed in blocks.

Each call computes a rectangle of the result, so that threads can divide it. BLAS is as fast on processors that it knows
and half as fast on others; these are as fast on all, and the order of summation does not depend on the threads.
"""

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import helper, kernel
from grucli.kernels.microkernel import MR, NR, copy_mr, copy_nr, element_ptr, microkernel

MC = 32 * MR  # rows of A per block: they and a panel fit in the L2 cache
PANELS_PER_GROUP = 8  # panels packed together, so that a row of B is read in long runs
KC = 256  # depth of a block: a packed panel of this depth fits in the L1 cache


@helper
def _store_edge_tile(
    edge_tile: Float32, i: int, rows: int, j: int, columns: int, out: Float32, accumulate: int
) -> None:
    """Copy or add the first rows and columns of a tile that exceeds the edge of `out` to out[i:, j:]."""
    for row in range(rows):
        for column in range(columns):
            value = edge_tile[row, column]
            out[i + row, j + column] = out[i + row, j + column] + value if accumulate else value


@kernel
def gemm(a: Float32, panels: Float32, out: Float32, edge_tile: Float32, tail_rows: Float32) -> None:
    """out = a @ B, a float32 [N, K], B packed in panels [P, K, NR], out float32 [N, M].

    edge_tile [MR, NR] and tail_rows [MR, K] are scratch.
    """
    P, K, _ = panels.shape
    N, M = out.shape
    for top in range(0, N, MC):
        bottom = min(top + MC, N)
        for k in range(0, K, KC):
            depth, accumulate = min(KC, K - k), 1 if k > 0 else 0
            for p in range(P):
                b, left = element_ptr(panels, (p * K + k) * NR), p * NR
                columns = min(NR, M - left)
                for i in range(top, bottom, MR):
                    rows = min(MR, bottom - i)
                    if rows == MR and columns == NR:
                        microkernel(
                            element_ptr(a, i * K + k), K, 1, b, element_ptr(out, i * M + left), M, depth, accumulate
                        )
                        continue
                    source, offset = a, i * K + k
                    if rows < MR:
                        for row in range(rows):
                            for column in range(K):
                                tail_rows[row, column] = a[i + row, column]
                        source, offset = tail_rows, k
                    microkernel(element_ptr(source, offset), K, 1, b, element_ptr(edge_tile, 0), NR, depth, 0)
                    _store_edge_tile(edge_tile, i, rows, left, columns, out, accumulate)


@helper
def _pack_a(a: Float32, n: int, depth: int, low: int, high: int, packed: Float32) -> None:
    """packed[i, k] = a[n + k, low + i·MR :][:MR] for k < depth; zero from column `high`."""
    stride = a.shape[1]
    for i in range(-(-(high - low) // MR)):
        first = low + i * MR
        for k in range(depth):
            if first + MR <= high:
                copy_mr(element_ptr(packed, (i * KC + k) * MR), element_ptr(a, (n + k) * stride + first))
                continue
            for row in range(MR):
                packed[i, k, row] = a[n + k, first + row] if first + row < high else np.float32(0)


@helper
def _pack_b(b: Float32, n: int, depth: int, left: int, right: int, packed: Float32) -> None:
    """packed[p, k] = b[n + k, left + p·NR :][:NR] for k < depth; zero from column `right`."""
    M = b.shape[1]
    for k in range(depth):
        for j in range(left, right, NR):
            p = (j - left) // NR
            if j + NR <= right:
                copy_nr(element_ptr(packed, (p * KC + k) * NR), element_ptr(b, (n + k) * M + j))
                continue
            for column in range(NR):
                packed[p, k, column] = b[n + k, j + column] if j + column < right else np.float32(0)


@kernel
def gemm_tn(
    top: int,
    bottom: int,
    left: int,
    right: int,
    out_offset: int,
    a: Float32,
    b: Float32,
    out: Float32,
    a_packed: Float32,
    b_packed: Float32,
    edge_tile: Float32,
) -> None:
    """out[top:bottom, left + out_offset : right + out_offset] = a[:, top:bottom]ᵀ @ b[:, left:right].

    a float32 [N, K], b float32 [N, M]. a_packed [≥ (bottom - top) / MR, KC, MR], b_packed [PANELS_PER_GROUP, KC, NR]
    and edge_tile [MR, NR] are scratch.
    """
    N, stride = len(b), out.shape[1]
    for n in range(0, N, KC):
        depth, accumulate = min(KC, N - n), 1 if n > 0 else 0
        _pack_a(a, n, depth, top, bottom, a_packed)
        for group in range(left, right, PANELS_PER_GROUP * NR):
            end = min(group + PANELS_PER_GROUP * NR, right)
            _pack_b(b, n, depth, group, end, b_packed)
            for j in range(group, end, NR):
                columns, b_ptr = min(NR, end - j), element_ptr(b_packed, (j - group) * KC)
                for i in range(top, bottom, MR):
                    rows, a_ptr = min(MR, bottom - i), element_ptr(a_packed, (i - top) * KC)
                    if rows == MR and columns == NR:
                        c_ptr = element_ptr(out, i * stride + j + out_offset)
                        microkernel(a_ptr, 1, MR, b_ptr, c_ptr, stride, depth, accumulate)
                    else:
                        microkernel(a_ptr, 1, MR, b_ptr, element_ptr(edge_tile, 0), NR, depth, 0)
                        _store_edge_tile(edge_tile, i, rows, j + out_offset, columns, out, accumulate)
