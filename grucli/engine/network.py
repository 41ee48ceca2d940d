"""Embedding → L recurrent layers → linear → softmax: forward and backward passes over windows.

The kernels of the layers loop over time, each thread with its own batch rows; everything else is a product over all
T·B rows.
"""

import numpy as np
from numpy.typing import NDArray

from grucli.engine.matmul import matmul_backend
from grucli.engine.output_layer import LinearOutput, TiedOutput
from grucli.engine.protocol import DropoutMask, GradientHook
from grucli.engine.recurrent_layer import RecurrentLayer
from grucli.engine.thread_pool import ThreadPool
from grucli.kernels import loss
from grucli.kernels.arrays import Float32, empty, zeros
from grucli.kernels.dropout import apply_dropout
from grucli.kernels.microkernel import MR
from grucli.model.cells import CELLS
from grucli.model.parameters import Parameters


class Network:
    """The parameters with the arrays of windows [T, B]. Token ids are in 0 … V - 1."""

    def __init__(self, parameters: Parameters, T: int, B: int, pool: ThreadPool) -> None:
        sizes = parameters.sizes
        self.sizes, self.parameters, self.pool = sizes, parameters, pool
        self.T, self.B, self.N = T, B, T * B
        self._backend = matmul_backend(pool)
        self.cell = CELLS[sizes.cell]
        self.layers = [RecurrentLayer(self.cell, T, B, sizes.H) for _ in range(sizes.L)]
        self._x = empty(self.N, sizes.E)
        self._ds = empty(self.N, sizes.H)  # gradient of the output of a layer
        self._dx = empty(self.N, sizes.E)
        make_output = TiedOutput if sizes.tied else LinearOutput
        self._output_layer = make_output(parameters, self.N, self._backend, pool)

    @property
    def output(self) -> Float32:
        """Output of the highest layer, [N, H]."""
        return self._input(self.sizes.L)

    def zero_state(self) -> Float32:
        """Return the initial state, [L, B, S·H]."""
        return zeros(self.sizes.L, self.B, self.cell.width(self.sizes.H))

    def _input(self, index: int) -> Float32:
        return self._x if index == 0 else self.layers[index - 1].s.reshape(self.N, -1)

    def forward(
        self,
        inputs: NDArray[np.int32],
        reset_mask: NDArray[np.bool_],
        state: Float32,
        dropout: DropoutMask | None = None,
    ) -> None:
        """Compute `output` of inputs [T, B] from state [L, B, S·H], which is updated in place.

        Where reset_mask [T, B] is true, the state of the row is zero before that step.
        """
        pool, views = self.pool, self.parameters.views
        ids = inputs.reshape(-1)
        pool.parallel_for(self.N, lambda low, high: loss.gather(low, high, ids, views["embedding"], self._x))
        self._drop_embedding(self._x, dropout)
        for index, layer in enumerate(self.layers):
            weights = self.parameters.layer(index)
            layer.pack(weights["W"])
            U = self._backend.pack(weights["U"])
            self._backend.matmul(self._input(index), U, layer.gates.reshape(self.N, -1))
            self._run_layer(layer, weights, state[index], reset_mask)
            self._drop_output(layer.s, index, dropout)

    def _run_layer(
        self, layer: RecurrentLayer, weights: dict[str, Float32], state: Float32, reset_mask: NDArray[np.bool_]
    ) -> None:
        self.pool.parallel_for(self.B, lambda low, high: layer.forward(low, high, weights, state, reset_mask), MR)

    def _drop_output(self, s: Float32, index: int, dropout: DropoutMask | None) -> None:
        if dropout is not None:
            self._apply_dropout(s, dropout.key * self.sizes.L + index, dropout.rate)

    def _drop_embedding(self, x: Float32, dropout: DropoutMask | None) -> None:
        if dropout is not None:  # the keys of the layers count up from 0, these down from the highest one
            self._apply_dropout(x, ~dropout.key, dropout.embed_rate)

    def _apply_dropout(self, x: Float32, key: int, rate: float) -> None:
        if rate > 0:
            flat, low_bits = x.reshape(-1), np.array([key & 0xFFFFFFFF], np.uint32)
            self.pool.parallel_for(
                flat.size, lambda low, high: apply_dropout(low, high, flat, low_bits, rate), grain_size=1024
            )

    def losses(self, targets: NDArray[np.int32]) -> Float32:
        """Return the nats of each of targets [T, B] after `forward`, float32 [T, B], without gradients."""
        return self._output_layer.losses(self.output, targets.reshape(-1)).reshape(targets.shape)

    def backward(
        self,
        inputs: NDArray[np.int32],
        targets: NDArray[np.int32],
        reset_mask: NDArray[np.bool_],
        gradients: Parameters,
        dropout: DropoutMask | None = None,
        on_gradient: GradientHook | None = None,
    ) -> float:
        """Compute the gradients of the mean loss after `forward` of the same batch; return the loss in nats per token.

        Backpropagation is truncated to the window (Williams and Peng 1990, doi:10.1162/neco.1990.2.4.490): the state
        before it is a constant.
        """
        pool, d = self.pool, gradients.views
        notify = on_gradient or (lambda part: None)
        output, *layers, embedding = (gradients.flat[group] for group in gradients.groups)
        nats = self._output_layer.backward(self.output, targets.reshape(-1), gradients, self._ds)
        notify(output)
        for index, part in zip(reversed(range(self.sizes.L)), layers, strict=True):
            self._backward_layer(index, reset_mask, gradients, dropout)
            notify(part)
        if not self.sizes.tied:  # otherwise it has the gradient of the output
            d["embedding"].fill(0)
        self._drop_embedding(self._dx, dropout)
        rows = inputs.reshape(-1)
        pool.parallel_for(
            self.sizes.E, lambda low, high: loss.scatter_add(low, high, rows, self._dx, d["embedding"]), grain_size=16
        )
        notify(embedding)
        return nats / self.N

    def _backward_layer(
        self, index: int, reset_mask: NDArray[np.bool_], gradients: Parameters, dropout: DropoutMask | None
    ) -> None:
        pool, layer, d = self.pool, self.layers[index], gradients.layer(index)
        weights = self.parameters.layer(index)
        self._drop_output(self._ds, index, dropout)
        ds = self._ds.reshape(layer.s.shape)
        layer.pack_transposed(weights["W"])
        pool.parallel_for(self.B, lambda low, high: layer.backward(low, high, weights, ds, reset_mask), MR)
        for a, d_product, columns, out_offset in layer.weight_grad_terms():
            self._backend.matmul_tn(a, d_product, d["W"], columns, out_offset)
        for name, (d_sum, first) in layer.bias_gradients().items():
            self._sum_columns(d_sum, first, d[name])
        da = layer.gates.reshape(self.N, -1)
        self._backend.matmul_tn(self._input(index), da, d["U"])
        self._backend.matmul(da, self._backend.pack_transposed(weights["U"]), self._dx if index == 0 else self._ds)

    def _sum_columns(self, matrix: Float32, first: int, sums: Float32) -> None:
        def task(low: int, high: int) -> None:
            loss.column_sums(low, high, matrix, first, sums)

        self.pool.parallel_for(sums.size, task, grain_size=64)
