"""Both ends of the network: rows of the embedding in and out, softmax and cross-entropy, sums over rows.

Threads share rows of what is written, or columns of what is summed: two never write to the same element, and a sum is
taken in the same order whatever their number.
"""

import math

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import bits_float, exp, float_bits
from grucli.kernels.jit import exactly, kernel, reduction

Ids = NDArray[np.int32]

_COLUMNS = 512  # sums that stay in the first-level cache while the rows go by
_ALL_BUT_SIGN = np.int32(0x7FFFFFFF)


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
    for left in range(low, high, _COLUMNS):
        right = min(left + _COLUMNS, high)
        for j in range(left, right):
            sums[j] = np.float32(0)
        for n in range(matrix.shape[0]):
            for j in range(left, right):
                sums[j] += matrix[n, j]


@exactly
def _order(x: np.float32) -> np.int32:
    """A whole number that orders as x does, a NaN above everything; its own inverse on bits.

    A maximum of floats that lets NaN through is not taken in vector lanes, one of whole numbers is.
    """
    bits = float_bits(x)
    return np.int32(bits ^ ((bits >> np.int32(31)) & _ALL_BUT_SIGN))


@reduction
def largest(matrix: Float32, n: int, M: int) -> np.float32:
    """The largest of the first M elements of row n of a matrix [N, ≥ M], NaN if there is a positive one."""
    best = np.int32(-0x80000000)
    for j in range(M):
        value = _order(matrix[n, j])
        best = value if value > best else best
    return np.float32(bits_float(np.int32(best ^ ((best >> np.int32(31)) & _ALL_BUT_SIGN))))


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
        top = largest(logits, n, V)
        mass = np.float32(0)
        for j in range(V):
            mass += exp(logits[n, j] - top)
        total += weights[n] * (math.log(mass) + top - logits[n, targets[n]])
    return total


@reduction
def cross_entropy_gradient(logits: Float32, bias: Float32, targets: Ids, scale: np.float32) -> float:
    """As `cross_entropy` with all weights one, and logits [N, V] receives scale · (softmax - one-hot target)."""
    total = 0.0
    N, V = logits.shape
    for n in range(N):
        for j in range(V):
            logits[n, j] += bias[j]
        top = largest(logits, n, V)
        target = logits[n, targets[n]]
        mass = np.float32(0)
        for j in range(V):
            power = exp(logits[n, j] - top)
            logits[n, j] = power
            mass += power
        share = scale / mass
        for j in range(V):
            logits[n, j] *= share
        logits[n, targets[n]] -= scale
        total += math.log(mass) + top - target
    return total
