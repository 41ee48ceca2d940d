"""Matrix products for inference: few rows, so memory bandwidth limits them, and weights are quantized to int8.

Quantization is symmetric per column (Jacob 2018, arXiv:1712.05877): the largest weight of a column becomes ±127, and
the sums are scaled at the end. Validation loss changes by a few hundredths of a percent (`benchmarks/NOTES.md`).

With AVX-512 VNNI (`HAS_VNNI`) the other operand is quantized too: a state is in ±1 and becomes two uint8 digits, x =
(256·high + low - 32768) / 32767, with an error of 2e-5; the sums are exact. Otherwise weights are converted to float32
when they are loaded.

The sum of a row is the same in every code path, so a text is the same alone or in a batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import helper, overload
from grucli.kernels.microkernel import (
    DOT_MR,
    GEMV_PANELS,
    HAS_VNNI,
    MR,
    NR,
    Pointer,
    dot_u8s8,
    dot_u8s8_2x1,
    dot_u8s8_2x4,
    element_ptr,
    gemm_panels,
    gemv1,
    gemv1_i8,
    gemv4,
    gemv4_i8,
    microkernel,
    num_panels,
    offset_ptr,
    pack,
)

QuantizedRows = NDArray[np.uint8]

_INT8_MAX = 127
_ACT_SCALE = 32767.0


class FloatPanels(NamedTuple):
    """L matrices [K, M] in panels for float32 products.

    values float32 [L, P, K, NR]: integers if quantized. int8_values int8: the same, or [0, P, K, NR] if not quantized.
    scales float32 [L, P·NR]: factor of each column.
    """

    values: Float32
    int8_values: NDArray[np.int8]
    scales: Float32


class VnniPanels(NamedTuple):
    """L quantized matrices [K, M] in panels for VNNI, four adjacent k side by side.

    int8_values int8 [L, P, ⌈K / 4⌉, 4·NR]. scales float32 [L, P·NR]: factor of each column. col_offsets int32
    [L, P·NR]: sum of each column.
    """

    int8_values: NDArray[np.int8]
    scales: Float32
    col_offsets: NDArray[np.int32]
    K: int


PackedWeights = FloatPanels | VnniPanels


class QuantWorkspace(NamedTuple):
    """Workspace of `packed_matmul` with `VnniPanels`.

    quantized uint8 [2·rows, K padded to 4]: the high digits of a row, then its low ones. sums int32 [2·rows, P·NR]:
    their products.
    """

    quantized: QuantizedRows
    sums: NDArray[np.int32]


def allocate_workspace(rows: int, K: int, columns: int) -> QuantWorkspace:
    """Return a workspace for products of up to `rows` rows with matrices [K, ≤ columns]."""
    quads = -(-K // 4)
    return QuantWorkspace(
        np.zeros((2 * rows, 4 * quads), np.uint8), np.zeros((2 * rows, num_panels(columns) * NR), np.int32)
    )


def pack_weights(matrices: Sequence[Float32], start: int, columns: int, *, quantized: bool) -> PackedWeights:
    """Pack matrix[:, start : start + columns] of each float32 matrix [K, ≥ start + columns], quantized or not."""
    P, K = num_panels(columns), matrices[0].shape[0] if matrices else 1
    values = np.zeros((len(matrices), P, K, NR), np.float32)
    scales = np.ones((len(matrices), P * NR), np.float32)
    for layer, matrix in enumerate(matrices):
        part = np.ascontiguousarray(matrix[:, start : start + columns])
        if quantized:
            part, scales[layer, :columns] = _quantize_per_column(part)
        pack(part, 0, columns, values[layer])
    if quantized and HAS_VNNI:
        col_offsets = values.sum(axis=2, dtype=np.float64).reshape(scales.shape).astype(np.int32)
        return VnniPanels(_interleave_quads(values.astype(np.int8)), scales / np.float32(_ACT_SCALE), col_offsets, K)
    return FloatPanels(values, values.astype(np.int8) if quantized else np.empty((0, P, K, NR), np.int8), scales)


def _quantize_per_column(matrix: Float32) -> tuple[Float32, Float32]:
    """Return a matrix [K, M] as integers from -127 to 127, and the scale of each column [M]."""
    largest = np.abs(matrix).max(axis=0) / np.float32(_INT8_MAX)
    # A smaller scale is inexact.
    scales: Float32 = np.where(largest >= np.finfo(np.float32).tiny, largest, 1).astype(np.float32)
    return np.rint(matrix / scales).astype(np.float32), scales


def dequantized(matrix: Float32, *, quantized: bool) -> Float32:
    """Return the float32 matrix [K, M] that a product with its packed form multiplies by."""
    if not quantized:
        return matrix
    values, scales = _quantize_per_column(matrix)
    return values * scales


def _interleave_quads(int8_values: NDArray[np.int8]) -> NDArray[np.int8]:
    """[L, P, K, NR] → [L, P, ⌈K / 4⌉, 4·NR], padded with zeros."""
    L, P, K, _ = int8_values.shape
    quads = -(-K // 4)
    padded = np.zeros((L, P, 4 * quads, NR), np.int8)
    padded[:, :, :K] = int8_values
    return np.ascontiguousarray(padded.reshape(L, P, quads, 4, NR).swapaxes(3, 4)).reshape(L, P, quads, 4 * NR)


@helper
def _quantize_row(a: Pointer, K: int, row: int, workspace: QuantWorkspace) -> None:
    """Quantize K elements of a, clamped to ±1, into rows 2·row and 2·row + 1 of the workspace."""
    for k in range(K):
        x = min(max(a[k], np.float32(-1)), np.float32(1))
        value = np.int32(x * np.float32(_ACT_SCALE) + np.float32(32768.5))
        workspace.quantized[2 * row, k] = np.uint8(value >> 8)
        workspace.quantized[2 * row + 1, k] = np.uint8(value & 255)


@helper
def _int8_gemm_rows(rows: int, weights: VnniPanels, layer: int, workspace: QuantWorkspace) -> None:
    """workspace.sums[:rows] = workspace.quantized[:rows] @ int8 weights, for an even number of rows."""
    _, P, quads, size = weights.int8_values.shape
    quantized, sums = workspace.quantized, workspace.sums
    panel_stride, row_stride, sums_stride = quads * size, quantized.shape[1], sums.shape[1]
    full_rows = rows // DOT_MR * DOT_MR
    for p in range(P if full_rows > 0 else 0):
        b_ptr = element_ptr(weights.int8_values, (layer * P + p) * panel_stride)
        for i in range(0, full_rows, DOT_MR):
            c_ptr = element_ptr(sums, i * sums_stride + p * NR)
            dot_u8s8(element_ptr(quantized, i * row_stride), row_stride, b_ptr, panel_stride, c_ptr, sums_stride, quads)
    for i in range(full_rows, rows, 2):
        a_ptr, p = element_ptr(quantized, i * row_stride), 0
        while p < P:
            b_ptr, c_ptr = (
                element_ptr(weights.int8_values, (layer * P + p) * panel_stride),
                element_ptr(sums, i * sums_stride + p * NR),
            )
            if p + GEMV_PANELS <= P:
                dot_u8s8_2x4(a_ptr, row_stride, b_ptr, panel_stride, c_ptr, sums_stride, quads)
                p += GEMV_PANELS
            else:
                dot_u8s8_2x1(a_ptr, row_stride, b_ptr, panel_stride, c_ptr, sums_stride, quads)
                p += 1


@helper
def _int8_matmul(
    a: Pointer, stride: int, rows: int, weights: VnniPanels, layer: int, c: Float32, workspace: QuantWorkspace
) -> None:
    """`stream_product` in whole numbers."""
    for i in range(rows):
        _quantize_row(offset_ptr(a, i * stride), weights.K, i, workspace)
    _int8_gemm_rows(2 * rows, weights, layer, workspace)
    for i in range(rows):
        for j in range(weights.scales.shape[1]):
            # 32768 = 256 · 128: subtracted from the high digits, the difference is small enough to be exact in a float.
            high = np.float32(workspace.sums[2 * i, j] - 128 * weights.col_offsets[layer, j])
            low = np.float32(workspace.sums[2 * i + 1, j])
            c[i, j] = (np.float32(256) * high + low) * weights.scales[layer, j]


@helper
def _gemv_row(a: Pointer, weights: FloatPanels, layer: int, c: Float32, offset: int) -> None:
    _, P, K, _ = weights.values.shape
    panel_size, layer_offset = K * NR, layer * P * K * NR
    quantized = weights.int8_values.shape[0] > 0
    p = 0
    while p < P:
        c_ptr, panel_offset = element_ptr(c, offset + p * NR), layer_offset + p * panel_size
        if p + GEMV_PANELS <= P:
            if quantized:
                gemv4_i8(a, element_ptr(weights.int8_values, panel_offset), panel_size, c_ptr, K)
            else:
                gemv4(a, element_ptr(weights.values, panel_offset), panel_size, c_ptr, K)
            p += GEMV_PANELS
        else:
            if quantized:
                gemv1_i8(a, element_ptr(weights.int8_values, panel_offset), panel_size, c_ptr, K)
            else:
                gemv1(a, element_ptr(weights.values, panel_offset), panel_size, c_ptr, K)
            p += 1


@helper
def _float_matmul(a: Pointer, stride: int, rows: int, weights: FloatPanels, layer: int, c: Float32) -> None:
    _, P, K, _ = weights.values.shape
    c_stride, full_rows = c.shape[1], rows // MR * MR
    for p in range(P if full_rows > 0 else 0):
        b = element_ptr(weights.values, (layer * P + p) * K * NR)
        for i in range(0, full_rows, MR):
            microkernel(offset_ptr(a, i * stride), stride, 1, b, element_ptr(c, i * c_stride + p * NR), c_stride, K, 0)
    for i in range(full_rows, rows):
        _gemv_row(offset_ptr(a, i * stride), weights, layer, c, i * c_stride)
    if weights.int8_values.shape[0] > 0:
        for i in range(rows):
            for j in range(P * NR):
                c[i, j] *= weights.scales[layer, j]


def packed_matmul(
    a: Pointer,
    stride: int,
    rows: int,
    weights: PackedWeights | Float32,
    layer: int,
    c: Float32,
    workspace: QuantWorkspace | None,
) -> None:
    """c[:rows, : P·NR] = A @ B, inside other kernels only; `VnniPanels` clamp A to ±1.

    Row i of A [rows, K] begins at a[i · stride]; B is matrix `layer` of `weights`, or its only matrix, float32 panels
    [P, K, NR], which need no workspace; c is [≥ rows, ≥ P·NR]. The type of the weights selects the code, and only that
    is compiled: it takes seconds, and few runs need two.
    """
    raise TypeError("packed_matmul can be called inside kernels only")


@overload(packed_matmul)
def _select_kernel(
    a: Any, stride: Any, rows: Any, weights: Any, layer: Any, c: Any, workspace: Any
) -> Callable[..., None]:
    def int8_impl(
        a: Pointer, stride: int, rows: int, weights: VnniPanels, layer: int, c: Float32, workspace: QuantWorkspace
    ) -> None:
        _int8_matmul(a, stride, rows, weights, layer, c, workspace)

    def float_impl(
        a: Pointer, stride: int, rows: int, weights: FloatPanels, layer: int, c: Float32, workspace: QuantWorkspace
    ) -> None:
        _float_matmul(a, stride, rows, weights, layer, c)

    def tiled_impl(
        a: Pointer, stride: int, rows: int, weights: Float32, layer: int, c: Float32, workspace: None
    ) -> None:
        # Numba would compile the product once more for the type of a literal 0.
        gemm_panels(a, stride, rows, weights, c, rows - rows)

    impls: dict[Any, Callable[..., None]] = {VnniPanels: int8_impl, FloatPanels: float_impl}
    return impls.get(getattr(weights, "instance_class", None), tiled_impl)
