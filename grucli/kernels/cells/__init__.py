"""One step of one row, one file per cell; the equations are in the same file of `grucli.model.cells`.

A file here defines `CELL`, a NamedTuple class. Its fields are arrays, by the names that the cell's description gives
them: the biases, [L, ·] for L layers, and the arrays `saved` for the way back, [N, H] for N rows. Its methods are the
functions below, written for one row: plain loops over j. Which rows there are, in what order, and what is multiplied by
W between two calls is the business of `grucli.kernels.layer` (windows) and `grucli.kernels.decode` (a token at a time).

What a method is given, besides `cell` itself and H:

    layer   the row of the biases
    n       the row of the saved arrays
    a       [G·H]  x U, gate by gate; receives the activations; on the way back it holds them and receives da, the
                   gradient of what entered each gate
    m       [≥ M]  what was just multiplied: the M columns of the last product; on the way back, the gradient of what
                   that product had read
    old     the state before the step, a row [H] for each of its components
    new     the state after the step, likewise
    d       the gradient of the new state, likewise; receives the gradient of the old one

All are pointers to float32, read and written by index; compiled code cannot check an index. No two of them overlap.
"""

from typing import Any

from grucli.kernels.jit import method
from grucli.kernels.microkernel import Pointer

Cell = Any
"""An instance of a cell's class."""


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
    """From `m`, the last product, the activations that are missing in `a`, and the new state. Every cell has it."""


@method
def between(
    cell: Cell, stage: int, layer: int, n: int, H: int, a: Pointer, m: Pointer, old: tuple[Pointer, ...]
) -> None:
    """What product number `stage` reads, into row n of a saved array, from `m`, the product before.

    Only cells with a product that reads something else than the state have it. It is called before every product but
    the first, and before the first unless that reads the state.
    """


@method
def update_backward(
    cell: Cell, n: int, H: int, a: Pointer, old: tuple[Pointer, ...], new: tuple[Pointer, ...], d: tuple[Pointer, ...]
) -> None:
    """From `d`, da of the gates that `update` made; `d` becomes what of it reaches the old state without a product."""


@method
def between_backward(
    cell: Cell, stage: int, n: int, H: int, a: Pointer, m: Pointer, old: tuple[Pointer, ...], d: tuple[Pointer, ...]
) -> None:
    """From `m`, the gradient of what product `stage` read, da of the gates that `between` made; `d` is added to."""
