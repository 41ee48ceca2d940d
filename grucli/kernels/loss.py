"""Both ends of the network: rows of the embedding in and out, softmax and cross-entropy, sums over rows.

Threads share rows of what is written, or columns of what is summed: two never write to the same element, and a sum is
taken in the same order whatever their number.
"""

import math

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import bitcast_to_float, bitcast_to_int, exp
from grucli.kernels.jit import helper, kernel, reduction

Ids = NDArray[np.int32]

_COLUMN_BLOCK = 512  # sums that stay in the first-level cache while the rows go by
_ABS_MASK = np.int32(0x7FFFFFFF)


@kernel
def gather(low: int, high: int, ids: Ids, table: Float32, x: Float32) -> None:
    """x[n] = table[ids[n]] for rows low ≤ n < high; ids [N], table [V, E], x [N, E]."""
    E = table.shape[1]
    for n in range(low, high):
        row = ids[n]
        for j in range(E):
            x[n, j] = table[row, j]


@kernel
def scatter_add(low: int, high: int, ids: Ids, dx: Float32, dtable: Float32) -> None:
    """dtable[ids[n]] += dx[n] for columns low ≤ j < high; ids [N], dx [N, E], dtable [V, E]."""
    for n in range(ids.shape[0]):
        row = ids[n]
        for j in range(low, high):
            dtable[row, j] += dx[n, j]


@kernel
def column_sums(low: int, high: int, matrix: Float32, sums: Float32) -> None:
    """sums[j] = Σ_n matrix[n, j] for columns low ≤ j < high; matrix [N, M], sums [M]."""
    for left in range(low, high, _COLUMN_BLOCK):
        right = min(left + _COLUMN_BLOCK, high)
        for j in range(left, right):
            sums[j] = np.float32(0)
        for n in range(matrix.shape[0]):
            for j in range(left, right):
                sums[j] += matrix[n, j]


@helper
def _float_as_ordered_int(x: np.float32) -> np.int32:
    """A whole number that orders as x does, a NaN above everything; its own inverse on bits.

    A maximum of floats that lets NaN through is not taken in vector lanes, one of whole numbers is.
    """
    bits = bitcast_to_int(x)
    return np.int32(bits ^ ((bits >> np.int32(31)) & _ABS_MASK))


@reduction
def row_max(matrix: Float32, n: int, M: int) -> np.float32:
    """The largest of the first M elements of row n of a matrix [N, ≥ M], NaN if there is a positive one."""
    max_value = np.int32(-0x80000000)
    for j in range(M):
        value = _float_as_ordered_int(matrix[n, j])
        max_value = value if value > max_value else max_value
    return np.float32(bitcast_to_float(np.int32(max_value ^ ((max_value >> np.int32(31)) & _ABS_MASK))))


@reduction
def cross_entropy(logits: Float32, bias: Float32, targets: Ids, weights: Float32) -> float:
    """Σ_n weights[n] · -ln softmax(logits[n] + bias)[targets[n]], in nats.

    logits [N, V] receives the logits with the bias added; bias [V], targets [N], weights [N].
    """
    total = 0.0
    N, V = logits.shape
    for n in range(N):
        for j in range(V):
            logits[n, j] += bias[j]
        max_logit = row_max(logits, n, V)
        sum_exp = np.float32(0)
        for j in range(V):
            sum_exp += exp(logits[n, j] - max_logit)
        total += weights[n] * (math.log(sum_exp) + max_logit - logits[n, targets[n]])
    return total


@reduction
def cross_entropy_gradient(logits: Float32, bias: Float32, targets: Ids, scale: np.float32) -> float:
    """As `cross_entropy` with all weights one, and logits [N, V] receives scale · (softmax - one-hot target)."""
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
