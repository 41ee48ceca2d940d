"""Recurrent layer of any cell: its kernels and their arrays, derived from the cell's description.

Not in `grucli.model.cells`, so that reading weights files imports no kernels.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32, empty
from grucli.kernels.layer import BackwardProduct, ForwardProduct, backward, forward
from grucli.kernels.microkernel import NR, num_panels, pack, pack_transposed
from grucli.model.cell import Cell, Product


def kernel_cell(cell: Cell) -> Any:
    """Return the NamedTuple class of the kernels of a cell; see `grucli.kernels.cells`."""
    return import_module(f"grucli.kernels.cells.{cell.name.replace('-', '_')}").CELL


def forward_products(cell: Cell, operands: Mapping[str, Float32], weights: Iterable[Any]) -> tuple[ForwardProduct, ...]:
    """Return the products of a step: `operands` by name, "s" and the saved arrays; `weights` per product, packed."""
    return tuple(
        ForwardProduct(operands[product.operand], packed, _needs_operand(product, stage))
        for stage, (product, packed) in enumerate(zip(cell.products, weights, strict=True))
    )


def _needs_operand(product: Product, stage: int) -> bool:
    return stage > 0 or product.operand != "s"


class RecurrentLayer:
    """Forward and backward passes of one layer over windows [T, B], and their float32 arrays.

    `gates` [T, B, G·H]: x U before `forward`, da after `backward`. `s` [T, B, H]: the output. `dstate`: gradient of the
    state before the window, one array [B, H] per component.
    """

    def __init__(self, cell: Cell, T: int, B: int, H: int) -> None:
        N = T * B
        self._cell, self._kernel, self._H = cell, kernel_cell(cell), H
        self.gates = empty(T, B, len(cell.gates) * H)
        self._flat_gates = self.gates.reshape(N, -1)
        self._old, self._new = (tuple(empty(N, H) for _ in cell.state) for _ in range(2))
        self.s = self._new[0].reshape(T, B, H)
        self._saved = {name: empty(N, H) for name in cell.saved}
        self._operands = {"s": self._old[0], **self._saved}
        self.dstate = tuple(empty(B, H) for _ in cell.state)
        panels = [empty(num_panels(len(product.gates) * H), H, NR) for product in cell.products]
        self._products = forward_products(cell, self._operands, panels)
        self._back_products = tuple(self._make_back_products())

    def _parts(self, names: tuple[str, ...]) -> list[tuple[Float32, int, int]]:
        # (array, first column, number of columns) of each gate or saved array; adjacent gates are merged.
        H, parts = self._H, list[tuple[Float32, int, int]]()
        for name in names:
            if name in self._saved:
                parts.append((self._saved[name], 0, H))
                continue
            column = self._cell.gates.index(name) * H
            if parts and parts[-1][0] is self._flat_gates and sum(parts[-1][1:]) == column:
                parts[-1] = (self._flat_gates, parts[-1][1], parts[-1][2] + H)
            else:
                parts.append((self._flat_gates, column, H))
        return parts

    def _make_back_products(self) -> list[BackwardProduct]:
        # In the order of the backward pass: last product first, and the parts of a product from left to right.
        made = []
        for stage, product in reversed(list(enumerate(self._cell.products))):
            parts = self._parts(product.gradient_sources)
            for number, (d, column, columns) in enumerate(parts):
                is_last = number == len(parts) - 1
                into_state = is_last and product.operand == "s"
                needs_operand = is_last and _needs_operand(product, stage)
                panels = empty(num_panels(self._H), columns, NR)
                made.append(
                    BackwardProduct(d, column, panels, int(number > 0), into_state, stage if needs_operand else -1)
                )
        return made

    def pack(self, W: Float32) -> None:
        """Pack the recurrent weights W float32 [H, R·H] for `forward`."""
        for product, made in zip(self._cell.products, self._products, strict=True):
            columns = self._cell.recurrent_columns(product.gates, self._H)
            pack(W, columns.start, columns.stop - columns.start, made.weights)

    def pack_transposed(self, W: Float32) -> None:
        """Pack the transpose of W float32 [H, R·H] for `backward`."""
        made = iter(self._back_products)
        for product in reversed(self._cell.products):
            start = self._cell.recurrent_columns(product.gates, self._H).start
            for _, _, columns in self._parts(product.gradient_sources):
                pack_transposed(W, start, columns, next(made).panels)
                start += columns

    def _bound(self, biases: Mapping[str, Float32]) -> Any:
        return self._kernel(**{name: biases[name].reshape(1, -1) for name in self._cell.biases}, **self._saved)

    def forward(
        self, low: int, high: int, weights: Mapping[str, Float32], state: Float32, reset_mask: NDArray[np.bool_]
    ) -> None:
        """Compute batch rows [low, high) from state [B, S·H], which is updated in place; reset_mask [T, B]."""
        scratch = empty(high - low, max(product.weights.shape[0] for product in self._products) * NR)
        forward(
            low, high, self._bound(weights), self._products, self._flat_gates, state, reset_mask, self._old, self._new,
            scratch,
        )  # fmt: skip

    def backward(
        self, low: int, high: int, weights: Mapping[str, Float32], ds: Float32, reset_mask: NDArray[np.bool_]
    ) -> None:
        """Compute the gradients of batch rows [low, high) for ds [T, B, H]."""
        scratch = empty(high - low, num_panels(self._H) * NR)
        backward(
            low, high, self._bound(weights), self._back_products, self._flat_gates, reset_mask, self._old, self._new,
            ds.reshape(self._old[0].shape), self.dstate, scratch,
        )  # fmt: skip

    def weight_grad_terms(self) -> list[tuple[Float32, Float32, slice, int]]:
        """Return A, D [N, ...], columns and an offset, after `backward`: dW[:, columns + offset] = Aᵀ D[:, columns]."""
        made = []
        for product in self._cell.products:
            into = self._cell.recurrent_columns(product.gates, self._H).start
            for d, column, columns in self._parts(product.gradient_sources):
                made.append((self._operands[product.operand], d, slice(column, column + columns), into - column))
                into += columns
        return made

    def bias_gradients(self) -> dict[str, tuple[Float32, int]]:
        """Return by name, after `backward`, the array [N, ≥ column + size] and the column at which the terms of the
        gradient of each bias begin."""
        gradients = {}
        for name, into in self._cell.biases.items():
            ((d, column, _),) = self._parts(into)
            gradients[name] = d, column
        return gradients
