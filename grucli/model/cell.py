"""Description of a recurrent cell, from which everything that depends on the kind of cell is derived.

A cell is one file in `grucli.model.cells`, which needs NumPy only, and one file of the same name in
`grucli.kernels.cells` with its compiled loops. No other file names a cell.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Arrays = Mapping[str, Float64]
Gradients = Callable[[], dict[str, Float64]]
Backprop = Callable[[Float64], tuple[Float64, Float64, Gradients]]


class Product(NamedTuple):
    """Matrix product operand @ W[:, columns of `gates`]; the gates are adjacent in `Cell.recurrent_gates`.

    `operand` is "s", the state before the step [B, H], or one of `Cell.saved`. `gradient` names, per gate, the array
    that holds the gradient of the product in the backward pass: da of a gate, or one of `Cell.saved`; None: da of
    `gates`.
    """

    operand: str
    gates: tuple[str, ...]
    gradient: tuple[str, ...] | None = None

    @property
    def gradient_sources(self) -> tuple[str, ...]:
        """`gradient` with its default."""
        return self.gates if self.gradient is None else self.gradient


class Cell(ABC):
    """Recurrence of one layer; see the legend of `grucli.model`.

    All cells have U [input_size, G·H] and W [H, R·H], of G gates and of the R gates that depend on the state.

    A state is [B, S·H], its S components side by side. The first, s, is the layer's output and the operand of W.
    """

    gates: ClassVar[tuple[str, ...]]
    """Names of the gates in the order of their columns in U, H columns each."""
    state: ClassVar[tuple[str, ...]] = ("s",)
    """Names of the components of the state."""
    products: ClassVar[tuple[Product, ...]]
    """Products with W, in the order of the forward pass."""
    biases: ClassVar[Mapping[str, tuple[str, ...]]]
    """Names of the biases, and what each is added to, H elements each: adjacent gates, or one of `saved`."""
    saved: ClassVar[tuple[str, ...]] = ()
    """Names of arrays [T, B, H] that the kernels save for the backward pass, besides the gates and the states."""
    gate_labels: ClassVar[Mapping[str, str]] = {}
    """Gates that `inspect_gates` returns, the most informative first, and the meaning of their values."""

    @property
    def name(self) -> str:
        """Value of `--cell`: the name of the file."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    def width(self, H: int) -> int:
        """Return the size of the state of one row, S·H."""
        return len(self.state) * H

    @property
    def recurrent_gates(self) -> tuple[str, ...]:
        """Names of the gates that have a product, in the order of `gates` and of their columns in W."""
        multiplied = {gate for product in self.products for gate in product.gates}
        return tuple(gate for gate in self.gates if gate in multiplied)

    def recurrent_columns(self, gates: tuple[str, ...], H: int) -> slice:
        """Return the columns of adjacent `gates` in W.

        Raises:
            ValueError: the gates are not adjacent.
        """
        first = self.recurrent_gates.index(gates[0])
        if self.recurrent_gates[first : first + len(gates)] != gates:
            raise ValueError(f"{gates} are not adjacent in {self.recurrent_gates}")
        return slice(first * H, (first + len(gates)) * H)

    def shapes(self, input_size: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter of a layer of H units over an input of `input_size`."""
        biases: dict[str, tuple[int, ...]] = {name: (len(into) * H,) for name, into in self.biases.items()}
        return {"U": (input_size, len(self.gates) * H), "W": (H, len(self.recurrent_gates) * H)} | biases

    def floats_per_token(self, H: int) -> int:
        """Return the number of float32 per token that a layer saves for the backward pass."""
        return (len(self.gates) + 2 * len(self.state) + len(self.saved)) * H

    def initialize(self, rng: np.random.Generator, input_size: int, H: int) -> dict[str, Float64]:
        """Return initial parameters in the shapes of `shapes`: W of each gate orthogonal, U Glorot, biases zero."""
        weights = {
            "U": np.hstack([glorot(rng, input_size, H) for _ in self.gates]),
            "W": np.hstack([orthogonal(rng, H) for _ in self.recurrent_gates]),
        }
        return weights | {name: np.zeros(len(into) * H) for name, into in self.biases.items()}

    @abstractmethod
    def forward(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """Return the states [T, B, S·H] after each step, and the backward pass.

        x [T, B, input_size], state [B, S·H]; where reset_mask [T, B] is true the state is zero before the step. The
        backward pass takes the gradient of the states and returns dx, dstate, and a function that returns the gradients
        of the parameters.
        """

    @abstractmethod
    def inspect_gates(self, parameters: Arrays, x: Float64, state: Float64) -> tuple[Float64, dict[str, Float64]]:
        """Return the states as `forward` without resets, and the gates of `gate_labels`, each [T, B, H]."""


def outer(a: Float64, d: Float64) -> Float64:
    """Return the gradient of a matrix: the products of its inputs a [T, B, M] and gradients d [T, B, N], [M, N]."""
    return np.tensordot(a, d, axes=([0, 1], [0, 1]))


def sigmoid(a: Float64) -> Float64:
    """Return the logistic function of `a`, without overflow for large negative values."""
    return 0.5 * (1.0 + np.tanh(0.5 * a))


def orthogonal(rng: np.random.Generator, H: int) -> Float64:
    """Return a random orthogonal matrix [H, H] (Saxe 2014, arXiv:1312.6120): products preserve the norm of a state."""
    q, r = np.linalg.qr(rng.standard_normal((H, H)))
    return np.asarray(q * np.sign(np.diag(r)))


def glorot(rng: np.random.Generator, rows: int, columns: int) -> Float64:
    """Return a matrix uniform in ±√(6 / (rows + columns)) (Glorot 2010): products preserve the variance."""
    bound = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-bound, bound, (rows, columns))
