"""What every cell says of itself."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Arrays = Mapping[str, Float64]
Backprop = Callable[[Float64], tuple[Float64, Float64, dict[str, Float64]]]


class Cell(Protocol):
    """One layer's recurrence; see the legend of `grucli.model`."""

    @property
    def name(self) -> str:
        """What `--cell` calls it."""

    @property
    def gates(self) -> tuple[str, ...]:
        """Its gates, in the order in which they lie in the parameters."""

    def shapes(self, input_size: int, H: int) -> dict[str, tuple[int, ...]]:
        """Each parameter's name and shape, for a layer of H units over an input of `below` numbers."""

    def initialize(self, rng: np.random.Generator, input_size: int, H: int) -> dict[str, Float64]:
        """Fresh parameters, in the names and shapes of `shapes`."""

    def forward(
        self, parameters: Arrays, x: Float64, s0: Float64, reset_mask: NDArray[np.bool_]
    ) -> tuple[Float64, Backprop]:
        """The specification: x [T, B, below], s0 [B, H], resets [T, B] → states s [T, B, H] and a function that
        takes ds [T, B, H] to (dx, ds0, gradients by name). Where `resets` is true the state is zero before the step."""

    def inspect_gates(self, parameters: Arrays, x: Float64, s0: Float64) -> tuple[Float64, dict[str, Float64]]:
        """As `forward` without resets: the states, and what can be seen of its gates, each [T, B, H]: "update", how
        much of the old state stays, and "reset", how much of it the new one is made from, where the cell has them."""


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
