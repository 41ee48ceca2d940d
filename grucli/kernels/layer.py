"""Forward and backward pass of one recurrent layer over a window of T steps, for any cell.

Batch rows are independent, so each thread computes its rows [low, high) for all T steps: one task per layer and
direction, no barrier per step. Products without recurrence are computed outside over all N = T·B rows: x U before, dU,
dW and dx after.

The pointwise code is in `grucli.kernels.cells`: the type of `cell` selects what is compiled. Arrays over a window are
float32 with one row per step and batch row, n = t·B + i. `old` and `new` are the states before and after each step, one
array [N, H] for each of the S components.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.cells import Cell, prepare_operand, prepare_operand_backward, update, update_backward
from grucli.kernels.jit import inlined, kernel
from grucli.kernels.microkernel import Pointer, element_ptr, gemm_panels, row
from grucli.kernels.quantized import packed_matmul


class ForwardProduct(NamedTuple):
    """One product of a step, operand @ weights.

    operand [N, H]. weights: panels [P, H, NR] of one matrix, or `PackedWeights` of all layers. needs_operand: call
    `prepare_operand` of the cell first.
    """

    operand: Float32
    weights: Any
    needs_operand: bool


class BackwardProduct(NamedTuple):
    """One term of the gradient of a product's operand, d[:, column : column + K] @ transposed weights.

    d [N, ·]. panels [P, K, NR]: the transposed weights. accumulate: 1 to add to the previous term, else 0. into_state:
    add the result to the gradient of the state. stage: the product for which `prepare_operand_backward` of the cell is
    called next, or -1.
    """

    d: Float32
    column: int
    panels: Float32
    accumulate: int
    into_state: bool
    stage: int


@inlined
def step(
    cell: Cell,
    layer: int,
    n: int,
    rows: int,
    a: Float32,
    products: tuple[ForwardProduct, ...],
    old: tuple[Float32, ...],
    new: tuple[Float32, ...],
    scratch: Float32,
    workspace: Any,
) -> None:
    """Compute rows [n, n + rows) of `new` from `old`.

    a [N, ≥ G·H]: x U, receives the activations. scratch [≥ rows, columns of the widest product, padded to NR].
    """
    H = new[0].shape[1]
    for stage in range(len(products)):
        current = products[stage]
        if current.needs_operand:
            for i in range(rows):
                prepare_operand(cell, stage, layer, n + i, H, row(a, n + i), row(scratch, i), row(old, n + i))
        packed_matmul(row(current.operand, n), H, rows, current.weights, layer, scratch, workspace)
    for i in range(rows):
        update(cell, layer, n + i, H, row(a, n + i), row(scratch, i), row(old, n + i), row(new, n + i))


@kernel
def forward(
    low: int,
    high: int,
    cell: Cell,
    products: tuple[ForwardProduct, ...],
    gates: Float32,
    state: Float32,
    reset_mask: NDArray[np.bool_],
    old: tuple[Float32, ...],
    new: tuple[Float32, ...],
    scratch: Float32,
) -> None:
    """Compute the states of batch rows [low, high).

    gates [N, G·H]: x U, receives the activations. state [B, S·H]: state before the window, receives the one after it;
    where reset_mask [T, B] is true it is zero before the step. old, new: S arrays [N, H]. scratch [high - low, columns
    of the widest product, padded to NR].
    """
    T, B = reset_mask.shape
    H = new[0].shape[1]
    rows = high - low
    for t in range(T):
        n = t * B + low
        for k in range(len(old)):
            before = old[k]
            for i in range(rows):
                source = element_ptr(state, (low + i) * state.shape[1] + k * H) if t == 0 else row(new[k], n + i - B)
                is_reset = reset_mask[t, low + i]
                for j in range(H):
                    # Not a product with zero: a reset must also clear a state that is no longer finite.
                    before[n + i, j] = np.float32(0) if is_reset else source[j]
        step(cell, 0, n, rows, gates, products, old, new, scratch, None)
    for k in range(len(new)):
        after = new[k]
        for i in range(rows):
            for j in range(H):
                state[low + i, k * H + j] = after[(T - 1) * B + low + i, j]


@kernel
def backward(
    low: int,
    high: int,
    cell: Cell,
    products: tuple[BackwardProduct, ...],
    gates: Float32,
    reset_mask: NDArray[np.bool_],
    old: tuple[Float32, ...],
    new: tuple[Float32, ...],
    ds: Float32,
    dstate: tuple[Float32, ...],
    scratch: Float32,
) -> None:
    """Compute the gradients of batch rows [low, high).

    gates [N, G·H]: activations, receives da, the gradient of the pre-activations. old, new: S arrays [N, H], as left by
    `forward`. ds [N, H]: gradient of the output. dstate: S arrays [B, H], receive the gradient of the state before the
    window; that of the state after it is taken as zero. scratch [high - low, H padded to NR].
    """
    T, B = reset_mask.shape
    H = ds.shape[1]
    rows = high - low
    _clear_rows(dstate, low, high)
    carried = dstate[0]
    for t in range(T - 1, -1, -1):
        n = t * B + low
        for i in range(rows):
            _add_row(row(carried, low + i), row(ds, n + i), H)
            update_backward(cell, n + i, H, row(gates, n + i), row(old, n + i), row(new, n + i), row(dstate, low + i))
        for current in products:
            stride = current.d.shape[1]
            start = element_ptr(current.d, n * stride + current.column)
            gemm_panels(start, stride, rows, current.panels, scratch, current.accumulate)
            if current.into_state:
                for i in range(rows):
                    _add_row(row(carried, low + i), row(scratch, i), H)
            if current.stage >= 0:
                for i in range(rows):
                    prepare_operand_backward(
                        cell, current.stage, n + i, H,
                        row(gates, n + i), row(scratch, i), row(old, n + i), row(dstate, low + i),
                    )  # fmt: skip
        for i in range(low, high):
            if reset_mask[t, i]:
                _clear_rows(dstate, i, i + 1)


@inlined
def _add_row(target: Pointer, source: Pointer, H: int) -> None:
    for j in range(H):
        target[j] += source[j]


@inlined
def _clear_rows(arrays: tuple[Float32, ...], low: int, high: int) -> None:
    for array in arrays:
        for i in range(low, high):
            for j in range(array.shape[1]):
                array[i, j] = np.float32(0)
