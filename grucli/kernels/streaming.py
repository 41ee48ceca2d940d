"""Products for text that is being written: few rows, so the weights' way from memory is what takes the time.

A token of one stream reads every weight once and uses it for one multiply-add. So weights are kept in a byte each: a
column's largest weight becomes ±127, and the column's sum is scaled back at the end. Held-out loss moves by a few
hundredths of a percent (`benchmarks/NOTES.md`). Rows that come in eights take the register tile, over the same whole
numbers in float32: every row is the same chain of multiply-adds whichever way it goes, alone or in a batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import exactly
from grucli.kernels.tile import (
    ROWS,
    STRIPE,
    WIDTH,
    address,
    byte_stripe,
    byte_stripe_of_one,
    pack,
    panels_for,
    stripe,
    stripe_of_one,
    tile,
)

_LARGEST = 127


class Packed(NamedTuple):
    """L matrices [K, M] in panels. numbers float32 [L, P, K, WIDTH]; in int8 the same in `bytes`, which is empty
    ([0, P, K, WIDTH]) at full precision; scales [L, P·WIDTH] is what each column's sum is multiplied by."""

    numbers: Float32
    bytes: NDArray[np.int8]
    scales: Float32


def packed(matrices: Sequence[Float32], start: int, columns: int, *, rounded: bool) -> Packed:
    """matrix[:, start : start + columns] of each matrix [K, ≥ start + columns], rounded to int8 or as they are."""
    P, K = panels_for(columns), matrices[0].shape[0] if matrices else 1
    numbers = np.zeros((len(matrices), P, K, WIDTH), np.float32)
    scales = np.ones((len(matrices), P * WIDTH), np.float32)
    for layer, matrix in enumerate(matrices):
        part = np.ascontiguousarray(matrix[:, start : start + columns])
        if rounded:
            largest = np.abs(part).max(axis=0)
            scales[layer, :columns] = np.where(largest > 0, largest / _LARGEST, 1)
            part = np.rint(part / scales[layer, :columns]).astype(np.float32)
        pack(part, 0, columns, numbers[layer])
    return Packed(numbers, numbers.astype(np.int8) if rounded else np.empty((0, P, K, WIDTH), np.int8), scales)


@exactly
def _one_row(a: Float32, begin: int, weights: Packed, layer: int, c: Float32, to: int) -> None:
    _, P, K, _ = weights.numbers.shape
    size, first = K * WIDTH, layer * P * K * WIDTH
    rounded = weights.bytes.shape[0] > 0
    p = 0
    while p < P:
        source, target, panel = address(a, begin), address(c, to + p * WIDTH), first + p * size
        if p + STRIPE <= P:
            if rounded:
                byte_stripe(source, address(weights.bytes, panel), size, target, K)
            else:
                stripe(source, address(weights.numbers, panel), size, target, K)
            p += STRIPE
        else:
            if rounded:
                byte_stripe_of_one(source, address(weights.bytes, panel), size, target, K)
            else:
                stripe_of_one(source, address(weights.numbers, panel), size, target, K)
            p += 1


@exactly
def stream_product(
    a: Float32, start: int, stride: int, rows: int, weights: Packed, layer: int, c: Float32, column: int
) -> None:
    """c[:rows, column : column + P·WIDTH] = A @ B, for use inside other kernels.

    A [rows, K] begins at element `start` of `a`, its rows `stride` elements apart; B is matrix `layer` of `weights`;
    c is [≥ rows, ≥ column + P·WIDTH].
    """
    _, P, K, _ = weights.numbers.shape
    c_row = c.shape[1]
    whole = rows // ROWS * ROWS
    for p in range(P if whole > 0 else 0):
        b = address(weights.numbers, (layer * P + p) * K * WIDTH)
        for i in range(0, whole, ROWS):
            cell = address(c, i * c_row + column + p * WIDTH)
            tile(address(a, start + i * stride), stride, 1, b, cell, c_row, K, 0)
    for i in range(whole, rows):
        _one_row(a, start + i * stride, weights, layer, c, i * c_row + column)
    if weights.bytes.shape[0] > 0:
        for i in range(rows):
            for j in range(P * WIDTH):
                c[i, column + j] *= weights.scales[layer, j]
