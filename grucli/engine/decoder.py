"""Inference on the CPU: a network of any cell, packed for reading and generating one token at a time."""

import copy
import threading
from collections.abc import Mapping
from typing import Self

import numpy as np

from grucli.engine.recurrent_layer import forward_products, kernel_cell
from grucli.kernels import decode
from grucli.kernels.arrays import Float32, empty
from grucli.kernels.microkernel import NR, num_panels
from grucli.kernels.quantized import allocate_workspace, pack_weights
from grucli.kernels.sampling import DecodeState, Ids, SamplingParams
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig
from grucli.model.parameters import layer_parameters, output_weights

_MAX_CACHED_ROWS = 2  # a sequence and its unconditional branch; the workspace of many rows may be large


class CpuDecoder:
    """Implements `InferenceEngine` with a packed copy of the named parameters, in int8 if quantized."""

    def __init__(self, sizes: ModelConfig, parameters: Mapping[str, Float32], *, quantized: bool) -> None:
        cell, H, V = CELLS[sizes.cell], sizes.H, sizes.V
        layers = [layer_parameters(parameters, index) for index in range(sizes.L)]
        U_columns = layers[0]["U"].shape[1]
        self._cell, self._kernel, self._H = cell, kernel_cell(cell), H
        with np.errstate(over="ignore", invalid="ignore"):  # the weights of a network that diverged
            table = np.ascontiguousarray(parameters["embedding"] @ layers[0]["U"])
        self._weights = decode.Weights(
            table=table,
            u=pack_weights([layer["U"] for layer in layers[1:]], 0, U_columns, quantized=quantized),
            out=pack_weights([output_weights(parameters)], 0, V, quantized=quantized),
            out_bias=parameters["out.b"],
        )
        self._quantized = quantized
        self._held = _hold({})
        columns = [cell.recurrent_columns(product.gates, H) for product in cell.products]
        matrices = [layer["W"] for layer in layers]
        self._packed = [pack_weights(matrices, c.start, c.stop - c.start, quantized=quantized) for c in columns]
        self._biases = {name: np.stack([layer[name] for layer in layers]) for name in cell.biases}
        self._cache = threading.local()
        self._columns = {"x": U_columns, "scratch": max(c.stop - c.start for c in columns), "logits": V, "weights": V}

    def with_output(self, weights: Float32, bias: Float32) -> Self:
        """Implement `InferenceEngine.with_output`; everything but the output layer is shared."""
        out = pack_weights([weights], 0, len(bias), quantized=self._quantized)
        decoder = copy.copy(self)
        decoder._weights = self._weights._replace(out=out, out_bias=bias)
        return decoder

    def with_held_units(self, values: Mapping[tuple[int, int], float]) -> Self:
        """Implement `InferenceEngine.with_held_units`; everything else is shared."""
        decoder = copy.copy(self)
        decoder._held = _hold(values)
        return decoder

    def _workspace(self, rows: int) -> tuple[decode.Layers, decode.Workspace]:
        # Cached per thread: allocating a workspace takes as long as a few tokens.
        cached: tuple[int, tuple[decode.Layers, decode.Workspace]] | None = getattr(self._cache, "workspace", None)
        if cached is not None and cached[0] == rows:
            return cached[1]
        workspace = self._make_workspace(rows)
        if rows <= _MAX_CACHED_ROWS:
            self._cache.workspace = rows, workspace
        return workspace

    def _make_workspace(self, rows: int) -> tuple[decode.Layers, decode.Workspace]:
        cell, H = self._cell, self._H
        old, new = (tuple(empty(rows, H) for _ in cell.state) for _ in range(2))
        saved = {name: empty(rows, H) for name in cell.saved}
        products = forward_products(cell, {"s": old[0], **saved}, self._packed)
        padded = {name: empty(rows, num_panels(columns) * NR) for name, columns in self._columns.items()}
        layers = decode.Layers(self._kernel(**self._biases, **saved), products, old, new, padded.pop("scratch"))
        return layers, decode.Workspace(**padded, quant=allocate_workspace(rows, H, max(self._columns.values())))

    def prefill(self, tokens: Ids, state: Float32, hidden: Float32 | None = None) -> None:
        """Implement `InferenceEngine.prefill`."""
        n = tokens.shape[1]
        hidden = np.empty((0, n, self._H), np.float32) if hidden is None else hidden
        layers, workspace = self._workspace(n)
        decode.prefill(0, n, tokens, self._weights, layers, self._held, state, hidden, workspace)

    def decode(
        self, low: int, high: int, params: SamplingParams, decode_state: DecodeState, state: Float32, out_tokens: Ids
    ) -> None:
        """Implement `InferenceEngine.decode`."""
        layers, workspace = self._workspace(high - low)
        decode.decode(low, high, self._weights, layers, self._held, params, decode_state, state, out_tokens, workspace)


def _hold(values: Mapping[tuple[int, int], float]) -> decode.HeldUnits:
    places = np.array(list(values), np.int32).reshape(-1, 2).T
    layers, units = np.ascontiguousarray(places)
    return decode.HeldUnits(layers, units, np.array(list(values.values()), np.float32))
