"""Which compiled code belongs to which cell. Apart from `cells`, so that a weights file is read without a kernel."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.gru import Gru, gru_streams
from grucli.kernels.gru_after import GruAfter, gru_after_streams
from grucli.kernels.sampling import DecodeState, Ids, SamplingParams


class Recurrence(Protocol):
    """A layer's arrays for windows of T steps and B rows, and the two walks over them; see `grucli.kernels.gru`.

    `gates` [T, B, G] is given x U and, after `backward`, holds its gradient; `s` [T, B, H] is what goes up;
    `dstate` has the shape of the carried state. U and W are a layer's parameters in every cell; those that are added
    to something, its biases, have names and shapes of the cell's own.
    """

    gates: Float32
    s: Float32
    dstate: Float32

    def pack(self, W: Float32) -> None:
        """Lay the recurrent weights out for the forward walk."""

    def pack_transposed(self, W: Float32) -> None:
        """Lay the transposed weights out for the backward walk."""

    def forward(
        self, low: int, high: int, weights: Mapping[str, Float32], state: Float32, resets: NDArray[np.bool_]
    ) -> None:
        """Walk rows [low, high) of the window; `weights` are the layer's parameters by name."""

    def backward(self, low: int, high: int, ds: Float32, resets: NDArray[np.bool_]) -> None:
        """Walk them back."""

    def recurrent_products(self) -> tuple[tuple[Float32, Float32, slice, int], ...]:
        """After `backward`: A and D [T, B, ...], columns and a shift: dW[:, columns + shift] = Aᵀ D[:, :, columns]."""

    def bias_gradients(self) -> dict[str, Float32]:
        """After `backward`, of each bias by name: the gradients [T, B, ...] that sum up to its own."""


class Writer(Protocol):
    """A whole network a token at a time; see `grucli.kernels.cell.CellStreams`."""

    def read(self, tokens: Ids, state: Float32, seen: Float32 | None = None) -> None:
        """Read tokens [K, n] from state [L, n, H], which goes on in place; seen [K, n, H]: the highest layer."""

    def write(
        self, low: int, high: int, rules: SamplingParams, streams: DecodeState, state: Float32, written: Ids
    ) -> None:
        """Streams [low, high) write up to K tokens each into written [n, K]."""


class MakeWriter(Protocol):
    """Makes a network's writer from the embedding [V, E], the layers' parameters, and out [H, V] with its bias [V]."""

    def __call__(
        self,
        embedding: Float32,
        layers: Sequence[Mapping[str, Float32]],
        out: Float32,
        out_bias: Float32,
        *,
        rounded: bool,
    ) -> Writer:
        """With `rounded`, weights take a byte each."""


LAYERS: dict[str, Callable[[int, int, int], Recurrence]] = {"gru": Gru, "gru-after": GruAfter}
"""A layer's arrays, from T, B and H."""

WRITERS: dict[str, MakeWriter] = {"gru": gru_streams, "gru-after": gru_after_streams}
