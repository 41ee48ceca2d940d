"""One recurrent layer over a window of T steps, forward and backward, for every cell.

Batch rows do not depend on each other for the whole window, so each thread takes its rows [low, high) through all T
steps alone: one hand-off per layer and direction, no barrier per step. What does not recur is left to products over
all N = T·B rows at once, outside: x U beforehand, dU, dW and dx afterwards.

What is the cell's own is in `grucli.kernels.cells`: the type of `cell` decides which code is compiled. Arrays over a
window have a row per step and batch row, n = t·B + i. The state has S components, and a tuple of S arrays [N, H] holds
the states before each step (`old`), another one those after it (`new`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.cells import Cell, between, between_backward, update, update_backward
from grucli.kernels.jit import inlined, kernel
from grucli.kernels.microkernel import element_ptr, gemm_panels, row
from grucli.kernels.quantized import packed_matmul


class ForwardProduct(NamedTuple):
    """One product of a step: `reads` [N, H] by `weights`, the panels of the one matrix [P, H, WIDTH] or all layers'
    matrices, `Packed`. `prepared`: whether the cell's `between` comes before it."""

    reads: Float32
    weights: Any
    prepared: bool


class BackwardProduct(NamedTuple):
    """A part of the gradient of what a product read: d[:, column : column + K] by transposed weights, packed in panels
    [P, K, WIDTH].

    `more`: 1 where it is added to the part before, else 0. `into_state`: what is there now is added to the gradient of
    the state. `stage`: the product for which the cell's `between_backward` comes next, or -1.
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
    """Rows [n, n + rows) of `old` to `new`. a [N, ≥ G·H] holds x U and receives the activations.

    sums [≥ rows, widest product, padded] is scratch.
    """
    H = new[0].shape[1]
    for stage in range(len(products)):
        current = products[stage]
        if current.prepared:
            for i in range(rows):
                between(cell, stage, layer, n + i, H, row(a, n + i), row(scratch, i), row(old, n + i))
        packed_matmul(row(current.reads, n), H, rows, current.weights, layer, scratch, workspace)
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
    """Batch rows [low, high) of the whole window.

    gates [N, G·H] holds x U and receives the activations. state [B, S·H] is the carried state and receives the last
    one; where resets [T, B] is true it is zero before the step. sums [rows, widest product, padded] is scratch.
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
    """Batch rows [low, high) of the whole window, backwards.

    gates [N, G·H] holds the activations and receives da, the gradient of what entered each gate. ds [N, H] comes from
    above. dstate, S arrays [B, H], receives the gradient of the state before the window; that of the state after it is
    zero. sums [rows, padded H] is scratch.
    """
    T, B = reset_mask.shape
    H = ds.shape[1]
    rows = high - low
    _clear(dstate, low, high)
    carried = dstate[0]
    for t in range(T - 1, -1, -1):
        n = t * B + low
        for i in range(rows):
            _add(carried, low + i, ds, n + i)
            update_backward(cell, n + i, H, row(gates, n + i), row(old, n + i), row(new, n + i), row(dstate, low + i))
        for current in products:
            stride = current.d.shape[1]
            start = element_ptr(current.d, n * stride + current.column)
            gemm_panels(start, stride, rows, current.panels, scratch, current.accumulate)
            if current.into_state:
                for i in range(rows):
                    _add(carried, low + i, scratch, i)
            if current.stage >= 0:
                for i in range(rows):
                    between_backward(
                        cell, current.stage, n + i, H,
                        row(gates, n + i), row(scratch, i), row(old, n + i), row(dstate, low + i),
                    )  # fmt: skip
        for i in range(low, high):
            if reset_mask[t, i]:
                _clear(dstate, i, i + 1)


@inlined
def _add(to: Float32, i: int, more: Float32, k: int) -> None:
    """to[i] += more[k]."""
    target, source = row(to, i), row(more, k)
    for j in range(to.shape[1]):
        target[j] += source[j]


@inlined
def _clear(arrays: tuple[Float32, ...], low: int, high: int) -> None:
    """Zero into rows [low, high) of each."""
    for array in arrays:
        for i in range(low, high):
            for j in range(array.shape[1]):
                array[i, j] = np.float32(0)
