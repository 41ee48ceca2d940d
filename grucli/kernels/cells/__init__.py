"""Pointwise kernels of the cells: one step of one row. The equations are in the same file of `grucli.model.cells`.

A file defines `CELL`, a NamedTuple class. Its fields are float32 arrays with the names of the cell's description: the
biases [L, ·] of L layers, and the arrays `saved` for the backward pass [N, H]. Its methods are the functions below,
loops over the H units of a row. The loops over rows and the products with W are in `grucli.kernels.layer` (windows) and
`grucli.kernels.decode` (one token at a time). Arguments of the methods besides `cell` and H:

    layer   row of the biases
    n       row of the saved arrays
    a       [G·H]  forward: x U per gate, receives the activations; backward: the activations, receives da, the gradient
                   of the pre-activation of each gate
    m       [≥ M]  forward: result of the last product, M columns; backward: gradient of the operand of that product
    old     state before the step, one row [H] per component
    new     state after the step, likewise
    d       gradient of the new state, likewise; receives that of the old state

Arrays are pointers to float32 that do not overlap; compiled code does not check indices.
"""

from typing import Any

from grucli.kernels.jit import method
from grucli.kernels.microkernel import Pointer

Cell = Any
"""Instance of the NamedTuple class of a cell."""


@method
def update(
    cell: Cell,
    layer: int,
    n: int,
    H: int,
    a: Pointer,
    m: Pointer,
    old: tuple[Pointer, ...],
    new: tuple[Pointer, ...],
) -> None:
    """Compute the remaining activations in `a` and the new state from the last product `m`. Every cell has it."""


@method
def prepare_operand(
    cell: Cell, stage: int, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: tuple[Pointer, ...]
) -> None:
    """Compute the operand of product number `stage`, row n of a saved array, from the product before it, `m`.

    Only cells with a product whose operand is not the state have it. It is called before every product but the first,
    and before the first unless its operand is the state.
    """


@method
def update_backward(
    cell: Cell, n: int, H: int, a: Pointer, old: tuple[Pointer, ...], new: tuple[Pointer, ...], d: tuple[Pointer, ...]
) -> None:
    """Compute da of the gates of `update` from `d`; `d` becomes the gradient of the old state, without the products."""


@method
def prepare_operand_backward(
    cell: Cell, stage: int, n: int, H: int, a: Pointer, m: Pointer, old: tuple[Pointer, ...], d: tuple[Pointer, ...]
) -> None:
    """Compute da of the gates of `prepare_operand` from the gradient `m` of its operand; add to `d`."""
