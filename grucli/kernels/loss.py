"""Embedding look-up, softmax cross-entropy and column sums.

Threads share the rows that are written, or the columns that are summed: no two write to the same element, and each sum
is taken in the same order for any number of threads.
"""

import math

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import bitcast_to_float, bitcast_to_int, exp
from grucli.kernels.jit import helper, kernel, reduction

Ids = NDArray[np.int32]

_COLUMN_BLOCK = 512  # sums that fit the first-level cache during the pass over all rows
_ABS_MASK = np.int32(0x7FFFFFFF)


@kernel
def gather(low: int, high: int, ids: Ids, table: Float32, x: Float32) -> None:
    """x[n] = table[ids[n]] for rows low ≤ n < high; ids int32 [N], table, x float32 [V, E] and [N, E]."""
    E = table.shape[1]
    for n in range(low, high):
        row = ids[n]
        for j in range(E):
            x[n, j] = table[row, j]


@kernel
def scatter_add(low: int, high: int, ids: Ids, dx: Float32, dtable: Float32) -> None:
    """dtable[ids[n]] += dx[n] for columns low ≤ j < high; ids int32 [N], dx, dtable float32 [N, E] and [V, E]."""
    for n in range(ids.shape[0]):
        row = ids[n]
        for j in range(low, high):
            dtable[row, j] += dx[n, j]


@kernel
def column_sums(low: int, high: int, matrix: Float32, first: int, sums: Float32) -> None:
    """sums[j] = Σ_n matrix[n, first + j] for low ≤ j < high; matrix float32 [N, ≥ first + M], sums float32 [M]."""
    for left in range(low, high, _COLUMN_BLOCK):
        right = min(left + _COLUMN_BLOCK, high)
        for j in range(left, right):
            sums[j] = np.float32(0)
        for n in range(matrix.shape[0]):
            for j in range(left, right):
                sums[j] += matrix[n, first + j]


@helper
def _float_as_ordered_int(x: np.float32) -> np.int32:
    """An integer that orders as x does, NaN above everything; its own inverse on bits.

    LLVM vectorizes a maximum of integers, but not a maximum of floats that propagates NaN.
    """
    bits = bitcast_to_int(x)
    return np.int32(bits ^ ((bits >> np.int32(31)) & _ABS_MASK))


@reduction
def row_max(matrix: Float32, n: int, M: int) -> np.float32:
    """Return the largest of the first M elements of row n of a float32 matrix [N, >= M]; NaN if there is one."""
    max_value = np.int32(-0x80000000)
    for j in range(M):
        value = _float_as_ordered_int(matrix[n, j])
        max_value = value if value > max_value else max_value
    return np.float32(bitcast_to_float(np.int32(max_value ^ ((max_value >> np.int32(31)) & _ABS_MASK))))


@reduction
def cross_entropy(logits: Float32, bias: Float32, targets: Ids, nats: Float32) -> None:
    """nats[n] = -ln softmax(logits[n] + bias)[targets[n]].

    logits float32 [N, V]: the bias is added in place. bias float32 [V], targets int32 [N], nats float32 [N].
    """
    N, V = logits.shape
    for n in range(N):
        for j in range(V):
            logits[n, j] += bias[j]
        max_logit = row_max(logits, n, V)
        sum_exp = np.float32(0)
        for j in range(V):
            sum_exp += exp(logits[n, j] - max_logit)
        nats[n] = math.log(sum_exp) + max_logit - logits[n, targets[n]]


@reduction
def cross_entropy_gradient(logits: Float32, bias: Float32, targets: Ids, scale: np.float32) -> float:
    """Σ_n of the nats of `cross_entropy`; logits [N, V] becomes the gradient scale · (softmax - one-hot target)."""
    total = 0.0
    N, V = logits.shape
    for n in range(N):
        for j in range(V):
            logits[n, j] += bias[j]
        max_logit = row_max(logits, n, V)
        target_logit = logits[n, targets[n]]
        sum_exp = np.float32(0)
        for j in range(V):
            exp_logit = exp(logits[n, j] - max_logit)
            logits[n, j] = exp_logit
            sum_exp += exp_logit
        factor = scale / sum_exp
        for j in range(V):
            logits[n, j] *= factor
        logits[n, targets[n]] -= scale
        total += math.log(sum_exp) + max_logit - target_logit
    return total
