"""What a cell says of itself. Everything that depends on the kind of cell is derived from this, and stands here once.

A cell is one file in `grucli.model.cells`, which needs NumPy only, and one file of the same name in
`grucli.kernels.cells`, which has its compiled loops. No other file names a cell.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Arrays = Mapping[str, Float64]
Backprop = Callable[[Float64], tuple[Float64, Float64, dict[str, Float64]]]


class Product(NamedTuple):
    """What is multiplied by the columns of W that belong to the gates `into`, which are neighbours in `Cell.gates`.

    `reads` is "s", the state before the step, or one of `Cell.saved`. `gradient` names, gate by gate, where the
    gradient of the product is found on the way back: da of a gate, or one of `Cell.saved`; None: da of its own gates.
    """

    reads: str
    into: tuple[str, ...]
    gradient: tuple[str, ...] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """`gradient`, spelled out."""
        return self.into if self.gradient is None else self.gradient


class Cell(ABC):
    """One layer's recurrence; see the legend of `grucli.model`. U [below, G·H] and W [H, G·H] are in every cell.

    A state is [B, S·H], its S components side by side. The first, s, is what goes up and what W multiplies.
    """

    gates: ClassVar[tuple[str, ...]]
    """In the order of their columns in U and W, each of H columns."""
    state: ClassVar[tuple[str, ...]] = ("s",)
    """Its components."""
    products: ClassVar[tuple[Product, ...]]
    """In the order of a step forward."""
    biases: ClassVar[Mapping[str, tuple[str, ...]]]
    """Each bias by name, and to what it is added, H numbers each: gates in their order, or one of `saved`."""
    saved: ClassVar[tuple[str, ...]] = ()
    """Arrays [T, B, H] that the kernels keep for the way back, besides the gates and the states."""
    gate_labels: ClassVar[Mapping[str, str]] = {}
    """The gates that can be looked at by `look`, the most telling first, and what their values mean, in words."""

    @property
    def name(self) -> str:
        """What `--cell` calls it: the name of its file."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    def width(self, H: int) -> int:
        """How many numbers the state of one row has, S·H."""
        return len(self.state) * H

    def columns(self, gates: tuple[str, ...], H: int) -> slice:
        """The columns of `gates`, which are neighbours, in U and W.

        Raises:
            ValueError: they are not neighbours.
        """
        first = self.gates.index(gates[0])
        if self.gates[first : first + len(gates)] != gates:
            raise ValueError(f"{gates} are not neighbours in {self.gates}")
        return slice(first * H, (first + len(gates)) * H)

    def shapes(self, input_size: int, H: int) -> dict[str, tuple[int, ...]]:
        """Each parameter's name and shape, for a layer of H units over an input of `below` numbers."""
        G = len(self.gates)
        biases: dict[str, tuple[int, ...]] = {name: (len(into) * H,) for name, into in self.biases.items()}
        return {"U": (input_size, G * H), "W": (H, G * H)} | biases

    def floats_per_token(self, H: int) -> int:
        """How many float32 a layer keeps of each token of a window until it was walked back."""
        return (len(self.gates) + 2 * len(self.state) + len(self.saved)) * H

    def initialize(self, rng: np.random.Generator, input_size: int, H: int) -> dict[str, Float64]:
        """Fresh parameters, in the names and shapes of `shapes`: recurrent weights orthogonal, a matrix per gate."""
        weights = {
            "U": np.hstack([glorot(rng, input_size, H) for _ in self.gates]),
            "W": np.hstack([orthogonal(rng, H) for _ in self.gates]),
        }
        return weights | {name: np.zeros(len(into) * H) for name, into in self.biases.items()}

    @abstractmethod
    def forward(
        self, parameters: Arrays, x: Float64, state: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """The specification: x [T, B, below], state [B, S·H], resets [T, B] → states [T, B, S·H] and a function that
        takes their gradient to (dx, dstate, gradients by name). Where `resets` is true the state is zero before the
        step."""

    @abstractmethod
    def inspect_gates(self, parameters: Arrays, x: Float64, state: Float64) -> tuple[Float64, dict[str, Float64]]:
        """As `forward` without resets: the states, and what is `shown`, each [T, B, H]."""


def sigmoid(a: Float64) -> Float64:
    """The logistic function, without overflow for large negative `a`."""
    return 0.5 * (1.0 + np.tanh(0.5 * a))


def orthogonal(rng: np.random.Generator, H: int) -> Float64:
    """A random orthogonal H × H matrix (Saxe 2014): repeated products neither grow nor shrink a state."""
    q, r = np.linalg.qr(rng.standard_normal((H, H)))
    return np.asarray(q * np.sign(np.diag(r)))


def glorot(rng: np.random.Generator, rows: int, columns: int) -> Float64:
    """Uniform in ±√(6 / (rows + columns)) (Glorot 2010): the variance of what passes through is kept."""
    bound = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-bound, bound, (rows, columns))
