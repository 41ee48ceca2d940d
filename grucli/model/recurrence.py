"""Which compiled code belongs to which cell. Apart from `cells`, so that a weights file is read without a kernel."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.gru import Gru, GruStreams
from grucli.kernels.sampling import Ids, Rules, Streams


class Recurrence(Protocol):
    """A layer's arrays for windows of T steps and B rows, and the two walks over them; see `grucli.kernels.gru`.

    `gates` [T, B, G] is given x U and, after `backward`, holds its gradient; `s` [T, B, H] is what goes up;
    `dstate` has the shape of the carried state.
    """

    gates: Float32
    s: Float32
    dstate: Float32

    def pack(self, W: Float32) -> None:
        """Lay the recurrent weights out for the forward walk."""

    def pack_transposed(self, W: Float32) -> None:
        """Lay the transposed weights out for the backward walk."""

    def forward(self, low: int, high: int, b: Float32, state: Float32, resets: NDArray[np.bool_]) -> None:
        """Walk rows [low, high) of the window."""

    def backward(self, low: int, high: int, ds: Float32, resets: NDArray[np.bool_]) -> None:
        """Walk them back."""

    def recurrent_products(self) -> tuple[tuple[Float32, slice], ...]:
        """The A, and the gate columns of da, whose products Aᵀ da make up dW."""


class Writer(Protocol):
    """A whole network a token at a time; see `grucli.kernels.gru.GruStreams`."""

    def read(self, tokens: Ids, state: Float32) -> None:
        """Read tokens [K] from state [L, 1, H], which goes on in place."""

    def write(self, low: int, high: int, rules: Rules, streams: Streams, state: Float32, written: Ids) -> None:
        """Streams [low, high) write up to K tokens each into written [n, K]."""


LAYERS: dict[str, type[Gru]] = {"gru": Gru}
WRITERS: dict[str, type[GruStreams]] = {"gru": GruStreams}
