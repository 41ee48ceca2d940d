"""Embedding → L recurrent layers → linear → softmax: one window forward, and back.

A `Network` owns the arrays of windows of T steps and B rows for one set of parameters. What recurs is walked by the
layers' kernels, each thread with batch rows of its own; everything else is a product over all T·B rows.
"""

import math
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from grucli.engine.cell_kernels import LAYERS, Recurrence
from grucli.engine.matmul import products_of
from grucli.engine.thread_pool import Crew
from grucli.kernels import loss
from grucli.kernels.arrays import Float32, empty, zeros
from grucli.kernels.dropout import drop
from grucli.kernels.microkernel import ROWS
from grucli.model.parameters import Parameters

_LOGITS_TOGETHER = 1 << 18  # numbers, 1 MB
_FEWEST = 4 * ROWS  # rows below which the weights would be read too often


@dataclass(frozen=True, slots=True)
class Dropout:
    """A share `rate` of what each layer hands up is cleared; `key` names the masks of one step."""

    rate: float
    key: int


class Network:
    """See the module. Windows must have exactly T steps and B rows, ids in 0 … V - 1."""

    def __init__(self, parameters: Parameters, T: int, B: int, crew: Crew) -> None:
        sizes = parameters.sizes
        self.sizes, self.parameters, self.crew = sizes, parameters, crew
        self.T, self.B, self.N = T, B, T * B
        self._products = products_of(crew)
        self.layers: list[Recurrence] = [LAYERS[sizes.cell](T, B, sizes.H) for _ in range(sizes.L)]
        self._x = empty(self.N, sizes.E)
        self._ds = empty(self.N, sizes.H)  # made on the way back: the gradient of what a layer handed up
        self._dx = empty(self.N, sizes.E)
        self._logits = empty(0, sizes.V)  # [N, V], made by the first way back
        self._together = max(_FEWEST, _LOGITS_TOGETHER // sizes.V // ROWS * ROWS)

    @property
    def top(self) -> Float32:
        """What the highest layer handed up, [N, H]."""
        return self._input(self.sizes.L)

    def zero_state(self) -> Float32:
        """The state before anything was read, [L, B, H]."""
        return zeros(self.sizes.L, self.B, self.sizes.H)

    def _input(self, index: int) -> Float32:
        return self._x if index == 0 else self.layers[index - 1].s.reshape(self.N, -1)

    def forward(
        self,
        inputs: NDArray[np.int32],
        resets: NDArray[np.bool_],
        state: Float32,
        dropout: Dropout | None = None,
    ) -> None:
        """Read inputs [T, B] from state [L, B, H], which is carried on in place, into `top`.

        Where resets [T, B] is true, the row's state is zero before that step.
        """
        crew, views = self.crew, self.parameters.views
        ids = inputs.reshape(-1)
        crew.share(self.N, lambda low, high: loss.gather(low, high, ids, views["embedding"], self._x))
        for index, layer in enumerate(self.layers):
            weights = self.parameters.layer(index)
            layer.pack(weights["W"])
            U = self._products.factor(weights["U"])
            self._products.times(self._input(index), U, layer.gates.reshape(self.N, -1))
            self._walk(layer, weights, state[index], resets)
            self._drop(layer.s, index, dropout)

    def _walk(self, layer: Recurrence, weights: dict[str, Float32], state: Float32, resets: NDArray[np.bool_]) -> None:
        self.crew.share(self.B, lambda low, high: layer.forward(low, high, weights, state, resets), ROWS)

    def _drop(self, x: Float32, index: int, dropout: Dropout | None) -> None:
        if dropout is not None and dropout.rate > 0:
            flat = x.reshape(-1)
            key = np.array([dropout.key * self.sizes.L + index], np.uint64).astype(np.uint32)
            self.crew.share(flat.size, lambda low, high: drop(low, high, flat, key, dropout.rate), grain=1024)

    def loss(self, targets: NDArray[np.int32], weights: Float32) -> float:
        """After `forward`: Σ weights · nats over targets [T, B], without gradients; weights [T, B]."""
        views, ids, flat, top = self.parameters.views, targets.reshape(-1), weights.reshape(-1), self.top
        out = self._products.factor(views["out.W"])

        def share(low: int, high: int) -> list[float]:
            nats, logits = [], empty(self._together, self.sizes.V)
            for start in range(low, high, self._together):
                rows = slice(start, min(start + self._together, high))
                n = rows.stop - start
                out.apply(top[rows], logits[:n])
                nats.append(loss.cross_entropy(logits[:n], views["out.b"], ids[rows], flat[rows]))
            return nats

        return math.fsum(chain.from_iterable(self.crew.share(self.N, share, self._together)))

    def _read_out(self, targets: NDArray[np.int32], d_bias: Float32) -> float:
        """Σ nats over targets; the gradient of their mean in `_logits`, summed up in d_bias [V], handed down in `_ds`.

        A few rows at a time go the whole way, so that their logits stay in the second-level cache.
        """
        views, ids, top = self.parameters.views, targets.reshape(-1), self.top
        out, back = self._products.factor(views["out.W"]), self._products.transposed_factor(views["out.W"])
        if len(self._logits) == 0:
            self._logits = empty(self.N, self.sizes.V)

        sums = empty(-(-self.N // self._together), self.sizes.V)

        def share(low: int, high: int) -> list[float]:
            nats, scale = [], np.float32(1.0 / self.N)
            for start in range(low, high, self._together):
                rows = slice(start, min(start + self._together, high))
                logits = self._logits[rows]
                out.apply(top[rows], logits)
                nats.append(loss.cross_entropy_gradient(logits, views["out.b"], ids[rows], scale))
                loss.column_sums(0, self.sizes.V, logits, sums[start // self._together])
                back.apply(logits, self._ds[rows])
            return nats

        nats = math.fsum(chain.from_iterable(self.crew.share(self.N, share, self._together)))
        loss.column_sums(0, self.sizes.V, sums, d_bias)
        return nats

    def backward(
        self,
        inputs: NDArray[np.int32],
        targets: NDArray[np.int32],
        resets: NDArray[np.bool_],
        gradients: Parameters,
        dropout: Dropout | None = None,
    ) -> float:
        """After `forward` with the same arguments: fill `gradients` of the mean nats a token, and return that mean.

        The gradient does not reach back beyond the window: the carried state is taken as given.
        """
        crew, d = self.crew, gradients.views
        nats = self._read_out(targets, d["out.b"])
        self._products.transposed_times(self.top, self._logits, d["out.W"])
        for index in reversed(range(self.sizes.L)):
            self._layer_back(index, resets, gradients, dropout)
        d["embedding"].fill(0)
        rows = inputs.reshape(-1)
        crew.share(
            self.sizes.E, lambda low, high: loss.scatter_add(low, high, rows, self._dx, d["embedding"]), grain=16
        )
        return nats / self.N

    def _layer_back(
        self, index: int, resets: NDArray[np.bool_], gradients: Parameters, dropout: Dropout | None
    ) -> None:
        crew, layer, d = self.crew, self.layers[index], gradients.layer(index)
        weights = self.parameters.layer(index)
        self._drop(self._ds, index, dropout)
        ds = self._ds.reshape(layer.s.shape)
        layer.pack_transposed(weights["W"])
        layer.dstate.fill(0)
        crew.share(self.B, lambda low, high: layer.backward(low, high, ds, resets), ROWS)
        for a, d_product, columns, shift in layer.recurrent_products():
            self._products.transposed_times(
                a.reshape(self.N, -1), d_product.reshape(self.N, -1), d["W"], columns, shift
            )
        for name, d_sum in layer.bias_gradients().items():
            self._sum_columns(d_sum.reshape(self.N, -1), d[name])
        da = layer.gates.reshape(self.N, -1)
        self._products.transposed_times(self._input(index), da, d["U"])
        self._products.times(da, self._products.transposed_factor(weights["U"]), self._dx if index == 0 else self._ds)

    def _sum_columns(self, matrix: Float32, sums: Float32) -> None:
        self.crew.share(sums.size, lambda low, high: loss.column_sums(low, high, matrix, sums), grain=64)
