"""Products for text that is being written: few rows, so the weights' way from memory is what takes the time.

A token of one stream reads every weight once and uses it for one multiply-add. So weights are kept in a byte each: a
column's largest weight becomes ±127, and the column's sum is scaled back at the end. Held-out loss moves by a few
hundredths of a percent (`benchmarks/NOTES.md`).

Where the processor multiplies bytes (`HAS_DOT`), what is multiplied by the weights becomes whole numbers too: a state
lies in ±1 and is written as two digits of a byte, x = (256·high + low - 32768) / 32767, so that an error of 2e-5 is all
that is lost; the sums are exact. Elsewhere the bytes are turned into floats on their way into the registers.

Every row is the same sum whichever way it goes, so a text is the same alone or in a batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import exactly, overload
from grucli.kernels.microkernel import (
    DOT_ROWS,
    HAS_DOT,
    ROWS,
    STRIPE,
    WIDTH,
    Pointer,
    address,
    byte_stripe,
    byte_stripe_of_one,
    dot,
    dot_of_one,
    dot_stripe,
    pack,
    panels_for,
    shifted,
    stripe,
    stripe_of_one,
    tile,
)

Digits = NDArray[np.uint8]

_LARGEST = 127
_UNIT = 32767.0


class Panels(NamedTuple):
    """L matrices [K, M] in panels: numbers float32 [L, P, K, WIDTH]. Rounded ones are whole numbers, and `bytes` holds
    them in int8; at full precision it is empty, [0, P, K, WIDTH]. scales [L, P·WIDTH]: what a column's sum is
    multiplied by."""

    numbers: Float32
    bytes: NDArray[np.int8]
    scales: Float32


class Quads(NamedTuple):
    """L matrices [K, M] for a dot product: panels of whole numbers with four neighbouring k side by side, bytes int8
    [L, P, ⌈K / 4⌉, 4·WIDTH]. scales [L, P·WIDTH] is what each column's sum is multiplied by, totals int32 [L, P·WIDTH]
    its sum."""

    bytes: NDArray[np.int8]
    scales: Float32
    totals: NDArray[np.int32]
    K: int


Packed = Panels | Quads


class Desk(NamedTuple):
    """Scratch of `stream_product`: digits uint8 [2·rows, padded K], the high ones of a row and then its low ones, and
    their sums int32 [2·rows, P·WIDTH]."""

    digits: Digits
    sums: NDArray[np.int32]


def desk_for(rows: int, K: int, columns: int) -> Desk:
    """Room for products of so many rows with matrices [K, ≤ columns]."""
    quads = -(-K // 4)
    return Desk(np.zeros((2 * rows, 4 * quads), np.uint8), np.zeros((2 * rows, panels_for(columns) * WIDTH), np.int32))


def packed(matrices: Sequence[Float32], start: int, columns: int, *, rounded: bool) -> Packed:
    """matrix[:, start : start + columns] of each matrix [K, ≥ start + columns], rounded to int8 or as they are."""
    P, K = panels_for(columns), matrices[0].shape[0] if matrices else 1
    numbers = np.zeros((len(matrices), P, K, WIDTH), np.float32)
    scales = np.ones((len(matrices), P * WIDTH), np.float32)
    for layer, matrix in enumerate(matrices):
        part = np.ascontiguousarray(matrix[:, start : start + columns])
        if rounded:
            part, scales[layer, :columns] = _in_bytes(part)
        pack(part, 0, columns, numbers[layer])
    if rounded and HAS_DOT:
        totals = numbers.sum(axis=2, dtype=np.float64).reshape(scales.shape).astype(np.int32)
        return Quads(_in_quads(numbers.astype(np.int8)), scales / np.float32(_UNIT), totals, K)
    return Panels(numbers, numbers.astype(np.int8) if rounded else np.empty((0, P, K, WIDTH), np.int8), scales)


def _in_bytes(matrix: Float32) -> tuple[Float32, Float32]:
    """A matrix [K, M] as whole numbers from -127 to 127, and what each column is multiplied by, [M]."""
    largest = np.abs(matrix).max(axis=0)
    scales = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
    return np.rint(matrix / scales).astype(np.float32), scales


def as_multiplied(matrix: Float32, *, rounded: bool) -> Float32:
    """The matrix [K, M] that a product with its `packed` form is one with."""
    if not rounded:
        return matrix
    numbers, scales = _in_bytes(matrix)
    return numbers * scales


def _in_quads(bytes_: NDArray[np.int8]) -> NDArray[np.int8]:
    """[L, P, K, WIDTH] → [L, P, K / 4, 4·WIDTH], K filled up with zeros."""
    L, P, K, _ = bytes_.shape
    quads = -(-K // 4)
    whole = np.zeros((L, P, 4 * quads, WIDTH), np.int8)
    whole[:, :, :K] = bytes_
    return np.ascontiguousarray(whole.reshape(L, P, quads, 4, WIDTH).swapaxes(3, 4)).reshape(L, P, quads, 4 * WIDTH)


@exactly
def _write_digits(a: Pointer, K: int, row: int, desk: Desk) -> None:
    """K numbers as digits of row `row`; what lies outside ±1 is taken as ±1."""
    for k in range(K):
        x = min(max(a[k], np.float32(-1)), np.float32(1))
        number = np.int32(x * np.float32(_UNIT) + np.float32(32768.5))
        desk.digits[2 * row, k] = np.uint8(number >> 8)
        desk.digits[2 * row + 1, k] = np.uint8(number & 255)


@exactly
def _dot_rows(rows: int, weights: Quads, layer: int, desk: Desk) -> None:
    """desk.sums[:rows] = desk.digits[:rows] @ bytes, for an even number of rows."""
    _, P, quads, size = weights.bytes.shape
    digits, sums = desk.digits, desk.sums
    panel, row, sums_row = quads * size, digits.shape[1], sums.shape[1]
    whole = rows // DOT_ROWS * DOT_ROWS
    for p in range(P if whole > 0 else 0):
        b = address(weights.bytes, (layer * P + p) * panel)
        for i in range(0, whole, DOT_ROWS):
            cell = address(sums, i * sums_row + p * WIDTH)
            dot(address(digits, i * row), row, b, panel, cell, sums_row, quads)
    for i in range(whole, rows, 2):
        source, p = address(digits, i * row), 0
        while p < P:
            b, cell = address(weights.bytes, (layer * P + p) * panel), address(sums, i * sums_row + p * WIDTH)
            if p + STRIPE <= P:
                dot_stripe(source, row, b, panel, cell, sums_row, quads)
                p += STRIPE
            else:
                dot_of_one(source, row, b, panel, cell, sums_row, quads)
                p += 1


@exactly
def _dot_product(a: Pointer, stride: int, rows: int, weights: Quads, layer: int, c: Float32, desk: Desk) -> None:
    """`stream_product` in whole numbers."""
    for i in range(rows):
        _write_digits(shifted(a, i * stride), weights.K, i, desk)
    _dot_rows(2 * rows, weights, layer, desk)
    for i in range(rows):
        for j in range(weights.scales.shape[1]):
            # 32768 is 256 · 128: taken off the high digits, what is left is small enough to be exact in a float.
            high = np.float32(desk.sums[2 * i, j] - 128 * weights.totals[layer, j])
            low = np.float32(desk.sums[2 * i + 1, j])
            c[i, j] = (np.float32(256) * high + low) * weights.scales[layer, j]


@exactly
def _one_row(a: Pointer, weights: Panels, layer: int, c: Float32, to: int) -> None:
    """A row in floats, from bytes or at full precision."""
    _, P, K, _ = weights.numbers.shape
    size, first = K * WIDTH, layer * P * K * WIDTH
    rounded = weights.bytes.shape[0] > 0
    p = 0
    while p < P:
        target, panel = address(c, to + p * WIDTH), first + p * size
        if p + STRIPE <= P:
            if rounded:
                byte_stripe(a, address(weights.bytes, panel), size, target, K)
            else:
                stripe(a, address(weights.numbers, panel), size, target, K)
            p += STRIPE
        else:
            if rounded:
                byte_stripe_of_one(a, address(weights.bytes, panel), size, target, K)
            else:
                stripe_of_one(a, address(weights.numbers, panel), size, target, K)
            p += 1


@exactly
def _float_product(a: Pointer, stride: int, rows: int, weights: Panels, layer: int, c: Float32) -> None:
    """`stream_product` in floats: rows that come in tiles take the register tile, over the same numbers."""
    _, P, K, _ = weights.numbers.shape
    c_row, whole = c.shape[1], rows // ROWS * ROWS
    for p in range(P if whole > 0 else 0):
        b = address(weights.numbers, (layer * P + p) * K * WIDTH)
        for i in range(0, whole, ROWS):
            tile(shifted(a, i * stride), stride, 1, b, address(c, i * c_row + p * WIDTH), c_row, K, 0)
    for i in range(whole, rows):
        _one_row(shifted(a, i * stride), weights, layer, c, i * c_row)
    if weights.bytes.shape[0] > 0:
        for i in range(rows):
            for j in range(P * WIDTH):
                c[i, j] *= weights.scales[layer, j]


def stream_product(a: Pointer, stride: int, rows: int, weights: Packed, layer: int, c: Float32, desk: Desk) -> None:
    """c[:rows, : P·WIDTH] = A @ B, inside other kernels only; a product of `Quads` asks for an A in ±1.

    Row i of A [rows, K] begins at a[i · stride]; B is matrix `layer` of `weights`; c is [≥ rows, ≥ P·WIDTH]. Only the
    way that the type of the weights asks for is compiled: that takes seconds, and hardly anybody needs both.
    """
    raise TypeError("there are pointers inside kernels only")


@overload(stream_product)
def _way(a: Any, stride: Any, rows: Any, weights: Any, layer: Any, c: Any, desk: Any) -> Callable[..., None]:
    def whole(a: Pointer, stride: int, rows: int, weights: Quads, layer: int, c: Float32, desk: Desk) -> None:
        _dot_product(a, stride, rows, weights, layer, c, desk)

    def floats(a: Pointer, stride: int, rows: int, weights: Panels, layer: int, c: Float32, desk: Desk) -> None:
        _float_product(a, stride, rows, weights, layer, c)

    return whole if weights.instance_class is Quads else floats
